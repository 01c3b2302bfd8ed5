use std::collections::BTreeMap;

use steady_model::backup::{EndedOperation, Operation, RestorePoint, RestoreRecord};
use steady_model::copy::CopyFacts;
use steady_model::drill::DrillRecord;
use steady_model::key::BackupKeyView;
use steady_model::retention::PruneRecord;
use steady_model::time::WallTime;

/// What is known of restore points.
#[derive(Debug, Default)]
pub struct BackupFacts {
    /// Newest first; `None` until the catalogue has been read.
    pub points: Option<Vec<RestorePoint>>,
    pub operation: Option<Operation>,
    pub last_operation: Option<EndedOperation>,
    pub last_restore: Option<RestoreRecord>,
    pub last_error: Option<String>,
    pub unfinished: Option<String>,
    pub next: Option<WallTime>,
    pub last_drill: Option<DrillRecord>,
    pub next_drill: Option<WallTime>,
    pub pruned: Option<PruneRecord>,
    pub key: Option<BackupKeyView>,
    /// By name.
    pub copies: BTreeMap<String, CopyFacts>,
    /// How far those are that are being made, by name.
    pub copying: BTreeMap<String, Operation>,
}
