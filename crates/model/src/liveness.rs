//! When a running service that fails its check is restarted.
//!
//! A check that fails says that something is wrong, not that a restart mends it: so N in a row, not while
//! the service begins, not while the machine has just woken, and not while a job keeps the service busy.

use std::time::Duration;

use crate::check::Status;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Liveness {
    /// The check that is asked.
    pub check: String,
    /// Failures in a row.
    pub failures: u32,
    /// Not judged for this long (awake) after the service became ready.
    pub grace: Duration,
}

/// What excuses a failed look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Circumstances {
    /// For how long the service has been ready; `None` when it is not.
    pub ready_for: Option<Duration>,
    /// A job that marks the service busy is running.
    pub busy: bool,
    /// The machine woke a moment ago.
    pub settling: bool,
}

/// Folds one look into the count of failures in a row; `true` asks for the restart, and counts anew.
///
/// Unknown and warnings neither count nor excuse what was counted.
pub fn observe(policy: &Liveness, failed: u32, seen: Status, at: Circumstances) -> (u32, bool) {
    let in_grace = at.ready_for.is_none_or(|ready| ready < policy.grace);
    if in_grace || at.busy || at.settling || seen == Status::Pass {
        return (0, false);
    }
    if seen != Status::Fail {
        return (failed, false);
    }
    let failed = failed.saturating_add(1);
    if failed >= policy.failures.max(1) { (0, true) } else { (failed, false) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> Liveness {
        Liveness { check: "health".into(), failures: 3, grace: Duration::from_secs(30) }
    }

    fn serving() -> Circumstances {
        Circumstances { ready_for: Some(Duration::from_secs(60)), ..Circumstances::default() }
    }

    fn restarts(looks: &[Status], at: Circumstances) -> usize {
        let fold = |(failed, restarts), seen: &Status| {
            let (failed, restart) = observe(&policy(), failed, *seen, at);
            (failed, restarts + usize::from(restart))
        };
        looks.iter().fold((0, 0), fold).1
    }

    #[test]
    fn only_failures_in_a_row_restart_a_service() {
        use Status::{Fail, Pass, Unknown, Warn};
        assert_eq!(restarts(&[Fail, Fail, Pass, Fail, Fail], serving()), 0);
        assert_eq!(restarts(&[Fail, Fail, Fail], serving()), 1);
        assert_eq!(restarts(&[Fail, Warn, Fail, Unknown, Fail], serving()), 1);
        assert_eq!(restarts(&[Fail; 7], serving()), 2);
        assert_eq!(restarts(&[Warn; 9], serving()), 0);
    }

    #[test]
    fn a_service_that_begins_or_is_busy_or_has_just_woken_is_left_alone() {
        let young = Circumstances { ready_for: Some(Duration::from_secs(29)), ..serving() };
        let down = Circumstances { ready_for: None, ..serving() };
        let busy = Circumstances { busy: true, ..serving() };
        let woken = Circumstances { settling: true, ..serving() };
        for excuse in [young, down, busy, woken] {
            assert_eq!(restarts(&[Status::Fail; 9], excuse), 0, "{excuse:?}");
        }
    }
}
