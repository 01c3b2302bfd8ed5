//! `sync-status` as the first users' own API says it.

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::check::Status;
use crate::marker;
use crate::snapshot::JobView;
use crate::time::WallTime;

/// `{"last_sync":null,"status":"unknown"}`; `hours_ago` comes with a `last_sync`, `error` with `failed`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SyncStatus {
    /// Naive local time with microseconds, as the marker has it.
    pub last_sync: Option<String>,
    pub status: Word,
    /// One decimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hours_ago: Option<f64>,
    /// `<naive local time>: <message>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    Ok,
    Stale,
    Failed,
    Unknown,
}

/// What is partial is `failed` here: the first users know no other word for what is not whole.
pub fn sync_status(job: Option<&JobView>, zone: &TimeZone, now: WallTime) -> SyncStatus {
    let unknown = SyncStatus { last_sync: None, status: Word::Unknown, hours_ago: None, error: None };
    let Some(job) = job else { return unknown };
    let last = job.last_success;
    #[expect(clippy::cast_precision_loss, reason = "one decimal is told")]
    let hours = |at| (now.since(at).unwrap_or_default().as_secs() as f64 / 360.0).round() / 10.0;
    SyncStatus {
        last_sync: last.map(|at| marker::format_completed(at, zone)),
        hours_ago: last.map(hours),
        error: job.failed.as_ref().map(|failed| marker::format_failed(failed.at, &failed.why, zone)),
        status: match (&job.failed, job.status) {
            (Some(_), _) => Word::Failed,
            (None, Status::Pass) => Word::Ok,
            (None, Status::Warn | Status::Fail) => Word::Stale,
            (None, Status::Unknown) => Word::Unknown,
        },
    }
}
