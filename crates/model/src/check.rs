//! Checks: what one observation says, and how many of them change a mind.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::{Now, WallTime};

/// From best to worst, so that `max` is worst-of. `Unknown` is never green.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Pass,
    Unknown,
    Warn,
    Fail,
}

#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// A failure makes the whole fail (red, 503).
    #[default]
    Critical,
    /// A failure is shown as a warning.
    Warning,
}

/// One look at the world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    pub status: Status,
    /// What was seen, in one clause: `HTTP 200 in 3 ms, status "ok"`.
    pub evidence: String,
    /// Facts (an exit, a full disk, a permission error) count at once.
    pub fact: bool,
    pub at: Now,
    pub took: Duration,
    /// A number worth a trend, e.g. free bytes, with its unit.
    pub measure: Option<Measure>,
}

/// A measured value with its base unit: `bytes`, `seconds`, `ratio`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Measure {
    pub value: f64,
    pub unit: String,
}

impl Eq for Measure {}

/// How many observations in a row it takes to change the verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thresholds {
    pub worsen: u32,
    pub improve: u32,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { worsen: 3, improve: 2 }
    }
}

/// A check's judged status and the run of observations that may change it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckState {
    pub status: Status,
    /// Since when `status` holds.
    pub since: Option<WallTime>,
    pub last: Option<Observation>,
    /// Observations in a row that disagree with `status` in the same direction.
    disagreeing: u32,
}

impl Default for CheckState {
    fn default() -> Self {
        Self { status: Status::Unknown, since: None, last: None, disagreeing: 0 }
    }
}

/// Folds one observation into the state: facts and the first answer count at once, the rest needs N in a row.
#[must_use]
pub fn observe(was: &CheckState, seen: Observation, thresholds: Thresholds) -> CheckState {
    let settled = was.status == seen.status;
    let same_direction =
        was.last.as_ref().is_some_and(|last| (last.status > was.status) == (seen.status > was.status));
    let disagreeing = match (settled, same_direction) {
        (true, _) => 0,
        (false, true) => was.disagreeing + 1,
        (false, false) => 1,
    };
    let needed = if seen.status > was.status { thresholds.worsen } else { thresholds.improve };
    let convinced = seen.fact || was.status == Status::Unknown || disagreeing >= needed;
    if settled || !convinced {
        return CheckState { last: Some(seen), disagreeing, ..was.clone() };
    }
    CheckState { status: seen.status, since: Some(seen.at.wall), last: Some(seen), disagreeing: 0 }
}
