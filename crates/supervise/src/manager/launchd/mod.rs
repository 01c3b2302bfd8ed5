//! launchd as the manager: a job that Steady generates, or one of the user's own.
//!
//! launchd itself never runs two processes of a label, so that whatever starts a job, there is one copy. A generated
//! job is kept in Steady's home and loaded by the agent, in the order of the dependencies; launchd then keeps it
//! alive also while no agent runs. Its loaded definition ends with the login session, and nothing of it is left
//! behind in the user's folders.

mod definition;
mod error;
pub mod keys;
mod launchctl;
mod meaning;
mod printed;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use error::{LaunchdError, Refusal};
use launchctl::{Domain, Known, Launchctl};
pub use meaning::{Meaning, meaning};
pub use printed::Printed;
use rustix::process::Signal;
pub use steady_launch::keychain::Tool;
use steady_model::config::{Service, StopSignal};
use steady_model::process::{Exit, ProcessId};

use super::patience::{ended, until};
use super::through::{Through, user_home};
use super::{Manager, ManagerError};
use crate::exec::complaints_of;
use crate::process_info;
use crate::stop::{Group, signal_of};

/// How long launchctl may take; it answers in milliseconds.
const ANSWER: Duration = Duration::from_secs(10);
/// How long the tail of a bootout may refuse the next bootstrap, beyond the grace of the process.
const SETTLE: Duration = Duration::from_secs(8);
/// How long launchd may take from the order to the process.
const SPAWN: Duration = Duration::from_secs(10);

/// Who runs the jobs.
#[derive(Debug, Clone)]
pub struct Session {
    pub launchctl: Tool,
    pub uid: u32,
    /// Where jobs of the user's own are defined.
    pub folders: Vec<PathBuf>,
}

impl Session {
    /// Of the user who runs this.
    pub fn system() -> Self {
        let of_user = user_home().map(|home| home.join("Library/LaunchAgents"));
        Self {
            launchctl: Tool { program: "/bin/launchctl".into(), environment: Vec::new(), limit: ANSWER },
            uid: rustix::process::getuid().as_raw(),
            folders: of_user.into_iter().chain([PathBuf::from("/Library/LaunchAgents")]).collect(),
        }
    }
}

pub struct Launchd {
    spec: Service,
    label: String,
    through: Through,
    /// A job of the user's own is loaded and unloaded, never rewritten.
    generated: bool,
    session: Session,
    launchctl: Launchctl,
}

/// Where a label is.
enum Place {
    Loaded(Domain, Box<Printed>),
    /// Here it would be loaded.
    NotLoaded(Domain),
}

impl Launchd {
    /// `unit` is the label of a job of the user's own.
    pub fn new(spec: &Service, unit: Option<&str>, through: Through, session: Session) -> Self {
        let label = unit.map_or_else(|| through.name("local.steady.", '.'), str::to_owned);
        let launchctl = Launchctl(session.launchctl.clone());
        Self { spec: spec.clone(), label, through, generated: unit.is_none(), session, launchctl }
    }

    pub fn label(&self) -> &str {
        &self.label
    }

    /// Where the generated definition is kept.
    pub fn file(&self) -> PathBuf {
        self.folder().join(format!("{}.plist", self.label))
    }

    /// Takes a generated job away for good: its process ended, not loaded, no file. A job of the user's own is only
    /// ended and unloaded.
    pub fn remove(&self) -> Result<(), ManagerError> {
        if let Place::Loaded(domain, job) = self.place()? {
            self.launchctl.bootout(domain, &self.label)?;
            if let Some(process) = process_of(&job) {
                ended(self, &process, self.spec.stop_grace)?;
            }
        }
        if self.generated {
            let _ = fs::remove_file(self.file());
        }
        Ok(())
    }

    fn folder(&self) -> PathBuf {
        self.through.home.join("launchd")
    }

    /// What launchd and `steady exec` say before the service's own log is open.
    fn log(&self) -> PathBuf {
        complaints_of(&self.through.home, &self.spec.name)
    }

    /// The screen's session first. A job that was loaded while nobody was logged in stays in the background one.
    fn place(&self) -> Result<Place, LaunchdError> {
        let uid = self.session.uid;
        let mut free = None;
        for domain in [Domain::Gui(uid), Domain::User(uid)] {
            match self.launchctl.print(domain, &self.label)? {
                Known::Loaded(job) => return Ok(Place::Loaded(domain, job)),
                Known::NotLoaded => free = free.or(Some(domain)),
                Known::NoDomain => {}
            }
        }
        free.map(Place::NotLoaded).ok_or(LaunchdError::NoDomain { uid })
    }

    fn run(&self) -> Result<ProcessId, LaunchdError> {
        let place = self.settled()?;
        if let Place::Loaded(_, job) = &place
            && let Some(id) = process_of(job)
        {
            return Ok(id);
        }
        let (file, changed) = self.define(&place)?;
        let (domain, load, runs) = match place {
            Place::NotLoaded(domain) => (domain, true, 0),
            Place::Loaded(domain, job) if changed || job.path.as_ref() != Some(&file) => {
                self.launchctl.bootout(domain, &self.label)?;
                (domain, true, 0)
            }
            Place::Loaded(domain, job) => (domain, false, job.runs),
        };
        let target = || format!("{domain}/{}", self.label);
        if self.launchctl.is_disabled(domain, &self.label)? {
            return Err(LaunchdError::Disabled { target: target() });
        }
        if load {
            self.load(domain, &file)?;
        }
        let started = self.launchctl.kickstart(domain, &self.label)?;
        if let Some(id) = started.and_then(process_info::look).filter(|seen| seen.alive) {
            return Ok(id.id);
        }
        let found = until(SPAWN, || self.started(domain, runs))?;
        found.ok_or_else(|| LaunchdError::NoProcess { target: target(), limit: SPAWN })
    }

    /// Where the label is, once its job is neither being ended nor about to notice that its process is gone: until
    /// then launchd refuses a start, or takes it for one that runs.
    fn settled(&self) -> Result<Place, LaunchdError> {
        let limit = self.spec.stop_grace + SETTLE;
        let mut target = String::new();
        let settled = until(limit, || {
            let place = self.place()?;
            if let Place::Loaded(domain, job) = &place
                && (job.is_ending() || (job.pid.is_some() && process_of(job).is_none()))
            {
                target = format!("{domain}/{}", self.label);
                return Ok(None);
            }
            Ok::<_, LaunchdError>(Some(place))
        })?;
        settled.ok_or(LaunchdError::NotRemoved { target, limit })
    }

    /// The process, once there is one; an error when it has ended by then.
    fn started(&self, domain: Domain, runs: u64) -> Result<Option<ProcessId>, LaunchdError> {
        let Known::Loaded(job) = self.launchctl.print(domain, &self.label)? else { return Ok(None) };
        if let Some(id) = process_of(&job) {
            return Ok(Some(id));
        }
        if job.runs <= runs || job.pid.is_some() {
            return Ok(None);
        }
        let how = match job.last_exit {
            Some(Exit::Code(78)) => {
                "exit code 78, which launchd gives when the program cannot be run".to_owned()
            }
            Some(Exit::Code(code)) => format!("exit code {code}"),
            Some(Exit::Signal(signal)) => format!("signal {signal}"),
            Some(Exit::Unobserved) | None => return Ok(None),
        };
        let target = format!("{domain}/{}", self.label);
        Err(LaunchdError::EndedAtOnce { target, how, log: self.log() })
    }

    /// Where the definition is, and whether it is another one than launchd may have loaded.
    fn define(&self, place: &Place) -> Result<(PathBuf, bool), LaunchdError> {
        if !self.generated {
            let loaded_from = match place {
                Place::Loaded(_, job) => job.path.clone(),
                Place::NotLoaded(_) => None,
            };
            let file =
                loaded_from.map_or_else(|| definition::find(&self.label, &self.session.folders), Ok)?;
            return Ok((file, false));
        }
        let file = self.file();
        let xml = definition::to_xml(&self.definition()?, &file)?;
        if fs::read(&file).is_ok_and(|is| is == xml) {
            return Ok((file, false));
        }
        steady_disk::create_private_dir(&self.folder())?;
        // It holds nothing secret, and launchd refuses what others may write.
        steady_disk::write_atomic(&file, &xml, 0o644)?;
        Ok((file, true))
    }

    fn definition(&self) -> Result<plist::Value, LaunchdError> {
        definition::definition(&self.spec, &self.label, &self.through, &self.log())
    }

    /// Loads the definition. Right after a bootout launchd refuses for a while, with numbers that mean nothing.
    fn load(&self, domain: Domain, file: &Path) -> Result<(), LaunchdError> {
        let limit = self.spec.stop_grace + SETTLE;
        let gone = until(limit, || {
            Ok::<_, LaunchdError>(match self.launchctl.print(domain, &self.label)? {
                Known::Loaded(_) => None,
                Known::NotLoaded | Known::NoDomain => Some(()),
            })
        })?;
        if gone.is_none() {
            return Err(LaunchdError::NotRemoved { target: format!("{domain}/{}", self.label), limit });
        }
        let mut last = None;
        let loaded = until(SETTLE, || match self.launchctl.bootstrap(domain, &self.label, file)? {
            None => Ok(Some(())),
            Some(refusal) if matches!(refusal.code, 5 | 17 | 36 | 37) => {
                last = Some(refusal);
                // Somebody else may have loaded it meanwhile.
                let there = matches!(self.launchctl.print(domain, &self.label)?, Known::Loaded(_));
                Ok(there.then_some(()))
            }
            Some(refusal) => Err(LaunchdError::from(refusal)),
        })?;
        match (loaded, last) {
            (None, Some(refusal)) => Err(refusal.into()),
            _ => Ok(()),
        }
    }

    fn end(&self, process: &ProcessId) -> Result<(), LaunchdError> {
        let signal = self.spec.stop_signal;
        let place = self.place()?;
        // bootout sends TERM; another signal has to come first.
        if signal != StopSignal::Term || matches!(place, Place::NotLoaded(_)) {
            let _ = Group::of(process.clone()).signal(signal_of(signal));
        }
        if let Place::Loaded(domain, _) = place {
            self.launchctl.bootout(domain, &self.label)?;
        }
        Ok(())
    }

    fn concern(&self) -> Result<Option<String>, LaunchdError> {
        let label = &self.label;
        let place = self.place()?;
        let domain = match &place {
            Place::Loaded(domain, _) | Place::NotLoaded(domain) => *domain,
        };
        if self.launchctl.is_disabled(domain, label)? {
            return Ok(Some(LaunchdError::Disabled { target: format!("{domain}/{label}") }.to_string()));
        }
        let path = match place {
            // The agent loads its own at each start.
            Place::NotLoaded(_) if self.generated => return Ok(None),
            Place::NotLoaded(_) => {
                let file = definition::find(label, &self.session.folders)?;
                let file = file.display();
                return Ok(Some(format!(
                    "{label} is defined in {file} but not loaded, so launchd neither starts it nor keeps it alive; \
                     run: launchctl bootstrap {domain} {file}"
                )));
            }
            Place::Loaded(_, job) => job.path,
        };
        let file = if self.generated { self.file() } else { definition::find(label, &self.session.folders)? };
        if let Some(path) = path.filter(|path| *path != file) {
            return Ok(Some(format!(
                "launchd has {label} loaded from {}, not from {}; what is changed here does not count until it is \
                 booted out",
                path.display(),
                file.display()
            )));
        }
        if !self.generated {
            definition::complaint(&file)?;
        } else if !definition::same(&file, &self.definition()?) {
            return Ok(Some(format!(
                "{label} runs by an earlier definition; restart it to bring it up to date"
            )));
        }
        Ok(None)
    }
}

/// The job's process, if it lives.
fn process_of(job: &Printed) -> Option<ProcessId> {
    job.pid.and_then(process_info::look).filter(|seen| seen.alive).map(|seen| seen.id)
}

impl Manager for Launchd {
    fn remove(&self) -> Result<(), ManagerError> {
        Self::remove(self)
    }

    fn find(&self) -> Result<Option<ProcessId>, ManagerError> {
        Ok(match self.place()? {
            Place::Loaded(_, job) => process_of(&job),
            Place::NotLoaded(_) => None,
        })
    }

    fn start(&self) -> Result<ProcessId, ManagerError> {
        Ok(self.run()?)
    }

    /// Boots the job out, for else launchd would start it again.
    fn terminate(&self, process: &ProcessId) -> Result<(), ManagerError> {
        Ok(self.end(process)?)
    }

    /// launchd gives each job a process group of its own. One that is still loaded is started again by its policy.
    fn kill(&self, process: &ProcessId) -> Result<(), ManagerError> {
        Group::of(process.clone())
            .signal(Signal::KILL)
            .map_err(|source| ManagerError::Signal { pid: process.pid, source })
    }

    fn warning(&self) -> Option<String> {
        self.concern().unwrap_or_else(|e| Some(e.to_string()))
    }

    /// Nothing once it is booted out: then launchd has forgotten it.
    fn last_exit(&self) -> Option<Exit> {
        match self.place() {
            Ok(Place::Loaded(_, job)) => job.last_exit,
            _ => None,
        }
    }
}
