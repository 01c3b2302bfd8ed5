//! After a wake: nothing gets worse until everything has been looked at again.
//!
//! Networks, volumes and databases need a while to come back; what is seen of them meanwhile is no news.

use std::time::Duration;

use crate::check::{Observation, Status};
use crate::time::AwakeInstant;

/// Whether the machine has just woken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Settle {
    /// When the last settling ends or ended; `None` before the first sleep.
    until: Option<AwakeInstant>,
}

impl Settle {
    /// The machine woke at `now`. A wake while settling begins it anew.
    #[must_use]
    pub fn woke(self, now: AwakeInstant, settle: Duration) -> Self {
        Self { until: self.until.max(Some(now.after(settle))) }
    }

    /// How long it still takes; `None` when things have settled.
    pub fn left(self, now: AwakeInstant) -> Option<Duration> {
        self.until.map(|until| until.since(now)).filter(|left| !left.is_zero())
    }

    /// When the last settling ended or will: until then nobody could be asked to look.
    pub fn ends(self) -> Option<AwakeInstant> {
        self.until
    }

    /// Whether a look may change a status. One that began while things settle may improve it, and facts count.
    pub fn admits(self, was: Status, seen: &Observation) -> bool {
        let Some(until) = self.until else { return true };
        let began_after = seen.at.awake >= until && seen.at.awake.since(until) >= seen.took;
        began_after || seen.fact || seen.status <= was
    }
}
