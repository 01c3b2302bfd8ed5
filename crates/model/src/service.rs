//! The life of a service as a pure step function.
//!
//! `step` is total: every state answers every input. An input that means nothing in a state leaves it as
//! it is. The adapter performs the effects in order, each to its end, before it feeds the next input.

mod pace;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::process::{Exit, PortOwner, ProcessId};
use crate::time::{AwakeInstant, Now, WallTime};
pub use pace::{
    BACKOFF_FIRST, BACKOFF_JITTER, BACKOFF_MAX, CRASH_LIMIT, CRASH_WINDOW, KILL_AGAIN, SLOW_LANE,
    STABLE_AFTER, backoff,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RestartPolicy {
    /// Whatever the exit code, it runs again.
    #[default]
    Always,
    /// Exit 0 (or a listed code) ends it; anything else runs it again.
    OnFailure,
    Never,
}

/// What `step` needs to know of a service's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    pub restart: RestartPolicy,
    /// Exit codes that count as a clean end beside 0.
    pub success_codes: Vec<i32>,
    /// From the stop signal to KILL.
    pub stop_grace: Duration,
    /// From the spawn to readiness; then the service is degraded.
    pub ready_timeout: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopReason {
    NeverStarted,
    Requested,
    /// It ended, and the restart policy leaves it so.
    Ended(Exit),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterStop {
    Stay,
    Restart,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    Stopped {
        since: WallTime,
        reason: StopReason,
    },
    /// `process` is `None` until the spawn returned.
    Starting {
        process: Option<ProcessId>,
        since: Now,
    },
    Ready {
        process: ProcessId,
        since: Now,
    },
    /// Alive, but not ready in time or failing its liveness check.
    Degraded {
        process: ProcessId,
        since: Now,
        reason: String,
    },
    Stopping {
        process: ProcessId,
        deadline: AwakeInstant,
        killed: bool,
        then: AfterStop,
    },
    Backoff {
        until: AwakeInstant,
        attempt: u32,
        cause: String,
    },
    CrashLoop {
        until: AwakeInstant,
        cause: String,
    },
    /// A stranger holds the port. Neither started nor killed.
    Foreign {
        owner: PortOwner,
        since: WallTime,
    },
    /// Nothing is known yet: the agent has just begun.
    Unknown,
}

/// A service's state with what it must remember across states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lifecycle {
    pub state: State,
    /// Awake times of unexpected exits since the service was last stable, newest last, bounded.
    pub exits: Vec<AwakeInstant>,
    /// Unexpected exits in a row: grows without bound where `exits` forgets.
    pub streak: u32,
    /// In a crash loop since the service was last stable: each failed try goes back to the slow lane.
    pub looping: bool,
    pub last_exit: Option<(Exit, WallTime)>,
    pub restarts: u64,
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self {
            state: State::Unknown,
            exits: Vec::new(),
            streak: 0,
            looping: false,
            last_exit: None,
            restarts: 0,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    Start,
    Stop,
    Restart,
    Spawned(ProcessId),
    SpawnFailed(String),
    /// A journalled process of ours is still alive.
    Adopted(ProcessId),
    PortTaken(PortOwner),
    ReadinessPassed,
    /// N liveness failures in a row, judged by the caller.
    LivenessFailed(String),
    Exited(Exit),
    /// The whole group is gone and the port is free.
    ProvedStopped,
    /// The timer set by [`Effect::WakeAt`] is due.
    Timer,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Look who owns the port, then start; answers `Spawned`, `SpawnFailed` or `PortTaken`.
    Spawn,
    /// The stop signal to the group.
    Terminate,
    /// KILL to the group.
    Kill,
    /// KILL what the dead leader left of its group and wait until it is empty.
    Sweep,
    /// Watch the group and the port; answers `ProvedStopped`.
    ProveStopped,
    /// Feed `Timer` then. A later one replaces it.
    WakeAt(AwakeInstant),
    /// The service ended without being asked to.
    ReportCrash(Exit),
}

/// One input to a service at a moment. `dice` in `[0, 1)` decides the jitter.
pub fn step(was: &Lifecycle, policy: &Policy, input: Input, now: Now, dice: f64) -> (Lifecycle, Vec<Effect>) {
    let mut life = was.clone();
    let effects = match input {
        Input::Start => life.start(now),
        Input::Stop => life.stop(policy, now, AfterStop::Stay),
        Input::Restart => life.restart(policy, now),
        Input::Spawned(process) => life.spawned(policy, process, now),
        Input::SpawnFailed(cause) => life.spawn_failed(cause, now, dice),
        Input::Adopted(process) => life.adopted(policy, process, now),
        Input::PortTaken(owner) => life.port_taken(owner, now),
        Input::ReadinessPassed => life.readiness_passed(now),
        Input::LivenessFailed(reason) => life.liveness_failed(policy, reason, now),
        Input::Exited(exit) => life.exited(policy, exit, now, dice),
        Input::ProvedStopped => life.proved_stopped(now),
        Input::Timer => life.timer(policy, now),
    };
    (life, effects)
}

impl Lifecycle {
    fn launch(&mut self, now: Now) -> Vec<Effect> {
        self.state = State::Starting { process: None, since: now };
        vec![Effect::Spawn]
    }

    fn start(&mut self, now: Now) -> Vec<Effect> {
        match &mut self.state {
            State::Stopped { .. } | State::Foreign { .. } | State::Unknown => self.launch(now),
            State::Backoff { .. } | State::CrashLoop { .. } => {
                self.forget_exits();
                self.launch(now)
            }
            State::Stopping { then, .. } => {
                *then = AfterStop::Restart;
                vec![]
            }
            State::Starting { .. } | State::Ready { .. } | State::Degraded { .. } => vec![],
        }
    }

    fn restart(&mut self, policy: &Policy, now: Now) -> Vec<Effect> {
        match self.process() {
            Some(_) => {
                self.forget_exits();
                self.stop(policy, now, AfterStop::Restart)
            }
            None => self.start(now),
        }
    }

    fn stop(&mut self, policy: &Policy, now: Now, after: AfterStop) -> Vec<Effect> {
        if let State::Stopping { then, .. } = &mut self.state {
            *then = after;
            return vec![];
        }
        match self.process() {
            Some(process) => {
                let deadline = now.awake.after(policy.stop_grace);
                self.state = State::Stopping { process, deadline, killed: false, then: after };
                vec![Effect::Terminate, Effect::ProveStopped, Effect::WakeAt(deadline)]
            }
            None => {
                self.forget_exits();
                self.state = State::Stopped { since: now.wall, reason: StopReason::Requested };
                vec![]
            }
        }
    }

    fn spawned(&mut self, policy: &Policy, process: ProcessId, now: Now) -> Vec<Effect> {
        if let State::Starting { process: slot @ None, .. } = &mut self.state {
            *slot = Some(process);
            return vec![Effect::WakeAt(now.awake.after(policy.ready_timeout))];
        }
        // A start that nobody waits for any more (stopped meanwhile) must not run on unseen.
        let deadline = now.awake.after(policy.stop_grace);
        self.state = State::Stopping { process, deadline, killed: false, then: AfterStop::Stay };
        vec![Effect::Terminate, Effect::ProveStopped, Effect::WakeAt(deadline)]
    }

    fn spawn_failed(&mut self, cause: String, now: Now, dice: f64) -> Vec<Effect> {
        match self.state {
            State::Starting { process: None, .. } => self.back_off(cause, now, dice),
            _ => vec![],
        }
    }

    fn adopted(&mut self, policy: &Policy, process: ProcessId, now: Now) -> Vec<Effect> {
        match self.state {
            State::Unknown
            | State::Stopped { .. }
            | State::Foreign { .. }
            | State::Starting { process: None, .. } => {
                self.state = State::Starting { process: Some(process), since: now };
                vec![Effect::WakeAt(now.awake.after(policy.ready_timeout))]
            }
            _ => vec![],
        }
    }

    fn port_taken(&mut self, owner: PortOwner, now: Now) -> Vec<Effect> {
        match self.state {
            State::Starting { process: None, .. } => {
                self.state = State::Foreign { owner, since: now.wall };
                vec![]
            }
            _ => vec![],
        }
    }

    fn readiness_passed(&mut self, now: Now) -> Vec<Effect> {
        match &self.state {
            State::Starting { process: Some(process), .. } | State::Degraded { process, .. } => {
                self.state = State::Ready { process: process.clone(), since: now };
                vec![Effect::WakeAt(now.awake.after(STABLE_AFTER))]
            }
            _ => vec![],
        }
    }

    fn liveness_failed(&mut self, policy: &Policy, reason: String, now: Now) -> Vec<Effect> {
        match &self.state {
            State::Ready { process, .. } if policy.restart == RestartPolicy::Never => {
                self.state = State::Degraded { process: process.clone(), since: now, reason };
                vec![]
            }
            State::Ready { .. } => self.stop(policy, now, AfterStop::Restart),
            _ => vec![],
        }
    }

    fn exited(&mut self, policy: &Policy, exit: Exit, now: Now, dice: f64) -> Vec<Effect> {
        match self.state {
            State::Starting { process: Some(_), .. } | State::Ready { .. } | State::Degraded { .. } => {}
            // While stopping, the proof decides; elsewhere there is no process that could end.
            _ => return vec![],
        }
        self.last_exit = Some((exit, now.wall));
        let clean = matches!(exit, Exit::Code(code) if code == 0 || policy.success_codes.contains(&code));
        let again = match policy.restart {
            RestartPolicy::Always => true,
            RestartPolicy::OnFailure => !clean,
            RestartPolicy::Never => false,
        };
        let mut effects = vec![Effect::Sweep];
        if !clean {
            effects.insert(0, Effect::ReportCrash(exit));
        }
        if again {
            effects.extend(self.back_off(crate::words::exit(exit), now, dice));
        } else {
            self.state = State::Stopped { since: now.wall, reason: StopReason::Ended(exit) };
        }
        effects
    }

    fn proved_stopped(&mut self, now: Now) -> Vec<Effect> {
        match self.state {
            State::Stopping { then: AfterStop::Restart, .. } => {
                self.restarts += 1;
                self.launch(now)
            }
            State::Stopping { then: AfterStop::Stay, .. } => {
                self.forget_exits();
                self.state = State::Stopped { since: now.wall, reason: StopReason::Requested };
                vec![]
            }
            _ => vec![],
        }
    }

    fn timer(&mut self, policy: &Policy, now: Now) -> Vec<Effect> {
        match &mut self.state {
            State::Stopping { deadline, killed, .. } if now.awake >= *deadline => {
                *killed = true;
                *deadline = now.awake.after(KILL_AGAIN);
                vec![Effect::Kill, Effect::WakeAt(*deadline)]
            }
            State::Backoff { until, .. } | State::CrashLoop { until, .. } if now.awake >= *until => {
                self.restarts += 1;
                self.launch(now)
            }
            State::Starting { process: Some(process), since }
                if now.awake.since(since.awake) >= policy.ready_timeout =>
            {
                let waited = now.awake.since(since.awake);
                let reason = format!("not ready after {}", crate::words::span(waited));
                self.state = State::Degraded { process: process.clone(), since: now, reason };
                vec![]
            }
            State::Ready { since, .. } if now.awake.since(since.awake) >= STABLE_AFTER => {
                self.forget_exits();
                vec![]
            }
            _ => vec![],
        }
    }

    /// After an unexpected end: at once the first time, then 1, 2, 4 … 60 s, and the slow lane in a loop.
    fn back_off(&mut self, cause: String, now: Now, dice: f64) -> Vec<Effect> {
        self.exits.retain(|at| now.awake.since(*at) < CRASH_WINDOW);
        self.exits.push(now.awake);
        self.streak += 1;
        self.looping |= self.exits.len() >= CRASH_LIMIT;
        if self.looping {
            let until = now.awake.after(SLOW_LANE);
            self.state = State::CrashLoop { until, cause };
            return vec![Effect::WakeAt(until)];
        }
        let Some(delay) = backoff(self.streak, dice) else {
            self.restarts += 1;
            return self.launch(now);
        };
        let until = now.awake.after(delay);
        self.state = State::Backoff { until, attempt: self.streak, cause };
        vec![Effect::WakeAt(until)]
    }

    fn forget_exits(&mut self) {
        self.exits.clear();
        self.streak = 0;
        self.looping = false;
    }

    pub fn process(&self) -> Option<ProcessId> {
        match &self.state {
            State::Starting { process, .. } => process.clone(),
            State::Ready { process, .. }
            | State::Degraded { process, .. }
            | State::Stopping { process, .. } => Some(process.clone()),
            _ => None,
        }
    }
}
