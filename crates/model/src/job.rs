//! Jobs: run records, and when the last good one is too old.

use std::time::Duration;

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
pub fn freshness(markers: &Markers, runs: &[RunRecord], stale_after: Duration, now: WallTime) -> Freshness {
    let completed = marker::believe(&markers.completed, now);
    let failed = marker::believe(&markers.failed, now);
    for (name, m) in [(marker::COMPLETED, &completed), (marker::FAILED, &failed)] {
        if let Marker::Unreadable { why } = m {
            let phrase = format!("the marker {name} cannot be believed: {why}");
            return Freshness { status: Status::Unknown, last_success: None, phrase, failed: false };
        }
    }
    let success =
        newest(at(&completed), runs.iter().filter(|r| r.outcome == Outcome::Succeeded).map(|r| r.ended));
    let failures = failures_since(success, &failed, runs);
    if let Some((when, why)) = failures.newest {
        let age = words::ago(now.since(when).unwrap_or_default());
        let why = if why.is_empty() { String::new() } else { format!(": {why}") };
        let status = if failures.count >= 2 { Status::Fail } else { Status::Warn };
        let phrase = format!("{} {age}{why}", failures.word);
        return Freshness { status, last_success: success, phrase, failed: true };
    }
    let Some(success) = success else {
        let phrase = "never synced".to_owned();
        return Freshness { status: Status::Unknown, last_success: None, phrase, failed: false };
    };
    let age = now.since(success).unwrap_or_default();
    let status = if age > stale_after.saturating_mul(2) {
        Status::Fail
    } else if age > stale_after {
        Status::Warn
    } else {
        Status::Pass
    };
    let stale = if status == Status::Pass { "" } else { ", which is too long" };
    let phrase = format!("synced {}{stale}", words::ago(age));
    Freshness { status, last_success: Some(success), phrase, failed: false }
}

fn at(marker: &Marker) -> Option<WallTime> {
    match marker {
        Marker::At { at, .. } => Some(*at),
        _ => None,
    }
}

fn newest(a: Option<WallTime>, rest: impl Iterator<Item = WallTime>) -> Option<WallTime> {
    a.into_iter().chain(rest).max()
}

struct Failures {
    newest: Option<(WallTime, String)>,
    word: &'static str,
    count: usize,
}

/// Attempts after the last success that did not wholly succeed. A marker that repeats a record counts once.
fn failures_since(success: Option<WallTime>, failed: &Marker, runs: &[RunRecord]) -> Failures {
    let after = |t: WallTime| success.is_none_or(|s| t > s);
    let mut bad: Vec<(WallTime, String, &'static str)> = runs
        .iter()
        .filter(|r| r.outcome != Outcome::Succeeded && after(r.ended))
        .map(|r| {
            let word = if matches!(r.outcome, Outcome::Partial { .. }) {
                "last sync was partial"
            } else {
                "last sync failed"
            };
            (r.ended, r.outcome.why().unwrap_or(r.outcome.word()).to_owned(), word)
        })
        .collect();
    if let Marker::At { at, message } = failed {
        let recorded = bad.iter().any(|(t, ..)| t.0.duration_since(at.0).as_secs().abs() <= 2);
        if after(*at) && !recorded {
            bad.push((*at, message.clone().unwrap_or_default(), "last sync failed"));
        }
    }
    bad.sort_by_key(|(t, ..)| *t);
    let count = bad.len();
    match bad.pop() {
        Some((t, why, word)) => Failures { newest: Some((t, why)), word, count },
        None => Failures { newest: None, word: "", count: 0 },
    }
}
