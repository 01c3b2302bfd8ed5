//! The operation that runs, and how it ends.

use steady_backup::{BackupError, Cancel};
use steady_model::backup::{EndedOperation, Operation, OperationOutcome};
use steady_model::time::{Now, WallTime};
use tokio::task::JoinHandle;

use super::OperationError;

pub(super) struct Running {
    pub(super) operation: Operation,
    pub(super) cancel: Cancel,
    pub(super) began: Now,
    pub(super) task: JoinHandle<Result<(), OperationError>>,
}

impl Running {
    /// It is over: what a client that waited for it is told.
    pub(super) fn ended(&self, outcome: OperationOutcome, ended: WallTime) -> EndedOperation {
        let Operation { id, kind, .. } = &self.operation;
        EndedOperation { id: id.clone(), kind: *kind, ended, outcome }
    }
}

/// Waits for the running operation; for ever when there is none.
pub(super) async fn finished(running: &mut Option<Running>) -> OperationOutcome {
    match running {
        Some(running) => match (&mut running.task).await {
            Ok(Ok(())) => OperationOutcome::Done,
            Ok(Err(OperationError::Backup(BackupError::Cancelled))) => OperationOutcome::Cancelled,
            Ok(Err(error)) => OperationOutcome::Failed { why: error.to_string() },
            Err(e) => OperationOutcome::Failed { why: format!("it broke off: {e}") },
        },
        None => std::future::pending().await,
    }
}
