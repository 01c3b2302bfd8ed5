//! A restore that was interrupted and could not be ended when the agent started: what waits for it, and another try.

use super::work::Work;
use super::{BackupEvent, Idle, OperationError, OperationsHandle, Owner};

impl OperationsHandle {
    /// Tries once more to end an interrupted restore.
    pub async fn recover(&self) -> Result<String, OperationError> {
        self.begin(Work::Recover).await
    }
}

impl Owner {
    /// What jobs would write to may be between two states.
    pub(super) async fn hold_jobs(&mut self) {
        let why = self.wiring.hold.why();
        if why.is_some() {
            match Idle::all(&self.wiring.jobs).await {
                Ok(idle) => self.idle = Some(idle),
                Err(e) => tracing::error!("a job is not held while a restore is not ended: {e}"),
            }
        }
        self.tell(BackupEvent::Unfinished(why)).await;
    }

    pub(super) fn refuse_between_states(&self, work: &Work) -> Result<(), OperationError> {
        match (self.wiring.hold.why(), work) {
            (None, Work::Recover) => Err(OperationError::NothingToRecover),
            (Some(why), work) if !matches!(work, Work::Recover) => Err(OperationError::Unfinished { why }),
            _ => Ok(()),
        }
    }

    /// A try is over: when the restore is ended, whoever waited for it goes on.
    pub(super) async fn recovered(&mut self) {
        let why = self.wiring.hold.why();
        if why.is_none() {
            self.idle = None;
            for service in &self.wiring.stack.config().services {
                self.wiring.stack.changed(&service.name);
            }
        }
        self.tell(BackupEvent::Unfinished(why)).await;
    }
}
