//! How a service's process comes to be and goes: one trait, and who implements it for a service.
//!
//! A manager acts on a process and says what it sees; it decides nothing. When something is started, stopped or
//! tried again, and whether a stop is proved, is the actor's business, for all managers alike.

mod child;
pub mod launchd;
mod patience;

pub mod systemd;
pub mod template;
mod through;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use steady_model::config::{self, Service};
use steady_model::process::{Exit, ProcessId};

use crate::error::SpawnError;
pub use child::Child;
pub(crate) use child::Spawned;
use launchd::{Launchd, LaunchdError};
pub(crate) use patience::until;
use systemd::{Systemd, SystemdError};
pub use through::{Through, home_mark};

/// How a service's process comes to be and goes. Blocking.
pub trait Manager: Send + Sync + 'static {
    /// The service's main process, if it runs by now, whoever started it.
    fn find(&self) -> Result<Option<ProcessId>, ManagerError>;

    /// Starts it and says its main process; one that runs already is said and left as it is.
    fn start(&self) -> Result<ProcessId, ManagerError>;

    /// Asks it to end, by its stop signal, and keeps whoever else watches it from starting it again. Must not wait
    /// for the end. Nothing when `process` is not the service's any more.
    fn terminate(&self, process: &ProcessId) -> Result<(), ManagerError>;

    /// Ends it, and all that is with it, by force. Nothing when `process` is not the service's any more.
    fn kill(&self, process: &ProcessId) -> Result<(), ManagerError>;

    /// What a person should know although it may run, in words.
    fn warning(&self) -> Option<String>;

    /// How the process that ran last ended; `None` when it is not known.
    fn last_exit(&self) -> Option<Exit>;
    /// Takes away the definition that Steady generated: after a stop, of a service that is not Steady's any more.
    fn remove(&self) -> Result<(), ManagerError> {
        Ok(())
    }
}

/// Why a manager could not do what it was told.
#[derive(Debug, thiserror::Error)]
pub enum ManagerError {
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    #[error("cannot signal the processes of pid {pid}: {source}")]
    Signal { pid: u32, source: io::Error },
    #[error(transparent)]
    Launchd(#[from] LaunchdError),
    #[error(transparent)]
    Systemd(#[from] SystemdError),
    #[error(
        "{service} is to run under {manager}, which is not to be had here; choose another `manager` in steady.toml"
    )]
    Absent { service: String, manager: &'static str },
}

/// The manager that a service asks for, except `child`, which the actor knows by its own type.
pub fn manager_of(spec: &Service, home: &Path) -> Arc<dyn Manager> {
    match &spec.manager {
        config::Manager::Child => Arc::new(Child::new(spec, home)),
        config::Manager::Launchd { unit } if cfg!(target_os = "macos") => match through(spec, home) {
            Ok(through) => Arc::new(Launchd::new(spec, unit.as_deref(), through, launchd::Session::system())),
            Err(_) => Absent::of(spec, "launchd"),
        },
        config::Manager::Systemd { unit } if cfg!(target_os = "linux") => match through(spec, home) {
            Ok(through) => {
                Arc::new(Systemd::new(spec, unit.as_deref(), through, systemd::UserManager::system()))
            }
            Err(_) => Absent::of(spec, "systemd --user"),
        },
        config::Manager::Launchd { .. } => Absent::of(spec, "launchd"),
        config::Manager::Systemd { .. } => Absent::of(spec, "systemd --user"),
    }
}

/// Ends what Steady had generated for a service under the system's manager, when the service is not that manager's any
/// more: there is to be one copy. Blocking; the look at one file when there is nothing.
pub(crate) fn end_generated(spec: &Service, home: &Path) {
    let Ok(through) = through(spec, home) else { return };
    let ended = if cfg!(target_os = "macos") {
        let job = Launchd::new(spec, None, through, launchd::Session::system());
        job.file().exists().then(|| job.remove())
    } else {
        let unit = Systemd::new(spec, None, through, systemd::UserManager::system());
        unit.file().is_ok_and(|file| file.exists()).then(|| unit.remove())
    };
    match ended {
        Some(Ok(())) => tracing::warn!(service = spec.name, "ended it under its former manager"),
        Some(Err(e)) => tracing::error!(service = spec.name, "cannot end it under its former manager: {e}"),
        None => {}
    }
}

fn through(spec: &Service, home: &Path) -> io::Result<Through> {
    let me = std::env::current_exe()?;
    // What Linux adds once an update has replaced the file: the new one is meant.
    let replaced = me.to_str().and_then(|path| path.strip_suffix(" (deleted)")).map(PathBuf::from);
    let program = replaced.filter(|path| path.exists()).unwrap_or(me);
    Ok(Through { program, home: home.to_owned(), service: spec.name.clone() })
}

/// Stands for a manager that this machine does not have: each start says so.
struct Absent {
    service: String,
    manager: &'static str,
}

impl Absent {
    fn of(spec: &Service, manager: &'static str) -> Arc<dyn Manager> {
        Arc::new(Self { service: spec.name.clone(), manager })
    }

    fn error(&self) -> ManagerError {
        ManagerError::Absent { service: self.service.clone(), manager: self.manager }
    }
}

impl Manager for Absent {
    fn find(&self) -> Result<Option<ProcessId>, ManagerError> {
        Ok(None)
    }

    fn start(&self) -> Result<ProcessId, ManagerError> {
        Err(self.error())
    }

    fn terminate(&self, _: &ProcessId) -> Result<(), ManagerError> {
        Err(self.error())
    }

    fn kill(&self, _: &ProcessId) -> Result<(), ManagerError> {
        Err(self.error())
    }

    fn warning(&self) -> Option<String> {
        Some(self.error().to_string())
    }

    fn last_exit(&self) -> Option<Exit> {
        None
    }
}
