//! Ending an operation early: always by its id, so that who asks late never ends the next one.

use jiff::tz::TimeZone;
use steady_model::backup::{Operation, OperationKind, OperationOutcome};
use steady_model::time::WallTime;
use tokio::sync::oneshot;

use super::{BackupEvent, Command, OperationError, OperationsHandle, Owner};

impl OperationsHandle {
    /// Answers when it was told to end; that it has ended is told by the World.
    pub async fn cancel(&self, id: &str) -> Result<(), OperationError> {
        let (reply, answer) = oneshot::channel();
        let command = Command::Cancel { id: id.to_owned(), reply };
        self.commands.send(command).await.map_err(|_| OperationError::Gone)?;
        match answer.await.map_err(|_| OperationError::Gone)? {
            // Copies have owners of their own.
            Err(OperationError::UnknownOperation { .. }) if self.copies.cancel(id).await? => Ok(()),
            answer => answer,
        }
    }
}

impl Owner {
    pub(super) async fn cancel(&self, id: String) -> Result<(), OperationError> {
        let Some(running) = self.running.as_ref().filter(|running| running.operation.id == id) else {
            return Err(match &self.last {
                Some(last) if last.id == id => OperationError::Over {
                    doing: last.kind,
                    how: match &last.outcome {
                        OperationOutcome::Done => "it was done",
                        OperationOutcome::Failed { .. } => "it failed",
                        OperationOutcome::Cancelled => "it was cancelled",
                    },
                },
                _ => OperationError::UnknownOperation { id },
            });
        };
        if !running.cancel.ask() {
            return Err(OperationError::TooLate { doing: running.operation.kind });
        }
        tracing::info!("cancelled: {}", running.operation.kind.gerund());
        let phase = "ending it early".to_owned();
        let operation = Operation {
            phase,
            done_bytes: 0,
            total_bytes: 0,
            can_cancel: false,
            ..running.operation.clone()
        };
        self.tell(BackupEvent::Operation(Some(operation))).await;
        Ok(())
    }

    /// What is due already waits for its next time; what is due later comes as planned.
    pub(super) fn postpone(&mut self, cancelled: OperationKind, now: WallTime) {
        let drills = self.wiring.backups.as_ref().and_then(|(_, drills)| drills.every());
        let backups = self.wiring.spec.as_ref().and_then(|spec| spec.schedule.as_ref());
        let overdue = |due: Option<WallTime>| due.is_none_or(|due| due <= now);
        match cancelled {
            OperationKind::Backup if overdue(self.due) => {
                self.not_before = backups.and_then(|schedule| schedule.following(now, &TimeZone::system()));
            }
            OperationKind::Drill if overdue(self.drill_due) => {
                self.no_drill_before = drills.map(|every| now.after(every));
            }
            _ => {}
        }
    }
}
