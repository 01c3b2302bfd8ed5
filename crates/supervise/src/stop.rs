//! Signals to a process group, and the proof that it is gone.
//!
//! A group keeps its number while it has members, and a number that has members is not given to a new
//! process. So a group whose leader is dead is still ours as long as no living process has the leader's pid.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use steady_model::config::StopSignal;
use steady_model::process::ProcessId;
use tokio::task::spawn_blocking;

use crate::environment::Mark;
use crate::exit_watch::{pid_of, watch};
use crate::manager::Manager;
use crate::process_info::{self, Seen};
use crate::stray;
use crate::timer::pause;

/// Between two looks at what could not be watched.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    leader: ProcessId,
}

impl Group {
    /// The group that `leader` was spawned into: it has the leader's pid.
    pub fn of(leader: ProcessId) -> Self {
        Self { leader }
    }

    /// Signals every member; nobody when the group is gone or its number is another's by now.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        let Some(group) = self.number() else { return Ok(()) };
        match kill_process_group(group, signal) {
            // macOS refuses a group of zombies.
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(Errno::PERM) if self.members()?.is_empty() => Ok(()),
            Err(e) => Err(e.into()),
        }
    }

    /// KILL to every member while the leader, a child of ours, is not reaped: until then nobody else can have the
    /// number, and it needs no look at who has it.
    pub fn kill_before_reaping(&self) -> io::Result<()> {
        let Some(group) = pid_of(self.leader.pid) else { return Ok(()) };
        match kill_process_group(group, Signal::KILL) {
            // macOS refuses a group of zombies.
            Ok(()) | Err(Errno::SRCH | Errno::PERM) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }

    /// The group's number, unless another process leads a group of that number now.
    fn number(&self) -> Option<Pid> {
        let recycled = process_info::look(self.leader.pid).is_some_and(|seen| seen.id != self.leader);
        if recycled { None } else { pid_of(self.leader.pid) }
    }

    /// Living members, the leader included.
    pub fn members(&self) -> io::Result<Vec<Seen>> {
        let Some(group) = self.number() else { return Ok(Vec::new()) };
        // One call instead of a look at every process, in the common case.
        if test_kill_process_group(group) == Err(Errno::SRCH) {
            return Ok(Vec::new());
        }
        let all = process_info::all()?;
        Ok(all.iter().filter(|seen| seen.alive && seen.group == self.leader.pid).cloned().collect())
    }

    /// Returns when no member lives.
    pub async fn empty(&self) {
        // The leader mostly goes last, and watching it needs no look at all processes.
        gone(&self.leader).await;
        loop {
            let group = self.clone();
            match spawn_blocking(move || group.members()).await {
                Ok(Ok(members)) if members.is_empty() => return,
                Ok(Ok(members)) => {
                    for member in members {
                        gone(&member.id).await;
                    }
                }
                Ok(Err(e)) => {
                    tracing::warn!(group = self.leader.pid, "cannot list its processes: {e}");
                    pause(LOOK_AGAIN).await;
                }
                // The runtime shuts down.
                Err(_) => pause(LOOK_AGAIN).await,
            }
        }
    }

    /// Whether nothing is left of it, not even an unreaped leader; one call.
    pub fn has_vanished(&self) -> bool {
        self.number().is_none_or(|group| test_kill_process_group(group) == Err(Errno::SRCH))
    }

    /// KILL to whatever is left, until nothing is.
    pub async fn sweep(&self) {
        loop {
            if let Err(e) = self.signal(Signal::KILL) {
                tracing::warn!(group = self.leader.pid, "cannot kill its processes: {e}");
            }
            // Again for a member that forked while it was killed, or sleeps in the kernel.
            if tokio::time::timeout(Duration::from_secs(1), self.empty()).await.is_ok() {
                return;
            }
        }
    }
}

/// Returns when a process has ended.
pub async fn gone(process: &ProcessId) {
    let ended = match watch(process) {
        Ok(Some(watch)) => watch.gone().await,
        Ok(None) => return,
        Err(e) => Err(e),
    };
    if let Err(e) = ended {
        tracing::warn!(pid = process.pid, "cannot watch the process, looking again instead: {e}");
        while process_info::look(process.pid).is_some_and(|seen| seen.alive && seen.id == *process) {
            pause(LOOK_AGAIN).await;
        }
    }
}

/// What a stop has to prove.
#[derive(Debug, Clone)]
pub struct Proof {
    /// `None` when the process led no group of its own.
    pub group: Option<Group>,
    pub port: Option<u16>,
    pub mark: Mark,
    pub signal: Signal,
    pub grace: Duration,
}

impl Proof {
    /// Returns when the group is empty and no process of this service holds its port.
    ///
    /// A stranger who took the port meanwhile is no part of the proof. A process that left the group and kept
    /// the port is: it gets the stop signal and its grace too, then KILL.
    pub async fn hold(self) {
        if let Some(group) = &self.group {
            group.empty().await;
        }
        let Some(port) = self.port else { return };
        let mut signal = self.signal;
        loop {
            let mark = self.mark.clone();
            let Ok(ours) = spawn_blocking(move || stray::on_port(port, &mark)).await else { return };
            if ours.is_empty() {
                return;
            }
            stray::end(&ours, signal, self.grace).await;
            signal = Signal::KILL;
        }
    }
}

/// Returns when a manager has no process of its service any more: one that starts again what ended by itself may
/// have been quicker than the order to stop.
pub async fn until_manager_lets_go(manager: Arc<dyn Manager>) {
    loop {
        let asked = manager.clone();
        match spawn_blocking(move || asked.find()).await {
            Ok(Ok(Some(again))) => {
                let ordered = manager.clone();
                let id = again.clone();
                if let Ok(Err(e)) = spawn_blocking(move || ordered.terminate(&id)).await {
                    tracing::error!(pid = again.pid, "{e}");
                    pause(LOOK_AGAIN).await;
                }
                // Its grace is over by the time the first one ended.
                if tokio::time::timeout(Duration::from_secs(1), gone(&again)).await.is_err() {
                    let ordered = manager.clone();
                    let _ = spawn_blocking(move || ordered.kill(&again)).await;
                }
            }
            Ok(Ok(None)) | Err(_) => return,
            Ok(Err(e)) => {
                tracing::warn!("{e}");
                pause(LOOK_AGAIN).await;
            }
        }
    }
}

pub fn signal_of(signal: StopSignal) -> Signal {
    match signal {
        StopSignal::Term => Signal::TERM,
        StopSignal::Int => Signal::INT,
        StopSignal::Quit => Signal::QUIT,
        StopSignal::Hup => Signal::HUP,
    }
}
