//! How fast long work is, and how long it may still take.

use std::time::Duration;

use crate::time::AwakeInstant;

/// Nothing is told of the first moments: what begins says little of what comes.
const WARM_UP: Duration = Duration::from_secs(2);
/// How long what was measured counts: two thirds of it are forgotten after this.
const MEMORY: Duration = Duration::from_secs(6);
/// Closer looks are taken together; between them lies no more than a few packets.
const APART: Duration = Duration::from_millis(250);
/// Longer than this is no forecast.
const AT_MOST: Duration = Duration::from_hours(7 * 24);

/// The speed of one phase of work, smoothed. Work that stands still becomes slow, and its end unknown.
#[derive(Debug, Clone, PartialEq)]
pub struct Speed {
    began: AwakeInstant,
    looked: AwakeInstant,
    done: u64,
    /// Bytes a second.
    rate: Option<f64>,
}

impl Speed {
    /// `done` is what counts as done already.
    pub fn begin(done: u64, now: AwakeInstant) -> Self {
        Self { began: now, looked: now, done, rate: None }
    }

    /// `done` bytes are done by now; fewer than before is a new beginning.
    pub fn note(&mut self, done: u64, now: AwakeInstant) {
        if done < self.done {
            *self = Self::begin(done, now);
            return;
        }
        let span = now.since(self.looked);
        if span < APART {
            return;
        }
        #[expect(clippy::cast_precision_loss, reason = "a speed is shown with one decimal")]
        let newest = (done - self.done) as f64 / span.as_secs_f64();
        let forgotten = 1.0 - (-span.as_secs_f64() / MEMORY.as_secs_f64()).exp();
        self.rate = Some(self.rate.map_or(newest, |rate| rate + forgotten * (newest - rate)));
        (self.looked, self.done) = (now, done);
    }

    /// Bytes a second; `None` while it is not known, or when nothing moves.
    pub fn rate(&self) -> Option<u64> {
        let known = self.looked.since(self.began) >= WARM_UP;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a float's cast saturates"
        )]
        self.rate.filter(|_| known).map(|rate| rate.round() as u64).filter(|rate| *rate > 0)
    }

    /// How long the rest of `total` bytes takes at this speed; `None` while that is not known.
    pub fn remaining(&self, total: u64) -> Option<Duration> {
        let left = total.checked_sub(self.done).filter(|_| total > 0)?;
        let span = Duration::from_secs(left.div_ceil(self.rate()?));
        (span <= AT_MOST).then_some(span)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MB: u64 = 1_000_000;

    fn at(ms: u64) -> AwakeInstant {
        AwakeInstant::since_boot(Duration::from_millis(10_000 + ms))
    }

    /// Looked at every `every` ms while `per_second` bytes a second are done, for `seconds`.
    fn steady(per_second: u64, every: u64, seconds: u64) -> Speed {
        let mut speed = Speed::begin(0, at(0));
        for ms in (0..=seconds * 1000).step_by(usize::try_from(every).unwrap()) {
            speed.note(per_second * ms / 1000, at(ms));
        }
        speed
    }

    #[test]
    fn nothing_is_told_at_the_beginning() {
        let speed = steady(100 * MB, 200, 1);
        assert_eq!((speed.rate(), speed.remaining(1000 * MB)), (None, None));
        assert!(steady(100 * MB, 200, 3).rate().is_some());
    }

    #[test]
    fn work_at_one_pace_is_told_as_it_is() {
        let speed = steady(100 * MB, 200, 10);
        assert_eq!(speed.rate(), Some(100 * MB));
        assert_eq!(speed.remaining(4000 * MB), Some(Duration::from_secs(30)));
        assert_eq!(speed.remaining(1000 * MB), Some(Duration::ZERO), "all of it is done");
        assert_eq!(speed.remaining(0), None, "the whole is not known");
        assert_eq!(speed.remaining(999 * MB), None, "more than the whole is done: the whole is not known");
    }

    #[test]
    fn a_pause_and_a_burst_are_smoothed() {
        let mut speed = steady(100 * MB, 200, 10);
        speed.note(1000 * MB, at(11_000));
        let paused = speed.rate().unwrap();
        assert!((70 * MB..95 * MB).contains(&paused), "{paused}");
        speed.note(1600 * MB, at(12_000));
        let burst = speed.rate().unwrap();
        assert!((paused..250 * MB).contains(&burst), "{burst}");
    }

    #[test]
    fn work_that_stands_still_has_no_speed_and_no_end_before_long() {
        let mut speed = steady(100 * MB, 200, 10);
        for second in 11..200 {
            speed.note(1000 * MB, at(second * 1000));
        }
        assert_eq!((speed.rate(), speed.remaining(4000 * MB)), (None, None));
    }

    #[test]
    fn what_would_take_weeks_is_not_forecast() {
        assert_eq!(steady(10, 500, 10).remaining(100_000 * MB), None);
    }

    proptest! {
        #[test]
        fn the_speed_lies_between_the_slowest_and_the_fastest_that_was_seen(
            steps in prop::collection::vec((250_u64..5000, 0..1000 * MB), 1..60),
        ) {
            let mut speed = Speed::begin(0, at(0));
            let (mut ms, mut done, mut slowest, mut fastest) = (0, 0, u64::MAX, 0);
            for (span, bytes) in steps {
                (ms, done) = (ms + span, done + bytes);
                speed.note(done, at(ms));
                slowest = slowest.min(bytes * 1000 / span);
                fastest = fastest.max(bytes * 1000 / span + 1);
                if let Some(rate) = speed.rate() {
                    prop_assert!((slowest..=fastest + 1).contains(&rate), "{slowest}..{fastest}: {rate}");
                    prop_assert!(speed.remaining(done) == Some(Duration::ZERO));
                }
            }
        }
    }
}
