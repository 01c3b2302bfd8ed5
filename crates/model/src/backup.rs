//! Restore points, plans and the progress of long work, as every surface shows them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::check::Status;
use crate::time::WallTime;
use crate::verification::{Finding, FindingKind, Reading};
use crate::words;

/// A moment of the data that can be brought back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RestorePoint {
    /// The repository's snapshot id, hexadecimal.
    pub id: String,
    pub taken: WallTime,
    /// When every store of it was last opened and checked; `None` is not verified.
    pub verified: Option<WallTime>,
    pub kind: PointKind,
    pub bytes: u64,
    pub files: u64,
    /// Bytes that this point added to the repository.
    pub added: u64,
    /// What could not be read. A point with entries here is incomplete and never counts as verified.
    pub missing: Vec<String>,
    /// What a person should know of the moment it was taken: a job that ran, services that were stopped for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What the last verification found wrong. A point with entries here does not count as verified.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// A verification in slices that is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reading: Option<Reading>,
    pub stores: Vec<StoreEntry>,
    /// The folder that it was taken in from: a copy that something else made before Steady, maybe while it was
    /// written. It stays for ever, and says nothing of how fresh the backups are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<String>,
}

impl RestorePoint {
    /// Whether the rows of later points may be measured by it: what is imported may be of another age.
    pub fn is_measure(&self) -> bool {
        self.verified.is_some() && self.imported.is_none()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PointKind {
    /// Asked for by a person.
    Manual,
    Scheduled,
    /// Taken before a restore, so that the restore can be undone.
    Safety,
}

/// A database inside a restore point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct StoreEntry {
    /// Relative to the data directory, with `/`.
    pub path: String,
    pub bytes: u64,
    /// Rows per table, for tables that people would miss (no shadow tables).
    pub rows: Vec<TableRows>,
    /// `ok`, or the first line of what `integrity_check` found.
    pub integrity: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TableRows {
    pub table: String,
    pub rows: u64,
}

/// What a restore would do, before anybody confirms it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RestorePlan {
    pub point: RestorePoint,
    /// The directory that will be replaced, or written when `elsewhere`.
    pub target: String,
    /// Nothing is replaced and no service is touched.
    #[serde(default)]
    pub elsewhere: bool,
    /// Files and folders that are restored; empty is all. All else stays.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<String>,
    /// Services that are stopped meanwhile, in order.
    pub stops: Vec<String>,
    pub current_bytes: u64,
    pub free_bytes: u64,
    pub needed_bytes: u64,
    /// What the data has now and the point has not; one sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<String>,
    /// Why it cannot be done; empty when it can.
    pub obstacles: Vec<String>,
    /// What the person should know, e.g. that the point is not verified.
    pub cautions: Vec<String>,
}

/// The steps of a restore in order. Each is journalled before it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RestoreStep {
    Planned,
    SafetyPoint,
    Staged,
    Verified,
    Stopped,
    Swapped,
    Started,
    Healthy,
}

/// How a finished restore ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case", tag = "result")]
pub enum RestoreOutcome {
    Restored,
    /// The old state is back; `why` says what the restore ran into.
    RolledBack {
        why: String,
    },
    /// Nothing was changed.
    Refused {
        why: String,
    },
}

/// The last restore, for *Undo*.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RestoreRecord {
    pub id: String,
    pub point: String,
    pub point_taken: WallTime,
    pub ended: WallTime,
    #[serde(flatten)]
    pub outcome: RestoreOutcome,
    /// Files and folders that were restored; empty is all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<String>,
    /// Whether the state before it can still be brought back.
    pub can_undo: bool,
}

/// Long work that is under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Operation {
    pub id: String,
    pub kind: OperationKind,
    pub started: WallTime,
    /// What it does right now: `copying conversations.db`.
    pub phase: String,
    pub done_bytes: u64,
    /// 0 while it is not known.
    pub total_bytes: u64,
    #[serde(default)]
    pub done_files: u64,
    /// 0 while it is not known.
    #[serde(default)]
    pub total_files: u64,
    /// Bytes a second, smoothed; `None` while it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<u64>,
    /// Seconds until this phase is done; `None` while it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remaining_s: Option<u64>,
    /// Whether it can be ended early: neither past its point of no return nor ending already.
    #[serde(default)]
    pub can_cancel: bool,
}

impl Operation {
    pub fn begun(id: String, kind: OperationKind, started: WallTime) -> Self {
        Self {
            id,
            kind,
            started,
            phase: "beginning".to_owned(),
            done_bytes: 0,
            total_bytes: 0,
            done_files: 0,
            total_files: 0,
            rate: None,
            remaining_s: None,
            can_cancel: kind != OperationKind::Recover,
        }
    }
}

/// An operation that is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct EndedOperation {
    pub id: String,
    pub kind: OperationKind,
    pub ended: WallTime,
    #[serde(flatten)]
    pub outcome: OperationOutcome,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case", tag = "result")]
pub enum OperationOutcome {
    /// All of it was done. What it found, such as a drill that failed, is told by its own record.
    Done,
    Failed {
        why: String,
    },
    /// Somebody ended it early.
    Cancelled,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OperationKind {
    Backup,
    Restore,
    Undo,
    /// The data and the services are left alone.
    RestoreElsewhere,
    Verify,
    Drill,
    /// Ends a restore that was interrupted.
    Recover,
    /// Copies restore points to another place.
    Copy,
    /// Removes restore points that the rules of `backup.keep` do not keep.
    Prune,
    /// Takes in copies that something else made before Steady.
    Import,
}

impl OperationKind {
    pub fn gerund(self) -> &'static str {
        match self {
            Self::Backup => "backing up",
            Self::Restore => "restoring",
            Self::Undo => "undoing the restore",
            Self::RestoreElsewhere => "restoring to another folder",
            Self::Verify => "verifying a restore point",
            Self::Drill => "running a drill",
            Self::Recover => "ending an interrupted restore",
            Self::Copy => "copying restore points",
            Self::Prune => "removing old restore points",
            Self::Import => "importing older copies",
        }
    }
}

/// Judges the newest verified point: status and phrase, e.g. `backed up 2 h ago`.
///
/// `points` are newest first. Only verified points count, and none that was imported. A point that was found wrong is told: damage always,
/// lost rows until a newer point is good.
pub fn judge(points: &[RestorePoint], stale_after: Duration, now: WallTime) -> (Status, String) {
    let own: Vec<&RestorePoint> = points.iter().filter(|p| p.imported.is_none()).collect();
    let Some(verified) = own.iter().find(|p| p.verified.is_some()) else {
        let phrase = match (own.is_empty(), wrong(&own)) {
            (true, _) => "never backed up".to_owned(),
            (false, None) => "no backup could be verified".to_owned(),
            (false, Some((_, finding))) => format!("no backup could be verified: {}", finding.text),
        };
        return (Status::Warn, phrase);
    };
    let Some(age) = now.since(verified.taken) else {
        return (Status::Unknown, format!("the newest backup is dated in the future ({})", verified.taken));
    };
    let ago = words::ago(age);
    if age > stale_after {
        return (Status::Warn, format!("last good backup {ago}, which is too long"));
    }
    if let Some((point, finding)) = wrong(&own) {
        let taken = now.since(point.taken).map_or_else(|| point.taken.to_string(), words::ago);
        let phrase = format!("the backup of {taken} is not good: {} (last good one: {ago})", finding.text);
        return (Status::Warn, phrase);
    }
    (Status::Pass, format!("backed up {ago}"))
}

/// The newest point that a person should know to be wrong.
fn wrong<'a>(points: &[&'a RestorePoint]) -> Option<(&'a RestorePoint, &'a Finding)> {
    let verified = points.iter().position(|p| p.verified.is_some()).unwrap_or(points.len());
    points.iter().enumerate().find_map(|(age, point)| {
        // Before a restore the data are as they are: that is why people restore.
        let counts = age < verified && point.kind != PointKind::Safety;
        let told = |f: &&Finding| counts || f.kind == FindingKind::Damaged;
        point.findings.iter().find(told).map(|finding| (*point, finding))
    })
}

/// Room on a volume, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// What an ordinary user may still write.
    pub free: u64,
    pub total: u64,
}

/// Whether the next backup has room: 1.2 times the size of the newest point. Status and evidence.
///
/// `newest` is `None` until the catalogue was read, and `Some(None)` when there is no point yet.
pub fn judge_space(space: Space, newest: Option<Option<u64>>) -> (Status, String) {
    let room =
        format!("{} of {} free where the backups are", words::bytes(space.free), words::bytes(space.total));
    match newest {
        None => (Status::Unknown, format!("{room}; the backups have not been looked at yet")),
        Some(None) => (Status::Pass, room),
        Some(Some(bytes)) => {
            let needed = bytes.saturating_add(bytes / 5);
            if space.free < needed {
                (Status::Warn, format!("{room}, the next one may need {}", words::bytes(needed)))
            } else {
                (Status::Pass, room)
            }
        }
    }
}
