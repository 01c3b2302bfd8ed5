//! Jobs: when they run, how a run ended, and when the last good one is too old.

mod anomaly;
mod awake;
mod freshness;
mod run;
mod schedule;
mod timing;

pub use anomaly::notes;
pub use awake::{Absence, AwakeLog};
pub use freshness::{Failed, Freshness, STALE_AFTER, Seen, freshness};
pub use run::{Rules, Told, judge_run, milestone, run_ends};
pub use schedule::{Cron, CronError, Grid, Plan, Retry, Schedule, Slots, plan};
use serde::{Deserialize, Serialize};
pub use timing::{NAP, Next, Timing, WAKE_SETTLE};

use crate::process::Exit;
use crate::time::{Now, WallTime};

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
    /// No run came at its slot, although the machine was awake.
    Missed,
}

impl Outcome {
    pub fn word(&self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Partial { .. } => "partial",
            Self::Failed { .. } => "failed",
            Self::TimedOut => "timed out",
            Self::Killed => "killed",
            Self::Missed => "missed",
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
    /// The slot of the schedule that it was made for; `None` was started by a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<WallTime>,
    /// The subcommand, when it was a run of a part of the job only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
}

impl RunRecord {
    /// Whether all of the job was done, and well.
    pub fn is_whole(&self) -> bool {
        self.outcome == Outcome::Succeeded && self.part.is_none()
    }
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
