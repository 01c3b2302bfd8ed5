//! Checks: what one observation says, and how many of them change a mind.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::{AwakeInstant, Now, WallTime};
use crate::words;

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

impl Severity {
    /// How a check of this severity is told.
    pub fn told(self, status: Status) -> Status {
        match (status, self) {
            (Status::Fail, Self::Warning) => Status::Warn,
            (status, _) => status,
        }
    }
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
    /// What else it measured, for `/metrics`.
    pub samples: Vec<Sample>,
    /// What a person does about it, where its cause is known; else its kind says it.
    pub action: Option<String>,
}

/// One value of a metric, e.g. `pkg_outbox_pending_events{event_type="chunk"} 3`. All are gauges.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Sample {
    /// As Prometheus wants it, with its base unit.
    pub metric: String,
    pub labels: std::collections::BTreeMap<String, String>,
    pub value: f64,
}

impl Eq for Sample {}

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

/// A check's judged status and the recent observations that may change it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckState {
    pub status: Status,
    /// Since when `status` holds.
    pub since: Option<WallTime>,
    pub last: Option<Observation>,
    /// The newest observed statuses, newest last; as many as the larger threshold asks for.
    recent: VecDeque<Status>,
}

impl Default for CheckState {
    fn default() -> Self {
        Self { status: Status::Unknown, since: None, last: None, recent: VecDeque::new() }
    }
}

/// Looks that may be missed before what was seen last counts for nothing.
const MISSED: u32 = 4;
/// No check is that quick to be forgotten.
const SHORTEST_MEMORY: Duration = Duration::from_secs(60);

impl CheckState {
    /// The machine slept: what was seen before is no run with what is seen after.
    pub fn woke(&mut self) {
        self.recent.clear();
    }

    /// How many more looks like the last one it takes until they count; `None` when that one counts already.
    pub fn held(&self, thresholds: Thresholds) -> Option<u32> {
        let last = self.last.as_ref()?.status;
        let needed = if last < self.status { thresholds.improve } else { thresholds.worsen };
        let alike = self.recent.iter().rev().take_while(|s| s.cmp(&&self.status) == last.cmp(&self.status));
        let alike = u32::try_from(alike.count()).unwrap_or(u32::MAX);
        (last != self.status).then(|| needed.saturating_sub(alike).max(1))
    }

    /// When what was seen last is too old to be believed; `None` before the first look. `rested` is until when
    /// nobody could look.
    pub fn expires(&self, probe: crate::config::Probe, rested: Option<AwakeInstant>) -> Option<AwakeInstant> {
        let last = self.last.as_ref()?.at.awake;
        let memory = probe.interval.saturating_mul(MISSED).saturating_add(probe.timeout).max(SHORTEST_MEMORY);
        Some(rested.map_or(last, |rested| rested.max(last)).after(memory))
    }
}

/// What a look is worth within `warm_up` (awake) of `begun`: trouble is not judged yet, unless it is a fact.
#[must_use]
pub fn while_warming(seen: Observation, begun: AwakeInstant, warm_up: Duration) -> Observation {
    let left = warm_up.saturating_sub(seen.at.awake.since(begun));
    if left.is_zero() || seen.fact || seen.status <= Status::Unknown {
        return seen;
    }
    let evidence = format!("{}; it may take {} more to warm up", seen.evidence, words::span(left));
    Observation { status: Status::Unknown, evidence, ..seen }
}

/// Folds one observation into the state: facts and the first answer count at once, the rest needs N in a row.
///
/// N in a row agree on the mildest change that all of them support: after two warnings and a failure a pass
/// becomes a warning, not a failure.
#[must_use]
pub fn observe(was: &CheckState, seen: Observation, thresholds: Thresholds) -> CheckState {
    let mut recent = was.recent.clone();
    recent.push_back(seen.status);
    let longest = newest(thresholds.worsen).max(newest(thresholds.improve));
    while recent.len() > longest {
        recent.pop_front();
    }
    let status = if seen.fact || was.status == Status::Unknown {
        seen.status
    } else {
        convinced(was.status, &recent, thresholds)
    };
    let since = if status == was.status { was.since.or(Some(seen.at.wall)) } else { Some(seen.at.wall) };
    CheckState { status, since, last: Some(seen), recent }
}

/// A threshold of zero asks for one observation all the same.
fn newest(threshold: u32) -> usize {
    usize::try_from(threshold).unwrap_or(usize::MAX).max(1)
}

fn convinced(was: Status, recent: &VecDeque<Status>, thresholds: Thresholds) -> Status {
    // Empty until there are enough of them.
    let run = |n: usize| recent.iter().rev().copied().take(if recent.len() < n { 0 } else { n });
    let at_least = run(newest(thresholds.worsen)).min();
    let at_most = run(newest(thresholds.improve)).max();
    match (at_least, at_most) {
        (Some(worse), _) if worse > was => worse,
        (_, Some(better)) if better < was => better,
        _ => was,
    }
}
