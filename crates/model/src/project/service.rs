//! A service's lifecycle as people read it.

use crate::check::Status;
use crate::service::{End, Lifecycle, State, StopReason};
use crate::snapshot::{ServiceStatus, ServiceView};
use crate::time::{Now, WallTime};
use crate::verdict::{self, Reason};
use crate::words;

/// `reason` is the verdict's own on this service, so that row and dot cannot disagree.
pub fn view(
    name: &str,
    port: Option<u16>,
    life: &Lifecycle,
    reason: Option<&Reason>,
    now: Now,
) -> ServiceView {
    ServiceView {
        name: name.to_owned(),
        state: status_word(&life.state),
        status: reason.map_or(Status::Pass, |r| r.status),
        wanted: !matches!(
            life.state,
            State::Stopped { reason: StopReason::Requested | StopReason::Completed(_), .. }
        ),
        detail: match (&life.state, reason) {
            // Ready and yet not well: the row says why, not how long.
            (State::Ready { .. }, Some(reason)) => {
                format!("{}, {}", unnamed(name, &reason.sentence), detail(life, now))
            }
            _ => detail(life, now),
        },
        pid: life.process().map(|p| p.pid),
        port,
        since: since(&life.state),
        restarts: life.restarts,
        last_exit: life.last_end.as_ref().map(|(end, at)| {
            format!("{}, {}", words::end(end), words::ago(now.wall.since(*at).unwrap_or_default()))
        }),
        foreign: match &life.state {
            State::Foreign { owner, .. } => Some(owner.clone()),
            _ => None,
        },
        usage: None,
        warning: None,
    }
}

/// `brain is back after …` in brain's own row.
fn unnamed<'a>(name: &str, sentence: &'a str) -> &'a str {
    sentence.strip_prefix(name).and_then(|rest| rest.strip_prefix(" is ")).unwrap_or(sentence)
}

fn status_word(state: &State) -> ServiceStatus {
    match state {
        State::Stopped { .. } => ServiceStatus::Stopped,
        State::Starting { .. } => ServiceStatus::Starting,
        State::Ready { .. } => ServiceStatus::Ready,
        State::Degraded { .. } => ServiceStatus::Degraded,
        State::Stopping { .. } => ServiceStatus::Stopping,
        State::Backoff { .. } => ServiceStatus::Backoff,
        State::CrashLoop { .. } => ServiceStatus::CrashLoop,
        State::Foreign { .. } => ServiceStatus::Foreign,
        State::Unknown => ServiceStatus::Unknown,
    }
}

fn since(state: &State) -> Option<WallTime> {
    match state {
        State::Stopped { since, .. } | State::Foreign { since, .. } => Some(*since),
        State::Starting { since, .. } | State::Ready { since, .. } | State::Degraded { since, .. } => {
            Some(since.wall)
        }
        _ => None,
    }
}

fn detail(life: &Lifecycle, now: Now) -> String {
    let left = |until: crate::time::AwakeInstant| words::span(until.since(now.awake));
    match &life.state {
        State::Unknown => "not looked at yet".to_owned(),
        State::Stopped { reason, .. } => stopped(reason),
        State::Starting { since, .. } => {
            format!("starting for {}", words::span(now.awake.since(since.awake)))
        }
        State::Ready { since, .. } => format!("ready for {}", words::span(now.awake.since(since.awake))),
        State::Degraded { reason, .. } => reason.clone(),
        State::Stopping { killed: false, deadline, .. } => format!("stopping, killed in {}", left(*deadline)),
        State::Stopping { killed: true, .. } => "killed, waiting until it is gone".to_owned(),
        State::Backoff { until, attempt, cause } => {
            format!("{cause}; try {} in {}", attempt + 1, left(*until))
        }
        State::CrashLoop { until, cause } => format!("crash loop ({cause}); next try in {}", left(*until)),
        State::Foreign { owner, .. } => verdict::foreign(owner),
    }
}

fn stopped(reason: &StopReason) -> String {
    match reason {
        StopReason::Requested => "stopped, as asked".to_owned(),
        StopReason::Waiting(on) => on.clone(),
        StopReason::Completed(_) => "has done its work".to_owned(),
        StopReason::Ended(end @ End::Background { .. }) => format!("ended after {}", words::end(end)),
        StopReason::Ended(end) => format!("ended with {}", words::end(end)),
        StopReason::CouldNotStart(cause) => format!("could not be started: {cause}"),
    }
}
