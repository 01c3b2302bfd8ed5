//! What Steady has done, as one JSON object per line: for scripts, in the form that jobs' milestones have.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::backup::OperationKind;
use crate::job::{Outcome, RunRecord};
use crate::time::WallTime;

/// Log lines of this target hold one of them and nothing else.
pub const TARGET: &str = "milestone";

/// Work that has come to its end.
#[derive(Debug, Clone, PartialEq)]
pub struct Milestone {
    /// `backup_complete`, `sync_failed`, …
    pub event: &'static str,
    pub at: WallTime,
    pub fields: Map<String, Value>,
}

impl Milestone {
    pub fn new(event: &'static str, at: WallTime) -> Self {
        Self { event, at, fields: Map::new() }
    }

    #[must_use]
    pub fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(field.to_owned(), value.into());
        self
    }

    #[must_use]
    pub fn took(self, span: Duration) -> Self {
        self.with("duration_ms", u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
    }

    /// A run of a job. Only a run that did all of its work is complete without a remark.
    pub fn of_run(run: &RunRecord) -> Self {
        let event = match run.outcome {
            Outcome::Succeeded | Outcome::Partial { .. } => "sync_complete",
            _ => "sync_failed",
        };
        let told = Self::new(event, run.ended)
            .with("job", run.job.as_str())
            .with("run", run.id.as_str())
            .with("outcome", run.outcome.word())
            .took(run.ended.since(run.started).unwrap_or_default());
        let told = run.part.iter().fold(told, |told, part| told.with("part", part.as_str()));
        match (run.outcome.why(), &run.outcome) {
            (Some(why), Outcome::Partial { .. }) => told.with("failed", true).with("why", why),
            (Some(why), _) => told.with("error", why),
            (None, _) => told,
        }
    }

    /// A backup, a verification, a drill, a restore, or the undoing of one, and what it failed of.
    pub fn of_operation(kind: OperationKind, took: Duration, at: WallTime, error: Option<&str>) -> Self {
        let event = match (kind, error) {
            (OperationKind::Backup, None) => "backup_complete",
            (OperationKind::Backup, Some(_)) => "backup_failed",
            (OperationKind::Restore, None) => "restore_complete",
            (OperationKind::Restore, Some(_)) => "restore_failed",
            (OperationKind::Undo, None) => "undo_complete",
            (OperationKind::Undo, Some(_)) => "undo_failed",
            (OperationKind::RestoreElsewhere, None) => "restore_elsewhere_complete",
            (OperationKind::RestoreElsewhere, Some(_)) => "restore_elsewhere_failed",
            (OperationKind::Drill, None) => "drill_complete",
            (OperationKind::Drill, Some(_)) => "drill_failed",
            (OperationKind::Verify, None) => "verify_complete",
            (OperationKind::Verify, Some(_)) => "verify_failed",
            (OperationKind::Import, None) => "import_complete",
            (OperationKind::Import, Some(_)) => "import_failed",
            (OperationKind::Recover, None) => "recover_complete",
            (OperationKind::Recover, Some(_)) => "recover_failed",
            (OperationKind::Copy, None) => "copy_complete",
            (OperationKind::Copy, Some(_)) => "copy_failed",
            (OperationKind::Prune, None) => "prune_complete",
            (OperationKind::Prune, Some(_)) => "prune_failed",
        };
        let told = Self::new(event, at).took(took);
        match error {
            Some(error) => told.with("error", error),
            None => told,
        }
    }

    /// One line, without its end.
    pub fn line(&self) -> String {
        let head = [("event", json!(self.event)), ("at", json!(self.at))];
        let fields = self.fields.iter().map(|(name, value)| (name.as_str(), value.clone()));
        let fields: Vec<String> =
            head.into_iter().chain(fields).map(|(name, value)| format!("{}:{value}", json!(name))).collect();
        format!("{{{}}}", fields.join(","))
    }
}
