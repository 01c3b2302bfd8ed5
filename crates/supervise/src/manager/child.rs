//! Steady itself as the manager: a child process in a group of its own.
//!
//! Beyond what every manager can do, it reaps, knows how its child ended, and finds by its mark what an agent that
//! is gone had started.

use std::path::{Path, PathBuf};
use std::process;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::process::{Signal, WaitId, WaitIdOptions, waitid};
use steady_launch::Environment;
use steady_model::config::Service;
use steady_model::process::{Exit, ProcessId};

use super::{Manager, ManagerError};
use crate::adopt::{self, Earlier};
use crate::census::Census;
use crate::environment::Mark;
use crate::error::SpawnError;
use crate::exit_watch::pid_of;
use crate::journal::{Entry, Journal};
use crate::spawn::Gate;
use crate::stop::{Group, signal_of};
use crate::{environment, process_info, spawn};

pub struct Child {
    spec: Mutex<Arc<Service>>,
    mark: Mark,
    journal: Journal,
    fifo: PathBuf,
    gate: Gate,
    home: PathBuf,
    held: Mutex<Held>,
}

/// What is known of the process that was started last.
#[derive(Default)]
struct Held {
    /// `None` when it was taken back from an earlier agent.
    child: Option<process::Child>,
    /// How many there were, in this home.
    run: u64,
    /// Kept only when its files or secrets may have changed since.
    environment: Option<Arc<Environment>>,
}

/// A process that has just come to be.
pub struct Spawned {
    pub id: ProcessId,
    pub run: u64,
    pub exe: PathBuf,
}

impl Child {
    pub fn new(spec: &Service, home: &Path) -> Self {
        Self {
            mark: Mark::new(&spec.name, home),
            journal: Journal::of(home, &spec.name),
            fifo: crate::fifo_of(home, &spec.name),
            gate: Gate::of(home, &spec.name),
            home: home.to_owned(),
            spec: Mutex::new(Arc::new(spec.clone())),
            held: Mutex::default(),
        }
    }

    /// From the next start on, and for the stop signal at once.
    pub(crate) fn reconfigure(&self, spec: Arc<Service>) {
        *self.spec.lock().unwrap_or_else(PoisonError::into_inner) = spec;
    }

    /// What an earlier agent left, and what it wrote down; what the system's manager ran for it is ended. Blocking.
    pub(crate) fn take_back(&self, entry: Option<&Entry>, census: &Census) -> Earlier {
        super::end_generated(&self.spec(), &self.home);
        if let Err(e) = self.gate.enter() {
            tracing::warn!(service = self.spec().name, "a start that was half done would not be seen: {e}");
        }
        let earlier = adopt::find(entry, &self.mark, census);
        let unwritten = match &earlier {
            Earlier::Running { unwritten, .. } => *unwritten,
            _ => None,
        };
        self.held().run = unwritten.or(entry.map(|entry| entry.run)).unwrap_or_default();
        earlier
    }

    /// Starts it, whatever else runs. Blocking.
    pub(crate) fn spawn(&self) -> Result<Spawned, SpawnError> {
        let spec = self.spec();
        let mut held = self.held();
        held.run += 1;
        let environment = environment::environment(&spec.env, &self.mark, held.run)?;
        let (child, exe) = spawn::spawn(&spec, &environment, &self.fifo, &self.gate)?;
        // An unreaped child is always there to be seen, also when it has ended.
        let started = process_info::look(child.id()).map_or(0, |seen| seen.id.started);
        let id = ProcessId { pid: child.id(), started };
        if let Some(mut before) = held.child.replace(child) {
            let _ = before.try_wait();
        }
        // What only the configuration says can be had again.
        let from_elsewhere = !spec.env.files.is_empty() || !spec.env.secrets.is_empty();
        held.environment = from_elsewhere.then(|| Arc::new(environment));
        Ok(Spawned { id, run: held.run, exe })
    }

    /// What the process that runs was started with; of one that was taken back, what it would be started with now.
    /// Blocking.
    pub(crate) fn environment(&self) -> Option<Arc<Environment>> {
        self.known_environment().or_else(|| {
            let run = self.held().run;
            environment::environment(&self.spec().env, &self.mark, run).ok().map(Arc::new)
        })
    }

    pub(crate) fn known_environment(&self) -> Option<Arc<Environment>> {
        self.held().environment.clone()
    }

    /// Whether the process is a child of this agent, so that its pid stays its own until [`reap`](Self::reap).
    pub(crate) fn holds(&self, process: &ProcessId) -> bool {
        self.held().child.as_ref().is_some_and(|child| child.id() == process.pid)
    }

    /// Lets the kernel forget a child that has ended: from then on its pid may be another's.
    pub(crate) fn reap(&self) {
        if let Some(child) = &mut self.held().child {
            // It has ended: this does not wait, and whoever reaped it before did the same.
            let _ = child.try_wait();
        }
    }

    fn spec(&self) -> Arc<Service> {
        self.spec.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Manager for Child {
    fn find(&self) -> Result<Option<ProcessId>, ManagerError> {
        let pid = self.held().child.as_ref().map(process::Child::id);
        if let Some(seen) = pid.and_then(process_info::look).filter(|seen| seen.alive) {
            return Ok(Some(seen.id));
        }
        let entry = self.journal.read().ok().flatten();
        match adopt::find(entry.as_ref(), &self.mark, &Census::default()) {
            Earlier::Running { process, .. } => Ok(Some(process.id)),
            Earlier::Orphans(_) | Earlier::Nothing => Ok(None),
        }
    }

    fn start(&self) -> Result<ProcessId, ManagerError> {
        match self.find()? {
            Some(id) => Ok(id),
            None => Ok(self.spawn()?.id),
        }
    }

    fn terminate(&self, process: &ProcessId) -> Result<(), ManagerError> {
        signal(process, signal_of(self.spec().stop_signal))
    }

    fn kill(&self, process: &ProcessId) -> Result<(), ManagerError> {
        signal(process, Signal::KILL)
    }

    fn warning(&self) -> Option<String> {
        None
    }

    /// Does not reap. [`Exit::Unobserved`] of a process that an earlier agent had started.
    fn last_exit(&self) -> Option<Exit> {
        let mut held = self.held();
        let Some(child) = &mut held.child else { return Some(Exit::Unobserved) };
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        match pid_of(child.id()).map(|pid| waitid(WaitId::Pid(pid), options)) {
            Some(Ok(Some(status))) => {
                let code = status.exit_status().map(Exit::Code);
                code.or_else(|| status.terminating_signal().map(Exit::Signal))
            }
            Some(Ok(None)) => None,
            // Reaped already: the standard library remembers.
            _ => child.try_wait().ok().flatten().map(exit_of),
        }
    }
}

fn exit_of(status: process::ExitStatus) -> Exit {
    use std::os::unix::process::ExitStatusExt;

    let code = status.code().map(Exit::Code);
    code.or_else(|| status.signal().map(Exit::Signal)).unwrap_or(Exit::Unobserved)
}

fn signal(process: &ProcessId, signal: Signal) -> Result<(), ManagerError> {
    Group::of(process.clone())
        .signal(signal)
        .map_err(|source| ManagerError::Signal { pid: process.pid, source })
}
