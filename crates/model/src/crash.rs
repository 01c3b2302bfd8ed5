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

impl CrashSubject {
    /// `brain`; a program of Steady's own is `steady-agent`.
    pub fn name(&self) -> &str {
        match self {
            Self::Service(name) => name,
            Self::Agent => "steady-agent",
            Self::Sink => "steady-sink",
            Self::Engine => "steady-engine",
            Self::App => "steady-app",
        }
    }
}

/// The id of a report, which sorts by time: `20261123T031612.123Z-brain-4711`.
pub fn id(subject: &CrashSubject, at: WallTime, pid: u32) -> String {
    format!("{}-{}-{pid}", at.0.strftime("%Y%m%dT%H%M%S.%3fZ"), subject.name())
}

/// Whether `text` can be an id: it then names a file in one directory and nothing else.
pub fn is_id(text: &str) -> bool {
    text.len() <= 200
        && text.starts_with(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

/// The reports that go, of all, newest first: beyond [`KEPT_EACH`] of one subject, and beyond [`KEPT`].
pub fn surplus(newest_first: &[CrashSummary]) -> Vec<&CrashSummary> {
    let mut kept: BTreeMap<&CrashSubject, usize> = BTreeMap::new();
    let mut all = 0;
    newest_first
        .iter()
        .filter(|report| {
            let of_it = kept.entry(&report.subject).or_default();
            if *of_it < KEPT_EACH && all < KEPT {
                *of_it += 1;
                all += 1;
                return false;
            }
            true
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_id_sorts_by_time_and_never_leaves_its_directory() {
        let at = WallTime("2026-11-23T03:16:12.5Z".parse().unwrap());
        let brain = id(&CrashSubject::Service("brain".into()), at, 4711);
        assert_eq!(brain, "20261123T031612.500Z-brain-4711");
        assert!(is_id(&brain));
        assert!(is_id(&id(&CrashSubject::Agent, at, 1)));
        assert!(id(&CrashSubject::Agent, at.after(std::time::Duration::from_millis(1)), 1) > brain);
        for wrong in ["", "..", ".x", "../token", "2026/x", "2026\\x", "2026\0", "latest", "2\u{e9}"] {
            assert!(!is_id(wrong), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn the_newest_of_each_subject_stay_within_both_bounds(
            subjects in prop::collection::vec(0u8..9, 0..250),
        ) {
            let at = WallTime("2026-11-23T03:16:12Z".parse().unwrap());
            let reports: Vec<CrashSummary> = subjects
                .iter()
                .enumerate()
                .map(|(i, n)| CrashSummary {
                    id: i.to_string(),
                    subject: CrashSubject::Service(n.to_string()),
                    at,
                    cause: String::new(),
                })
                .collect();
            let gone: Vec<&str> = surplus(&reports).iter().map(|r| r.id.as_str()).collect();
            let kept: Vec<&CrashSummary> = reports.iter().filter(|r| !gone.contains(&r.id.as_str())).collect();
            prop_assert!(kept.len() <= KEPT);
            for n in 0u8..9 {
                let of = |r: &&&CrashSummary| r.subject.name() == n.to_string();
                let mine: Vec<&CrashSummary> = kept.iter().filter(of).copied().collect();
                prop_assert!(mine.len() <= KEPT_EACH);
                // What is kept of one subject is the newest of it.
                let newest: Vec<&CrashSummary> =
                    reports.iter().filter(|r| of(&r)).take(mine.len()).collect();
                prop_assert_eq!(mine, newest);
            }
            if reports.len() <= KEPT_EACH {
                prop_assert!(gone.is_empty());
            }
        }
    }
}
