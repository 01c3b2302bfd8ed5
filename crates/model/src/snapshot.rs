//! All that is true at one moment, as one value with a version. Every surface is a projection of it.

use serde::{Deserialize, Serialize};

use crate::backup::{EndedOperation, Operation, RestorePoint, RestoreRecord};
use crate::check::{Measure, Sample, Severity, Status};
use crate::copy::CopyView;
use crate::crash::CrashSummary;
use crate::drill::DrillView;
use crate::job::{Failed, RunRecord};
use crate::key::BackupKeyView;
use crate::marker::Markers;
use crate::process::PortOwner;
use crate::retention::PruneRecord;
use crate::time::WallTime;
use crate::usage::Usage;
use crate::verdict::Verdict;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Snapshot {
    /// Grows by one with every change; restarts at 1 with the agent.
    pub version: u64,
    pub at: WallTime,
    pub agent: AgentInfo,
    pub verdict: Verdict,
    pub services: Vec<ServiceView>,
    pub checks: Vec<CheckView>,
    pub jobs: Vec<JobView>,
    pub backup: BackupView,
    /// The newest crash reports, newest first, a handful.
    #[serde(default)]
    pub crashes: Vec<CrashSummary>,
}

impl Snapshot {
    /// The job that scripts mean when they ask for *the* sync: the one of that name, else the first whose name
    /// speaks of it, else the first.
    pub fn sync_job(&self) -> Option<&JobView> {
        let named = |is: fn(&str) -> bool| self.jobs.iter().find(|job| is(&job.name));
        named(|name| name == "sync").or_else(|| named(|name| name.contains("sync"))).or(self.jobs.first())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AgentInfo {
    pub version: String,
    pub pid: u32,
    pub started: WallTime,
    /// The configuration file in use.
    pub config: String,
    /// Where a browser finds the panel, without a token; `None` when it could not listen.
    pub panel: Option<String>,
    /// What its own process takes.
    #[serde(default)]
    pub usage: Option<Usage>,
    /// How late its loop woke the last time, milliseconds.
    #[serde(default)]
    pub lag_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ServiceView {
    pub name: String,
    pub state: ServiceStatus,
    pub status: Status,
    /// Whether it should be up: neither stopped by a person nor a one-shot that has done its work.
    #[serde(default)]
    pub wanted: bool,
    /// `ready for 2 h`, `next try in 4 s`.
    pub detail: String,
    pub pid: Option<u32>,
    pub port: Option<u16>,
    pub since: Option<WallTime>,
    pub restarts: u64,
    pub last_exit: Option<String>,
    /// The stranger on its port, if that keeps it from starting.
    pub foreign: Option<PortOwner>,
    /// What its processes take; sampled often only while somebody looks.
    #[serde(default)]
    pub usage: Option<Usage>,
    /// What is wrong with its definition although it may run.
    #[serde(default)]
    pub warning: Option<String>,
}

/// The states of design §5 by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ServiceStatus {
    Stopped,
    Starting,
    Ready,
    Degraded,
    Stopping,
    Backoff,
    CrashLoop,
    Foreign,
    Unknown,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct CheckView {
    pub name: String,
    /// `http`, `sqlite`, …: the kinds of `config::CheckKind`, and `logs`.
    pub kind: String,
    pub status: Status,
    pub severity: Severity,
    pub evidence: String,
    pub since: Option<WallTime>,
    /// When it was last observed; `None` is never.
    pub observed: Option<WallTime>,
    pub took_ms: u64,
    pub measure: Option<Measure>,
    /// What else it measured, for `/metrics`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub samples: Vec<Sample>,
    pub service: Option<String>,
    /// The check or service whose trouble explains this one's: it gives no reason of its own meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explained_by: Option<String>,
    /// What a person does about it, where its cause is known; the reason that it gives has an action in any case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct JobView {
    pub name: String,
    pub status: Status,
    /// `synced 2 h ago`.
    pub phrase: String,
    /// Whether Steady runs it (else it only follows its markers).
    pub runnable: bool,
    pub running_since: Option<WallTime>,
    pub last_success: Option<WallTime>,
    pub next: Option<WallTime>,
    /// Newest first, a handful.
    pub runs: Vec<RunRecord>,
    /// The newest failure since the last success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<Failed>,
    /// What is odd about it beside its own past; no alarm.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// `None` until they have been looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub markers: Option<Markers>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct BackupView {
    /// Whether a data directory to back up is configured.
    pub configured: bool,
    pub status: Status,
    /// `backed up 06:10`, `never backed up`.
    pub phrase: String,
    /// Newest first.
    pub points: Vec<RestorePoint>,
    pub operation: Option<Operation>,
    /// How the last operation ended, for whoever waits for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_operation: Option<EndedOperation>,
    pub last_restore: Option<RestoreRecord>,
    /// Why the last backup or restore did not do what it was asked; cleared by the next success.
    pub last_error: Option<String>,
    /// Why a restore that was interrupted could not be ended. What uses the data waits, and nothing else is begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unfinished: Option<String>,
    pub next: Option<WallTime>,
    /// `None` without a data directory to back up.
    #[serde(default)]
    pub drill: Option<DrillView>,
    /// How the last removal of old restore points ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pruned: Option<PruneRecord>,
    /// In other places, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub copies: Vec<CopyView>,
    /// `None` before there is a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<BackupKeyView>,
}
