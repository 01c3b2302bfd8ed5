//! What every kind of check has in common.

use std::time::Duration;

use jiff::tz::TimeZone;
use steady_model::check::{Measure, Sample, Status};
use steady_model::latency::Slower;
use steady_model::time::WallTime;

/// What one look saw; the schedule adds when it was and how long it took.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    pub status: Status,
    /// One clause for people: `HTTP 200 in 3 ms, vault "ok"`.
    pub evidence: String,
    /// Counts at once (a full disk, a permission error).
    pub fact: bool,
    pub measure: Option<Measure>,
    /// What else it measured, for `/metrics`.
    pub samples: Vec<Sample>,
    /// What a person does about this very cause, as an imperative without a full stop. Else the kind says it.
    pub action: Option<String>,
}

impl Seen {
    pub fn new(status: Status, evidence: impl Into<String>) -> Self {
        Self {
            status,
            evidence: evidence.into(),
            fact: false,
            measure: None,
            samples: Vec::new(),
            action: None,
        }
    }

    pub fn fact(status: Status, evidence: impl Into<String>) -> Self {
        Self { fact: true, ..Self::new(status, evidence) }
    }

    /// What to do about it, where the kind of the check alone does not know.
    #[must_use]
    pub fn so(self, action: impl Into<String>) -> Self {
        Self { action: Some(action.into()), ..self }
    }

    #[must_use]
    pub fn measuring(self, value: f64, unit: &str) -> Self {
        Self { measure: Some(Measure { value, unit: unit.to_owned() }), ..self }
    }

    /// A pass becomes a warning when answers have become much slower.
    #[must_use]
    pub fn or_slower(self, slower: Option<Slower>) -> Self {
        match slower.filter(|_| self.status == Status::Pass) {
            Some(slower) => {
                Self { status: Status::Warn, evidence: format!("{}; {slower}", self.evidence), ..self }
            }
            None => self,
        }
    }
}

/// One kind of look. A probe belongs to one check and is never asked twice at once.
///
/// The schedule drops the future of a look that took too long, so what must outlive it lives in `self`.
pub trait Probe: Send + 'static {
    fn look(&mut self) -> impl Future<Output = Seen> + Send;

    /// What to say about a look that did not end within `timeout`.
    fn overdue(&self, timeout: Duration) -> Seen;
}

/// A moment as people read it, in the time of this machine: `2026-11-23 14:16:15`.
pub fn moment(at: WallTime) -> String {
    at.0.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// Foreign text as evidence: on one line, without what would move a terminal's cursor, at most so many characters.
pub fn one_line(text: &str, longest: usize) -> String {
    let clean = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut shown: String = clean.clone().take(longest).collect();
    if clean.count() > longest {
        shown.push('…');
    }
    shown
}
