//! The life of a service as a pure step function.
//!
//! `step` is total: every state answers every input. An input that means nothing in a state leaves it as
//! it is. The adapter performs the effects in order, each to its end, before it feeds the next input.

mod pace;
mod step;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::process::{Exit, PortOwner, ProcessId};
use crate::time::{AwakeInstant, Now, WallTime};
pub use pace::{
    BACKOFF_FIRST, BACKOFF_JITTER, BACKOFF_MAX, CRASH_LIMIT, CRASH_WINDOW, KILL_AGAIN, SLOW_LANE,
    STABLE_AFTER, backoff,
};
pub use step::step;

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
    /// It does its work and ends: a clean end is its completion.
    pub oneshot: bool,
    /// Exit codes that count as a clean end beside 0.
    pub success_codes: Vec<i32>,
    /// From the stop signal to KILL.
    pub stop_grace: Duration,
    /// From the spawn to readiness; then the service is degraded.
    pub ready_timeout: Duration,
}

/// Why a run ended without anybody asking for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case", tag = "why", content = "detail")]
pub enum End {
    Exited(Exit),
    /// Ended by us, for what its liveness check saw: `3 failed checks in a row (no answer in 3 s)`.
    Unresponsive(String),
    /// Ended by us, for what it took: `1.2 GB of memory, its limit is 1.0 GB`.
    Memory(String),
    /// It left its process to this one and ended: nobody could tell how that one fares.
    Background {
        pid: u32,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopReason {
    Requested,
    /// It is to run as soon as what is named here allows it: `waiting for db`.
    Waiting(String),
    /// A one-shot has done its work.
    Completed(Exit),
    /// It ended, and the restart policy leaves it so.
    Ended(End),
    /// It could not be started, and the restart policy leaves it so.
    CouldNotStart(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AfterStop {
    Stay,
    /// A person asked for it: at once.
    Restart,
    /// It was stopped for this end, which counts like an exit.
    Retry(End),
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
    /// The newest end that nobody asked for.
    pub last_end: Option<(End, WallTime)>,
    pub restarts: u64,
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self {
            state: State::Unknown,
            exits: Vec::new(),
            streak: 0,
            looping: false,
            last_end: None,
            restarts: 0,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    Start,
    Stop,
    Restart,
    /// It is to run, but not before what is named here allows it.
    Wait(String),
    /// What it waits for has changed. Unlike `Wait`, nothing to a service that was stopped meanwhile.
    StillWaits(String),
    /// What it waits for is there. Unlike `Start`, nothing to a service that was stopped meanwhile.
    Release,
    Spawned(ProcessId),
    SpawnFailed(String),
    /// A journalled process of ours is still alive.
    Adopted(ProcessId),
    PortTaken(PortOwner),
    ReadinessPassed,
    /// N liveness failures in a row, judged by [`crate::liveness`]; a noun phrase.
    LivenessFailed(String),
    /// Its processes together take more than they may; a noun phrase with both numbers.
    MemoryExceeded(String),
    Exited(Exit),
    /// Its leader ended well and left this process of its own outside the group.
    WentToBackground {
        pid: u32,
    },
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
    /// KILL what the dead leader left behind and wait until it is gone.
    Sweep,
    /// Watch the group and the port; answers `ProvedStopped`.
    ProveStopped,
    /// Feed `Timer` then. A later one replaces it.
    WakeAt(AwakeInstant),
    /// The service ended, or has to be ended, without being asked to.
    ReportCrash(End),
}
