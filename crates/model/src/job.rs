//! Jobs: run records, and when the last good one is too old.

mod run;

use std::time::Duration;

pub use run::{judge_run, milestone, next_due};
use serde::{Deserialize, Serialize};

use crate::check::Status;
use crate::marker::{self, Marker, Markers};
use crate::process::Exit;
use crate::time::{Now, WallTime};
use crate::words;

/// How a run ended. A lifecycle is [`Activity`]; this is only the outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case", tag = "result")]
pub enum Outcome {
    Succeeded,
    /// It said success, but its milestones say that a part failed or was skipped.
    Partial {
        why: String,
    },
    Failed {
        why: String,
    },
    TimedOut,
    Killed,
}

impl Outcome {
    pub fn word(&self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Partial { .. } => "partial",
            Self::Failed { .. } => "failed",
            Self::TimedOut => "timed out",
            Self::Killed => "killed",
        }
    }

    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Partial { why } | Self::Failed { why } => Some(why),
            _ => None,
        }
    }
}

/// A structured line of a job's output: `{"event": "reindex_complete", …}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Milestone {
    pub event: String,
    /// The other fields as they came.
    #[schema(value_type = Object)]
    pub fields: serde_json::Map<String, serde_json::Value>,
}

impl Eq for Milestone {}

/// One finished run, as kept on disk and shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RunRecord {
    /// ULID: sorts by start.
    pub id: String,
    pub job: String,
    pub started: WallTime,
    pub ended: WallTime,
    #[serde(flatten)]
    pub outcome: Outcome,
    pub exit: Option<Exit>,
    pub milestones: Vec<Milestone>,
    /// The last lines of its output, oldest first.
    pub tail: Vec<String>,
}

/// What a job does right now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Activity {
    #[default]
    Idle,
    Running {
        run: String,
        since: Now,
    },
}

/// Judged freshness with its sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Freshness {
    pub status: Status,
    /// When the data was last wholly synced.
    pub last_success: Option<WallTime>,
    /// `synced 2 h ago`, `last sync failed 3 min ago: …`.
    pub phrase: String,
    /// A failure, as opposed to age: counts at once.
    pub failed: bool,
}

/// Judges the newest success and failure that the markers and our own records tell.
///
/// `stale_after` is the age at which a success no longer counts as fresh. Twice that age is a failure.
/// The marker lies with the data and says how old *they* are (a restore takes it back in time); a record says
/// only that a run ended. So a success counts by its marker, and a failure by either.
pub fn freshness(markers: &Markers, runs: &[RunRecord], stale_after: Duration, now: WallTime) -> Freshness {
    let completed = marker::believe(&markers.completed, now);
    let failed = marker::believe(&markers.failed, now);
    let runs: Vec<&RunRecord> = runs.iter().filter(|r| marker::believable(r.ended, now)).collect();
    let recorded = runs.iter().filter(|r| r.outcome == Outcome::Succeeded).map(|r| r.ended).max();
    let success = at(&completed);
    // `.sync_failed` is often never removed: without a readable success beside it, it proves nothing.
    let marked_failure = if matches!(completed, Marker::Unreadable { .. }) { None } else { failure(&failed) };
    let aged = success.map(|s| age_status(now.since(s).unwrap_or_default(), stale_after));

    if let Some(bad) = failures_since(success.max(recorded), marked_failure, &runs) {
        let status = bad.status.max(aged.unwrap_or(Status::Pass));
        let phrase = bad.phrase(success.filter(|_| aged != Some(Status::Pass)), now);
        return Freshness { status, last_success: success, phrase, failed: true };
    }
    let unknown =
        |phrase: String| Freshness { status: Status::Unknown, last_success: None, phrase, failed: false };
    for (name, m) in [(marker::COMPLETED, &completed), (marker::FAILED, &failed)] {
        if let Marker::Unreadable { why } = m {
            return unknown(format!("the marker {name} cannot be believed: {why}"));
        }
    }
    match (success.zip(aged), recorded) {
        (Some((success, status)), _) => {
            let stale = if status == Status::Pass { "" } else { ", which is too long" };
            let phrase = format!("synced {}{stale}", words::ago(now.since(success).unwrap_or_default()));
            Freshness { status, last_success: Some(success), phrase, failed: false }
        }
        (None, Some(run)) => unknown(format!(
            "a run succeeded {}, but {} is gone: sync again to know what the data hold",
            words::ago(now.since(run).unwrap_or_default()),
            marker::COMPLETED
        )),
        (None, None) => unknown("never synced".to_owned()),
    }
}

fn age_status(age: Duration, stale_after: Duration) -> Status {
    if age > stale_after.saturating_mul(2) {
        Status::Fail
    } else if age > stale_after {
        Status::Warn
    } else {
        Status::Pass
    }
}

fn at(marker: &Marker) -> Option<WallTime> {
    match marker {
        Marker::At { at, .. } => Some(*at),
        _ => None,
    }
}

fn failure(failed: &Marker) -> Option<Attempt> {
    match failed {
        Marker::At { at, message } => {
            Some(Attempt { at: *at, why: message.clone().unwrap_or_default(), partial: false })
        }
        _ => None,
    }
}

/// An attempt that did not wholly succeed.
struct Attempt {
    at: WallTime,
    why: String,
    partial: bool,
}

struct Failures {
    newest: Attempt,
    status: Status,
}

impl Failures {
    fn phrase(&self, stale_success: Option<WallTime>, now: WallTime) -> String {
        let ago = |t| words::ago(now.since(t).unwrap_or_default());
        let word = if self.newest.partial { "last sync was partial" } else { "last sync failed" };
        let why = if self.newest.why.is_empty() { String::new() } else { format!(": {}", self.newest.why) };
        let good = stale_success.map(|s| format!("; last good {}", ago(s))).unwrap_or_default();
        format!("{word} {}{why}{good}", ago(self.newest.at))
    }
}

/// Attempts after `success` that did not wholly succeed. A marker that repeats a record counts once. One is a
/// warning, and so is any number of partial ones; when the last two both failed it is a failure.
fn failures_since(
    success: Option<WallTime>,
    marked: Option<Attempt>,
    runs: &[&RunRecord],
) -> Option<Failures> {
    let after = |t: WallTime| success.is_none_or(|s| t > s);
    let mut bad: Vec<Attempt> = runs
        .iter()
        .filter(|r| r.outcome != Outcome::Succeeded && after(r.ended))
        .map(|r| Attempt {
            at: r.ended,
            why: r.outcome.why().unwrap_or(r.outcome.word()).to_owned(),
            partial: matches!(r.outcome, Outcome::Partial { .. }),
        })
        .collect();
    if let Some(marked) = marked.filter(|m| after(m.at)) {
        let recorded = bad.iter().any(|b| b.at.0.duration_since(marked.at.0).as_secs().abs() <= 2);
        if !recorded {
            bad.push(marked);
        }
    }
    bad.sort_by_key(|b| b.at);
    let hard = bad.iter().rev().take(2).filter(|b| !b.partial).count();
    let newest = bad.pop()?;
    Some(Failures { newest, status: if hard == 2 { Status::Fail } else { Status::Warn } })
}
