//! What the tests of all kinds share.

use std::time::Duration;

use steady_health::{CheckEvent, ChecksHandle, watch};
use steady_model::check::{Observation, Severity, Thresholds};
use steady_model::config::{Check, CheckKind, Probe};
use tokio::sync::mpsc;
use tokio::time::timeout;

pub const LIMIT: Duration = Duration::from_secs(20);
pub const HOUR: Duration = Duration::from_secs(3600);

pub fn check(name: &str, kind: CheckKind, interval: Duration, timeout: Duration) -> Check {
    Check {
        name: name.to_owned(),
        probe: Probe { interval, timeout },
        kind,
        severity: Severity::Critical,
        thresholds: Thresholds::default(),
        service: None,
        depends_on: Vec::new(),
        warm_up: Duration::ZERO,
    }
}

pub fn start(checks: Vec<Check>) -> (ChecksHandle, mpsc::Receiver<CheckEvent>) {
    let (send, receive) = mpsc::channel(64);
    (watch(checks, send), receive)
}

pub async fn next(events: &mut mpsc::Receiver<CheckEvent>) -> CheckEvent {
    timeout(LIMIT + LIMIT, events.recv()).await.unwrap().unwrap()
}

/// One check that looks when it is told to.
pub struct Looking {
    handle: ChecksHandle,
    events: mpsc::Receiver<CheckEvent>,
    is_first: bool,
}

impl Looking {
    pub fn at(kind: CheckKind, timeout: Duration) -> Self {
        // Nothing is to be confirmed: it looks only when it is told to.
        let thresholds = Thresholds { worsen: 1, improve: 1 };
        let (handle, events) = start(vec![Check { thresholds, ..check("it", kind, HOUR, timeout) }]);
        Self { handle, events, is_first: true }
    }

    pub async fn look(&mut self) -> Observation {
        if !std::mem::replace(&mut self.is_first, false) {
            assert!(self.handle.probe_now("it"));
        }
        next(&mut self.events).await.observation
    }

    pub async fn end(self) {
        self.handle.shutdown().await;
    }
}

/// The first look of one check.
pub async fn look(kind: CheckKind, timeout: Duration) -> Observation {
    let mut looking = Looking::at(kind, timeout);
    let seen = looking.look().await;
    looking.end().await;
    seen
}
