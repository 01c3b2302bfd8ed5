//! When to leave a failing service alone. Pure: times are durations since any fixed moment.

use std::time::Duration;

/// So many failures in a row open it.
const FAILURES: u32 = 3;
/// The first rest; each failed attempt after it doubles the next one.
const FIRST_REST: Duration = Duration::from_secs(5);
const LONGEST_REST: Duration = Duration::from_secs(300);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breaker {
    /// Calls go through.
    Closed { failures: u32 },
    /// No calls before `until`.
    Open { until: Duration, rest: Duration },
    /// One call is on its way to find out; no other before `until`, should that one never end.
    Trying { until: Duration, rest: Duration },
}

impl Default for Breaker {
    fn default() -> Self {
        Self::Closed { failures: 0 }
    }
}

impl Breaker {
    /// Whether a call may be made now, and the state when it is made.
    #[must_use]
    pub fn ask(self, now: Duration) -> (Self, bool) {
        match self {
            Self::Closed { .. } => (self, true),
            Self::Open { until, rest } | Self::Trying { until, rest } if now >= until => {
                (Self::Trying { until: now.saturating_add(rest), rest }, true)
            }
            Self::Open { .. } | Self::Trying { .. } => (self, false),
        }
    }

    /// One success is enough: what came before is forgotten.
    pub fn succeeded() -> Self {
        Self::default()
    }

    #[must_use]
    pub fn failed(self, now: Duration) -> Self {
        match self {
            Self::Closed { failures } if failures + 1 < FAILURES => Self::Closed { failures: failures + 1 },
            Self::Closed { .. } => Self::Open { until: now.saturating_add(FIRST_REST), rest: FIRST_REST },
            Self::Trying { rest, .. } => {
                let rest = rest.saturating_mul(2).min(LONGEST_REST);
                Self::Open { until: now.saturating_add(rest), rest }
            }
            // A call from before it opened: the rest has begun already.
            Self::Open { .. } => self,
        }
    }

    /// When the next call may be made, unless it may be made at once.
    pub fn closed_until(self) -> Option<Duration> {
        match self {
            Self::Closed { .. } => None,
            Self::Open { until, .. } | Self::Trying { until, .. } => Some(until),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn three_failures_open_it_one_call_tries_and_success_closes_it() {
        let open = Breaker::default().failed(at(0)).failed(at(1)).failed(at(2));
        assert_eq!(open, Breaker::Open { until: at(7), rest: at(5) });
        assert!(!open.ask(at(6)).1);
        let (trying, may) = open.ask(at(7));
        assert!(may && !trying.ask(at(8)).1, "only one call tries");
        assert!(trying.ask(at(12)).1, "a call that never ended does not keep it open for good");
        assert_eq!(trying.failed(at(8)), Breaker::Open { until: at(18), rest: at(10) });
        assert_eq!(Breaker::succeeded(), Breaker::Closed { failures: 0 });
        assert_eq!(Breaker::succeeded().failed(at(1)), Breaker::Closed { failures: 1 });
    }

    #[derive(Debug, Clone, Copy)]
    enum Step {
        Ask,
        Succeed,
        Fail,
        Wait(u64),
    }

    proptest! {
        /// Whatever happens: it never lets more than one call through per rest while open, and never shuts for good.
        #[test]
        fn it_neither_floods_a_dead_service_nor_forgets_a_living_one(
            steps in prop::collection::vec(prop_oneof![
                Just(Step::Ask), Just(Step::Succeed), Just(Step::Fail), (0..400_u64).prop_map(Step::Wait)
            ], 0..200)
        ) {
            let (mut breaker, mut now, mut failures, mut last_try) = (Breaker::default(), at(0), 0, None);
            for step in steps {
                match step {
                    Step::Wait(seconds) => now += at(seconds),
                    Step::Succeed => { breaker = Breaker::succeeded(); failures = 0; last_try = None; }
                    Step::Fail => { breaker = breaker.failed(now); failures += 1; }
                    Step::Ask => {
                        let (next, may) = breaker.ask(now);
                        prop_assert_eq!(may, breaker.closed_until().is_none_or(|until| now >= until));
                        if may && failures >= FAILURES {
                            prop_assert!(last_try.is_none_or(|last| now >= last + FIRST_REST));
                            last_try = Some(now);
                        }
                        breaker = next;
                    }
                }
                prop_assert!(failures >= FAILURES || breaker.closed_until().is_none());
                prop_assert!(breaker.closed_until().is_none_or(|until| until <= now + LONGEST_REST));
            }
        }
    }
}
