//! What the tests of the lifecycle share.

#![allow(dead_code, reason = "each test file uses its part")]

use std::time::Duration;

use steady_model::process::{Exit, PortOwner, ProcessId};
use steady_model::service::{Input, Policy, RestartPolicy};
use steady_model::time::{AwakeInstant, Now, WallTime};

pub const START: u64 = 1_000;
pub const NO_JITTER: f64 = 0.5;

pub fn policy(restart: RestartPolicy) -> Policy {
    Policy {
        restart,
        oneshot: false,
        success_codes: vec![3],
        stop_grace: Duration::from_secs(10),
        ready_timeout: Duration::from_secs(30),
    }
}

/// Both clocks, `seconds` of awake time after boot.
pub fn at(seconds: u64) -> Now {
    let wall = "2026-11-22T09:00:00Z".parse().unwrap();
    Now { awake: awake(seconds), wall: WallTime(wall).after(Duration::from_secs(seconds)) }
}

pub fn awake(seconds: u64) -> AwakeInstant {
    AwakeInstant::since_boot(Duration::from_secs(seconds))
}

pub fn process(pid: u32) -> ProcessId {
    ProcessId { pid, started: 7 }
}

pub fn owner() -> PortOwner {
    PortOwner { port: 8000, pid: Some(9), command: None, since: None, ours: false }
}

pub const INPUTS: usize = 19;

pub fn inputs() -> [Input; INPUTS] {
    [
        Input::Start,
        Input::Stop,
        Input::Restart,
        Input::Wait("waiting for db".to_owned()),
        Input::StillWaits("waiting for db".to_owned()),
        Input::Release,
        Input::Spawned(process(2)),
        Input::SpawnFailed("no such file".to_owned()),
        Input::Adopted(process(2)),
        Input::PortTaken(owner()),
        Input::ReadinessPassed,
        Input::LivenessFailed("5 in a row".to_owned()),
        Input::MemoryExceeded("2 GB of memory".to_owned()),
        Input::Exited(Exit::Code(0)),
        Input::Exited(Exit::Signal(9)),
        Input::Exited(Exit::Unobserved),
        Input::WentToBackground { pid: 3 },
        Input::ProvedStopped,
        Input::Timer,
    ]
}
