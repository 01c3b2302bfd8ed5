use std::io;
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    #[error("cannot {action} {}: {source}", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error(transparent)]
    Disk(#[from] steady_disk::DiskError),
    #[error(transparent)]
    Lock(#[from] steady_disk::LockError),
    #[error("{} is not a FIFO; move it away, Steady makes its own", path.display())]
    NotAFifo { path: PathBuf },
    #[error("{} was written by a newer Steady (version {version}, this one reads {known}); update Steady", path.display())]
    Newer { path: PathBuf, version: u32, known: u32 },
    #[error("{} is damaged: {source}; the sink starts without it when it is removed", path.display())]
    Book { path: PathBuf, source: serde_json::Error },
    #[error("the log sink did not start ({} sink --home {}): {reason}", program.display(), home.display())]
    NotStarted { program: PathBuf, home: PathBuf, reason: String },
    #[error("the log sink at {} does not answer: {source}; it is started again with the agent", socket.display())]
    NoAnswer { socket: PathBuf, source: io::Error },
    #[error("the log sink of {} was ended for good by this process", home.display())]
    Closed { home: PathBuf },
    #[error("the log sink refused {what}: {reason}")]
    Refused { what: String, reason: String },
}

impl SinkError {
    pub(crate) fn at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}
