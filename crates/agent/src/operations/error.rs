use steady_backup::BackupError;
use steady_model::backup::OperationKind;
use steady_sync::RunRefused;

/// Why an operation was not begun, not ended early, or not done.
#[derive(Debug, thiserror::Error)]
pub enum OperationError {
    #[error("Steady is {} already; wait until it is done", doing.gerund())]
    Busy { doing: OperationKind },
    #[error("backup is not configured; add a [backup] section with the data directory to steady.toml")]
    NotConfigured,
    #[error("there is no verified restore point to rehearse; `steady backup` takes one")]
    NothingToDrill,
    #[error("there is no restore to undo")]
    NothingToUndo,
    #[error("there is no restore point {id}; `steady backups` shows them")]
    UnknownPoint { id: String },
    #[error("there is no copy {name}; `steady copies` shows those that are configured")]
    UnknownCopy { name: String },
    #[error("there is no operation {id} that runs; `steady status` shows what does")]
    UnknownOperation { id: String },
    #[error("no restore is interrupted: there is nothing to end")]
    NothingToRecover,
    #[error(
        "a restore that was interrupted must be ended first: {why}; mend that, then `steady backup recover` ends it"
    )]
    Unfinished { why: String },
    #[error("there is nothing to cancel: {} is over, {how}", doing.gerund())]
    Over { doing: OperationKind, how: &'static str },
    #[error(
        "it is too late to cancel: {} is past the step where the services are stopped, and ends whole or rolls back \
         by itself; wait for it, then `steady undo` brings the state before back",
        doing.gerund()
    )]
    TooLate { doing: OperationKind },
    #[error("the data is in use by a job: {0}; wait until it has ended")]
    JobRuns(#[from] RunRefused),
    #[error("nothing was changed: {why}")]
    Refused { why: String },
    #[error("the agent is ending")]
    Gone,
    #[error(transparent)]
    Backup(#[from] BackupError),
}
