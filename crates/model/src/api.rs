//! Requests and answers of the HTTP API that are not the snapshot itself.

use serde::{Deserialize, Serialize};

use crate::action;
use crate::check::{Measure, Observation, Sample, Status};
use crate::time::WallTime;
use crate::verification::Slice;

/// A command was taken by its owner; what comes of it shows in the snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Accepted {
    /// The run or operation that was begun, where there is one.
    pub id: Option<String>,
}

/// Every error answer: what failed, why, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Problem {
    /// A stable word: `not_found`, `busy`, `refused`, `unauthorized`, `internal`.
    pub code: String,
    pub detail: String,
}

/// What a backup is taken for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct BackupRequest {
    /// A few words that the point shall say, such as `upgrade`.
    #[serde(default)]
    pub reason: Option<String>,
}

/// What of a restore point is to be restored, and where to; nothing said is all of it, into place.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RestoreRequest {
    /// Files and folders of the data directory, absolute or relative to it; empty is all.
    #[serde(default)]
    pub only: Vec<String>,
    /// Absolute path of a new or empty folder; the data and the services are left alone then.
    #[serde(default)]
    pub to: Option<String>,
    /// The name of the copy that the point is read from; its id is the one that it has there.
    #[serde(default)]
    pub from: Option<String>,
}

/// How a restore point is to be verified; nothing said is all of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct VerifyRequest {
    /// Reads only this part of its files; it is verified when the last part was.
    #[serde(default)]
    pub slice: Option<Slice>,
    /// A person says that rows which are gone since the last verified point are gone rightly.
    #[serde(default)]
    pub accept_losses: bool,
}

/// The end of a service's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LogTail {
    pub service: String,
    /// Oldest first.
    pub lines: Vec<String>,
}

/// Which lines of a log are wanted: the newest that satisfy all of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LogQuery {
    /// At most this many, the newest: 200 unless told, at most 10000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines: Option<u32>,
    /// Not older than this: `10m`, `06:10`, `2026-11-23T06:00`; local time unless it has an offset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Only lines that match this regular expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grep: Option<String>,
}

/// `event: lines` of a followed log; its id is where a reconnect goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LogLines {
    /// Oldest first.
    pub lines: Vec<String>,
}

/// `event: gap` of a followed log: the client was too slow, and these were left out here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LogGap {
    pub lines: u64,
}

/// What one look of a check saw, before it is judged together with those before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct CheckLook {
    pub name: String,
    pub kind: String,
    pub status: Status,
    pub evidence: String,
    pub at: WallTime,
    pub took_ms: u64,
    pub measure: Option<Measure>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub samples: Vec<Sample>,
    /// What to do about it, when it did not pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
}

impl CheckLook {
    pub fn new(name: &str, kind: &str, seen: &Observation) -> Self {
        Self {
            name: name.to_owned(),
            kind: kind.to_owned(),
            status: seen.status,
            evidence: seen.evidence.clone(),
            at: seen.at.wall,
            took_ms: u64::try_from(seen.took.as_millis()).unwrap_or(u64::MAX),
            measure: seen.measure.clone(),
            samples: seen.samples.clone(),
            action: (seen.status != Status::Pass).then(|| {
                let by_kind = || action::next(kind, seen.status, true, None);
                seen.action.clone().unwrap_or_else(by_kind)
            }),
        }
    }
}

/// What came of trying a check against the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trial {
    Answers,
    /// It answers sensibly, and what it says is not good.
    BadNews,
    /// Its service may be down, which nobody can blame the check for.
    ServiceDown,
    /// It gives no sensible answer.
    Refused,
}

/// `steady check --validate`, of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckTrial {
    pub name: String,
    /// Where its section begins.
    pub at: Option<crate::config::Place>,
    pub trial: Trial,
    /// `None` when it did not come to an end.
    pub look: Option<CheckLook>,
}

/// `GET /livez`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Liveness {
    /// `ok`, or `late` when the agent's loop hangs.
    pub status: String,
    pub version: String,
    pub tick: WallTime,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ShutdownRequest {
    /// Whether services go down with the agent; `false` leaves them to be adopted by the next one.
    pub stop_services: bool,
}

/// What a reload of the configuration does, or would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ReloadPlan {
    pub changes: Vec<Change>,
    /// `false` for a dry run.
    pub applied: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Change {
    /// `service`, `check`, `job`, `logfile`, `backup` or `agent`.
    pub section: String,
    pub name: Option<String>,
    pub what: Changed,
    pub consequence: Consequence,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Changed {
    Added,
    Removed,
    Changed,
}

/// What a change does to what runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Consequence {
    /// Nothing is restarted for it.
    AtOnce,
    Starts,
    Stops,
    Restarts,
    /// It waits for the agent's next start; `steady down --keep-services` then `steady up`.
    AgentRestart,
}

/// Which folder of a restore point.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct FolderQuery {
    /// Below the data directory; without it the directory itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}
