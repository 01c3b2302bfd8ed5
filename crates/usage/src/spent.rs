//! CPU time that was spent between two looks. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::Process;

/// The CPU time of each process, by pid and start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counted(BTreeMap<(u32, u64), Spent>);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Spent {
    own: Duration,
    children: Duration,
}

impl Counted {
    pub fn of<'a>(processes: impl IntoIterator<Item = &'a Process>) -> Self {
        let spent = |p: &Process| Spent { own: p.own, children: p.children };
        Self(processes.into_iter().map(|p| ((p.id.pid, p.id.started), spent(p))).collect())
    }

    pub fn total(&self) -> Duration {
        self.0.values().map(|spent| spent.own.saturating_add(spent.children)).sum()
    }

    /// What was spent since `before`, at least.
    ///
    /// A process that ends hands its whole time to the parent that sees its end, also the part that was counted at
    /// the last look: that part is taken off. When nobody of the group sees its end, its time since the last look
    /// is lost.
    pub fn since(&self, before: &Self) -> Duration {
        let (mut own, mut handed) = (Duration::ZERO, Duration::ZERO);
        for (process, spent) in &self.0 {
            let then = before.0.get(process).copied().unwrap_or_default();
            own += spent.own.saturating_sub(then.own);
            handed += spent.children.saturating_sub(then.children);
        }
        let gone = before.0.iter().filter(|(process, _)| !self.0.contains_key(process));
        let counted: Duration = gone.map(|(_, spent)| spent.own.saturating_add(spent.children)).sum();
        own.saturating_add(handed.saturating_sub(counted))
    }
}

/// Thousandths of one core; `None` when no time has passed.
pub fn permille(spent: Duration, passed: Duration) -> Option<u32> {
    let permille = spent.as_micros().saturating_mul(1000).checked_div(passed.as_micros())?;
    Some(u32::try_from(permille).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn counted(processes: &[(u32, u32, u32)]) -> Counted {
        let spent = |own: u32, children: u32| Spent { own: own * MS, children: children * MS };
        Counted(processes.iter().map(|(pid, own, children)| ((*pid, 0), spent(*own, *children))).collect())
    }

    #[test]
    fn living_new_and_ended_processes_count_for_what_they_did_since() {
        let before = counted(&[(1, 100, 0), (2, 50, 0)]);
        assert_eq!(counted(&[(1, 110, 0), (2, 55, 0)]).since(&before), 15 * MS);
        assert_eq!(counted(&[(1, 110, 0), (2, 55, 0), (3, 7, 0)]).since(&before), 22 * MS);
        // 2 did 20 more and ended, and 1 saw it; a short one came and went in between with 30.
        assert_eq!(counted(&[(1, 110, 70)]).since(&before), 30 * MS);
        assert_eq!(counted(&[(1, 110, 100)]).since(&before), 60 * MS);
        // 2 ended and nobody of the group saw it.
        assert_eq!(counted(&[(1, 110, 0)]).since(&before), 10 * MS);
        assert_eq!(before.since(&before), Duration::ZERO);
    }

    #[test]
    fn a_rate_is_of_one_core_and_needs_time_to_pass() {
        assert_eq!(permille(500 * MS, 1000 * MS), Some(500));
        assert_eq!(permille(4000 * MS, 1000 * MS), Some(4000));
        assert_eq!(permille(MS, Duration::ZERO), None);
    }
}
