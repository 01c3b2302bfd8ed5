//! `systemd --user` as the manager: a unit that Steady generates, or one of the user's own.
//!
//! A generated unit lives in the runtime directory, which ends with the user's last session: the agent makes it
//! anew, in the order of the dependencies, and nothing of it is left behind in the user's folders. systemd keeps the
//! service alive also while no agent runs, and ends all of its control group with it.

mod error;
mod shown;
mod systemctl;
mod unit;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

pub use error::SystemdError;
pub use shown::Shown;
use steady_launch::keychain::Tool;
use steady_model::config::Service;
use steady_model::process::{Exit, ProcessId};
use systemctl::Systemctl;
pub(super) use unit::quoted;

use super::patience::{ended, until};
use super::through::Through;
use super::{Manager, ManagerError};
use crate::process_info;

/// How long systemctl may take.
const ANSWER: Duration = Duration::from_secs(30);

/// Who runs the units.
#[derive(Debug, Clone)]
pub struct UserManager {
    pub systemctl: Tool,
    /// Where generated units go; `None` without a session.
    pub folder: Option<PathBuf>,
}

impl UserManager {
    /// Of the user who runs this.
    pub fn system() -> Self {
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|dir| dir.is_absolute());
        // An agent that was not started by the session still speaks to the manager that runs.
        let usual = || PathBuf::from(format!("/run/user/{}", rustix::process::getuid().as_raw()));
        let runtime = runtime.or_else(|| Some(usual()).filter(|dir| dir.is_dir()));
        let environment = runtime.iter().map(|dir| ("XDG_RUNTIME_DIR".into(), dir.clone().into()));
        Self {
            systemctl: Tool {
                program: "systemctl".into(),
                environment: environment.collect(),
                limit: ANSWER,
            },
            folder: runtime.map(|dir| dir.join("systemd/user")),
        }
    }
}

pub struct Systemd {
    spec: Service,
    unit: String,
    through: Through,
    /// A unit of the user's own is started and stopped, never rewritten.
    generated: bool,
    folder: Option<PathBuf>,
    systemctl: Systemctl,
}

impl Systemd {
    /// `unit` is the name of a unit of the user's own.
    pub fn new(spec: &Service, unit: Option<&str>, through: Through, manager: UserManager) -> Self {
        let name = unit.map_or_else(|| through.name("steady-", '-'), str::to_owned);
        let unit_name = if name.contains('.') { name } else { format!("{name}.service") };
        Self {
            spec: spec.clone(),
            unit: unit_name,
            through,
            generated: unit.is_none(),
            folder: manager.folder,
            systemctl: Systemctl(manager.systemctl),
        }
    }

    pub fn unit(&self) -> &str {
        &self.unit
    }

    /// Takes a generated unit away for good: its processes ended, no file. A unit of the user's own is only stopped.
    pub fn remove(&self) -> Result<(), ManagerError> {
        let process = process_of(&self.systemctl.show(&self.unit)?);
        self.stop()?;
        // Before its file goes, for with it go its stop signal and its grace.
        if let Some(process) = process {
            ended(self, &process, self.spec.stop_grace)?;
        }
        if self.generated && fs::remove_file(self.file()?).is_ok() {
            self.systemctl.daemon_reload()?;
        }
        Ok(())
    }

    /// Where the generated unit is kept.
    pub fn file(&self) -> Result<PathBuf, SystemdError> {
        Ok(self.folder.as_ref().ok_or(SystemdError::NoRuntimeDir)?.join(&self.unit))
    }

    fn run(&self) -> Result<ProcessId, SystemdError> {
        let mut shown = self.settled()?;
        if let Some(id) = process_of(&shown) {
            return Ok(id);
        }
        if self.define()? || shown.needs_reload {
            self.systemctl.daemon_reload()?;
            shown = self.systemctl.show(&self.unit)?;
        }
        self.loaded(&shown)?;
        if shown.active == "failed" {
            self.systemctl.reset_failed(&self.unit)?;
        }
        // A start would wait with systemd for its next try.
        let started = match shown.sub.as_str() {
            "auto-restart" => self.systemctl.restart(&self.unit),
            _ => self.systemctl.start(&self.unit),
        };
        let after = self.systemctl.show(&self.unit)?;
        match (process_of(&after), started) {
            (Some(id), _) => Ok(id),
            (None, _) if after.result == "start-limit-hit" => {
                Err(SystemdError::StartLimit { unit: self.unit.clone() })
            }
            (None, Err(e @ SystemdError::Refused { .. })) if after.last_exit.is_none() => Err(e),
            (None, Ok(()) | Err(SystemdError::Refused { .. })) => {
                Err(SystemdError::EndedAtOnce { unit: self.unit.clone(), how: after.how_it_ended() })
            }
            (None, Err(e)) => Err(e),
        }
    }

    /// The unit once no order is under way, and it is not about to notice that its process is gone.
    fn settled(&self) -> Result<Shown, SystemdError> {
        let limit = self.spec.stop_grace + ANSWER;
        let settled = until(limit, || {
            let shown = self.systemctl.show(&self.unit)?;
            let lives = process_of(&shown).is_some();
            let between =
                shown.has_order || shown.active == "deactivating" || (shown.main_pid.is_some() && !lives);
            Ok::<_, SystemdError>(Some(shown).filter(|_| !between))
        })?;
        settled.ok_or_else(|| SystemdError::Overdue { verb: "stop", unit: self.unit.clone(), limit })
    }

    /// Writes the unit if it is another one than there is, and says whether it did.
    fn define(&self) -> Result<bool, SystemdError> {
        if !self.generated {
            return Ok(false);
        }
        let (file, text) = (self.file()?, unit::unit(&self.spec, &self.through)?);
        if fs::read_to_string(&file).is_ok_and(|is| is == text) {
            return Ok(false);
        }
        if let Some(folder) = &self.folder {
            steady_disk::create_private_dir(folder)?;
        }
        steady_disk::write_atomic_until_reboot(&file, text.as_bytes(), 0o644)?;
        Ok(true)
    }

    fn loaded(&self, shown: &Shown) -> Result<(), SystemdError> {
        let unit = || self.unit.clone();
        match shown.load.as_str() {
            "loaded" | "" => Ok(()),
            "not-found" => Err(SystemdError::NotFound { unit: unit() }),
            "masked" => Err(SystemdError::Masked { unit: unit() }),
            state => Err(SystemdError::BadUnit { unit: unit(), state: state.to_owned() }),
        }
    }

    fn stop(&self) -> Result<(), SystemdError> {
        match self.systemctl.stop(&self.unit) {
            // Nothing that is unknown can run.
            Ok(()) | Err(SystemdError::NotFound { .. }) => Ok(()),
            Err(e) => Err(e),
        }
    }

    fn kill_all(&self, process: &ProcessId) -> Result<(), SystemdError> {
        let shown = self.systemctl.show(&self.unit)?;
        // Its main process may be dead while others of the group live; another main process is another run.
        let another = process_of(&shown).is_some_and(|id| id != *process);
        if another || matches!(shown.active.as_str(), "inactive" | "failed") {
            return Ok(());
        }
        match self.systemctl.kill(&self.unit) {
            Ok(()) | Err(SystemdError::NotFound { .. }) => Ok(()),
            // It ended by itself meanwhile.
            Err(e) => match self.systemctl.show(&self.unit)?.main_pid {
                Some(_) => Err(e),
                None => Ok(()),
            },
        }
    }

    fn concern(&self) -> Result<Option<String>, SystemdError> {
        let shown = self.systemctl.show(&self.unit)?;
        let unit = &self.unit;
        if self.generated && shown.load == "not-found" {
            // It is made at the next start.
            return Ok(None);
        }
        self.loaded(&shown)?;
        if shown.needs_reload {
            return Ok(Some(format!(
                "the file of {unit} has changed since systemd read it; run: systemctl --user daemon-reload"
            )));
        }
        if self.generated {
            let (is, wanted) = (
                fs::read_to_string(self.file()?).unwrap_or_default(),
                unit::unit(&self.spec, &self.through)?,
            );
            if !unit::same(&is, &wanted) {
                return Ok(Some(format!(
                    "{unit} runs by an earlier definition; restart it to bring it up to date"
                )));
            }
        }
        Ok(None)
    }
}

/// The unit's main process, if it lives.
fn process_of(shown: &Shown) -> Option<ProcessId> {
    shown.main_pid.and_then(process_info::look).filter(|seen| seen.alive).map(|seen| seen.id)
}

impl Manager for Systemd {
    fn remove(&self) -> Result<(), ManagerError> {
        Self::remove(self)
    }

    fn find(&self) -> Result<Option<ProcessId>, ManagerError> {
        Ok(process_of(&self.systemctl.show(&self.unit)?))
    }

    fn start(&self) -> Result<ProcessId, ManagerError> {
        Ok(self.run()?)
    }

    /// The unit's own stop signal, and after its own grace KILL, to all of its control group.
    fn terminate(&self, _: &ProcessId) -> Result<(), ManagerError> {
        Ok(self.stop()?)
    }

    fn kill(&self, process: &ProcessId) -> Result<(), ManagerError> {
        Ok(self.kill_all(process)?)
    }

    fn warning(&self) -> Option<String> {
        self.concern().unwrap_or_else(|e| Some(e.to_string()))
    }

    fn last_exit(&self) -> Option<Exit> {
        self.systemctl.show(&self.unit).ok()?.last_exit
    }
}
