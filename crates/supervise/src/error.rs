use std::io;
use std::path::PathBuf;
use std::time::Duration;

use steady_model::words;

#[derive(Debug, thiserror::Error)]
pub enum SuperviseError {
    #[error("{service} is not supervised any more; the agent is shutting down")]
    Gone { service: String },
    #[error("{service} has too many commands waiting; try again in a moment")]
    Busy { service: String },
    #[error("{service} did not stop within {}: {state}; look at its processes before you go on", words::span(*limit))]
    NotStopped { service: String, limit: Duration, state: String },
    #[error("{service} did not become ready within {}: {state}; look at its log", words::span(*limit))]
    NotReady { service: String, limit: Duration, state: String },
    #[error("cannot {action} {}: {source}", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error(transparent)]
    Disk(#[from] steady_disk::DiskError),
    #[error(transparent)]
    Sink(#[from] steady_logs::SinkError),
    #[error("the journal {} is unreadable: {source}; it is ignored", path.display())]
    Journal { path: PathBuf, source: serde_json::Error },
    #[error("the journal {} is of a newer Steady (version {version}); it is ignored", path.display())]
    NewerJournal { path: PathBuf, version: u32 },
}

/// Why a service could not be spawned; goes into the lifecycle as words.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    #[error("the command is empty; name a program in steady.toml")]
    EmptyCommand,
    #[error("the working directory {} is not a directory; create it or correct `cwd`", path.display())]
    NoDirectory { path: PathBuf },
    #[error("the program {program} is in none of PATH={path}; install it or give its full path")]
    NotFound { program: String, path: String },
    #[error("cannot run {}: {source}", program.display())]
    Exec { program: PathBuf, source: io::Error },
    #[error(transparent)]
    Environment(#[from] steady_launch::EnvError),
    #[error(transparent)]
    Output(#[from] SuperviseError),
}
