//! Crash reports: what a person needs to understand an end that nobody asked for.
//!
//! One JSON file each, `crashes/<id>.json` in Steady's home; the id is `<UTC time>-<subject>-<pid>`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::service::End;
use crate::time::WallTime;

/// The version of the file format.
pub const VERSION: u32 = 1;
/// Lines of the log that a report keeps.
pub const LOG_LINES: usize = 200;
/// Reports that are kept of each subject, and of all; the oldest go first.
pub const KEPT_EACH: usize = 20;
pub const KEPT: usize = 100;
/// What stands for a value that is not shown.
pub const REDACTED: &str = "(redacted)";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct CrashReport {
    pub version: u32,
    pub id: String,
    pub subject: CrashSubject,
    pub at: WallTime,
    /// The end with its meaning: `signal 11 (SIGSEGV): it touched memory that is not its own`.
    pub cause: String,
    /// `None` for a program of Steady's own.
    pub end: Option<End>,
    pub pid: Option<u32>,
    /// From its start to its end, wall time, milliseconds.
    pub uptime_ms: Option<u64>,
    /// Unexpected ends in a row, this one included.
    pub streak: u32,
    /// The Steady that wrote it.
    pub steady: String,
    pub command: Vec<String>,
    pub cwd: Option<String>,
    /// Values that are secret, or look like it, are [`REDACTED`].
    pub env: BTreeMap<String, String>,
    /// The end of its log, oldest line first.
    pub log: Vec<String>,
    /// Of a panic of Steady's own.
    pub backtrace: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case", tag = "kind", content = "name")]
pub enum CrashSubject {
    Service(String),
    Agent,
    Sink,
    Engine,
    App,
}

/// A report in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct CrashSummary {
    pub id: String,
    pub subject: CrashSubject,
    pub at: WallTime,
    pub cause: String,
}

impl CrashReport {
    pub fn summary(&self) -> CrashSummary {
        CrashSummary {
            id: self.id.clone(),
            subject: self.subject.clone(),
            at: self.at,
            cause: self.cause.clone(),
        }
    }
}
