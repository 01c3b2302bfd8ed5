//! Count: a number that must not collapse. What it was is remembered in memory only: an agent that starts learns anew.

use std::collections::VecDeque;
use std::time::Duration;

use steady_model::check::Status;
use steady_model::config::Count;
use steady_model::words;

use crate::number::{Number, shown};
use crate::probe::{Probe, Seen};

/// Looks that are compared with: a day at the usual interval. Who deletes on purpose is believed after that.
const REMEMBERED: usize = 1440;

pub struct CountProbe {
    number: Number,
    history: History,
}

impl CountProbe {
    pub fn new(count: Count, collapse: f64) -> Self {
        Self { number: Number::new(count), history: History::new(collapse) }
    }
}

impl Probe for CountProbe {
    async fn look(&mut self) -> Seen {
        match self.number.read().await {
            Ok(number) => self.history.judge(number),
            // What cannot be counted has not collapsed; the check of the database itself says what is wrong.
            Err(e) => Seen::new(Status::Unknown, format!("it cannot be counted: {e}"))
                .so("See whether the database answers, and correct the query in steady.toml"),
        }
    }

    fn overdue(&self, timeout: Duration) -> Seen {
        Seen::new(Status::Unknown, format!("it was not counted within {}", words::span(timeout)))
    }
}

/// A number's recent past.
struct History {
    collapse: f64,
    recent: VecDeque<f64>,
    ever: f64,
}

impl History {
    fn new(collapse: f64) -> Self {
        Self { collapse, recent: VecDeque::new(), ever: 0.0 }
    }

    fn judge(&mut self, number: f64) -> Seen {
        let highest = self.recent.iter().copied().fold(0.0, f64::max);
        self.recent.push_back(number);
        if self.recent.len() > REMEMBERED {
            self.recent.pop_front();
        }
        self.ever = self.ever.max(number);
        let told = format!("counted {}", shown(number));
        // Nothing at all is never believed.
        let seen = if number <= 0.0 && self.ever > 0.0 {
            Seen::new(Status::Fail, format!("{told}; it was {}", shown(self.ever.max(highest))))
        } else if highest > 0.0 && (highest - number) / highest > self.collapse {
            let fallen = 100.0 * (highest - number) / highest;
            let high = shown(highest);
            Seen::new(Status::Fail, format!("{told}, {fallen:.0} % less than the {high} that it was"))
        } else if highest > number {
            Seen::new(Status::Pass, format!("{told}, of {} at most", shown(highest)))
        } else {
            Seen::new(Status::Pass, told)
        };
        seen.measuring(number, "count")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_fall_to_nothing_or_by_more_than_the_share_fails_until_it_has_grown_back() {
        let mut history = History::new(0.5);
        for (number, status) in [
            (180.0, Status::Pass),
            (90.0, Status::Pass),
            (89.0, Status::Fail),
            (0.0, Status::Fail),
            (40.0, Status::Fail),
            (95.0, Status::Pass),
            (400.0, Status::Pass),
            (180.0, Status::Fail),
        ] {
            let seen = history.judge(number);
            assert_eq!(seen.status, status, "{number}: {seen:?}");
            assert!((seen.measure.unwrap().value - number).abs() < f64::EPSILON);
        }
        assert_eq!(history.judge(100.0).evidence, "counted 100, 75 % less than the 400 that it was");
    }

    #[test]
    fn nothing_is_no_collapse_where_there_never_was_something() {
        assert_eq!(History::new(0.5).judge(0.0).status, Status::Pass);
    }

    #[test]
    fn a_smaller_number_is_believed_after_a_day_but_nothing_at_all_never() {
        let after_a_day = |number: f64| {
            let mut history = History::new(0.5);
            history.judge(100.0);
            for _ in 0..REMEMBERED {
                history.judge(number);
            }
            history.judge(number).status
        };
        assert_eq!(after_a_day(10.0), Status::Pass);
        assert_eq!(after_a_day(0.0), Status::Fail);
    }

    proptest! {
        #[test]
        fn what_only_grows_never_fails(mut numbers in prop::collection::vec(0u32..1_000_000, 1..50)) {
            numbers.sort_unstable();
            let mut history = History::new(0.3);
            for number in numbers {
                prop_assert_eq!(history.judge(f64::from(number)).status, Status::Pass);
            }
        }

        #[test]
        fn a_fall_beyond_the_share_always_fails(high in 10u32..1_000_000, share in 0.1f64..0.9) {
            let mut history = History::new(share);
            history.judge(f64::from(high));
            let low = f64::from(high) * (1.0 - share) * 0.99;
            prop_assert_eq!(history.judge(low).status, Status::Fail);
        }
    }
}
