use std::io;
use std::path::PathBuf;

use steady_disk::{DiskError, LockError};
use steady_model::time::WallTime;

/// What failed besides a job itself.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    #[error("cannot write the marker of job {job}: {source}")]
    Marker { job: String, source: DiskError },
    #[error("cannot {action} the run history {}: {source}; check the permissions and the free space", path.display())]
    History { action: &'static str, path: PathBuf, source: io::Error },
    #[error("cannot keep the run history: {0}")]
    Disk(#[from] DiskError),
    #[error("cannot follow the markers in {}: {source}", dir.display())]
    Watch { dir: PathBuf, source: notify::Error },
    #[error("{} lies on a volume that does not tell of changes", dir.display())]
    Silent { dir: PathBuf },
    #[error("cannot read the output {} of a job: {source}", path.display())]
    Output { path: PathBuf, source: io::Error },
}

/// Why a run was not started.
#[derive(Debug, thiserror::Error)]
pub enum RunRefused {
    #[error(
        "job {job} has no command: it runs elsewhere, and Steady only follows its markers; start it there"
    )]
    NotOurs { job: String },
    #[error("job {job} already runs (run {run}, since {since:.0}); wait for it to end")]
    AlreadyRunning { job: String, run: String, since: WallTime },
    #[error("job {job} is held back while its data are being replaced; try again after that")]
    Paused { job: String },
    #[error(transparent)]
    Locked(#[from] LockError),
    #[error("the agent is ending; start it again, then run job {job}")]
    Ending { job: String },
}
