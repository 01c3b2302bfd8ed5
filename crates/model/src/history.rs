//! What was, as intervals of states: for `GET /api/v1/history`, the panel and the command line.

use serde::{Deserialize, Serialize};

use crate::check::Status;
use crate::time::WallTime;

/// The state of something over a stretch of time; `Asleep` is the machine's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Lived {
    Pass,
    /// Not known, also because Steady did not run.
    Unknown,
    Warn,
    Fail,
    Asleep,
}

impl From<Status> for Lived {
    fn from(status: Status) -> Self {
        match status {
            Status::Pass => Self::Pass,
            Status::Unknown => Self::Unknown,
            Status::Warn => Self::Warn,
            Status::Fail => Self::Fail,
        }
    }
}

/// One state from its beginning to its end. Never of negative length; they may overlap where the clock was set
/// back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Interval {
    /// `overall`, `backup`, `service:NAME`, `check:NAME` or `job:NAME`.
    pub subject: String,
    pub status: Lived,
    pub from: WallTime,
    /// `None` while it lasts.
    pub to: Option<WallTime>,
    /// What was said when it began.
    pub sentence: String,
}

/// Which history is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct HistoryQuery {
    /// `overall` unless told; `backup`, `service:NAME`, `check:NAME`, `job:NAME`, or a NAME that only one has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// What lasted after this: `2h`, `06:10`, `2026-11-23T06:00`; local time unless it has an offset. A week ago
    /// unless told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// What began before this, likewise; now unless told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// At most this many changes, the newest: 500 unless told, at most 5000. Sleeps are not counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// One subject's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct HistoryPage {
    pub subject: String,
    /// Newest first.
    pub intervals: Vec<Interval>,
    /// There is more: ask again with this as `until`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earlier: Option<WallTime>,
    /// All that have a history.
    pub subjects: Vec<String>,
}

/// A stretch of time in which nothing could be observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    pub cause: Absence,
    pub from: WallTime,
    pub to: WallTime,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absence {
    Asleep,
    /// No agent ran.
    Away,
}

impl Gap {
    fn interval(self, subject: &str) -> Interval {
        let (status, sentence) = match self.cause {
            Absence::Asleep => (Lived::Asleep, "the machine slept"),
            Absence::Away => (Lived::Unknown, "Steady did not run"),
        };
        Interval {
            subject: subject.to_owned(),
            status,
            from: self.from,
            to: Some(self.to),
            sentence: sentence.to_owned(),
        }
    }
}

/// Cuts the gaps out of what one subject lived through, and puts them in between. Newest first.
pub fn lay_over(subject: &str, lived: &[Interval], gaps: &[Gap]) -> Vec<Interval> {
    let mut gaps: Vec<Gap> = gaps.iter().copied().filter(|gap| gap.from < gap.to).collect();
    gaps.sort_by_key(|gap| gap.from);
    let mut all: Vec<Interval> = lived.iter().flat_map(|interval| without(interval, &gaps)).collect();
    all.extend(gaps.iter().map(|gap| gap.interval(subject)));
    // What lasts is the newest, also where the clock says that it began before other things.
    all.sort_by_key(|interval| std::cmp::Reverse((interval.to.is_none(), interval.from)));
    all
}

/// `gaps` by their beginning.
fn without(interval: &Interval, gaps: &[Gap]) -> Vec<Interval> {
    let mut pieces = Vec::new();
    let mut from = interval.from;
    for gap in gaps.iter().filter(|gap| gap.to > interval.from && interval.to.is_none_or(|to| gap.from < to))
    {
        if gap.from > from {
            pieces.push(Interval { from, to: Some(gap.from), ..interval.clone() });
        }
        from = from.max(gap.to);
    }
    if interval.to.is_none_or(|to| from < to) {
        pieces.push(Interval { from, ..interval.clone() });
    }
    pieces
}
