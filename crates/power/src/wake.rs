//! Telling a sleep from noise. Pure.

use std::time::Duration;

/// A shorter sleep breaks no connection and misses no schedule worth the name.
pub const THRESHOLD: Duration = Duration::from_secs(5);

/// Compares readings of the time spent asleep since boot (`steady_clock::asleep`).
///
/// Cheap enough to be asked before every verdict, so that none is spoken on what was seen before a sleep.
#[derive(Debug, Clone)]
pub struct WakeDetector {
    told: Duration,
}

impl WakeDetector {
    pub fn new(asleep: Duration) -> Self {
        Self { told: asleep }
    }

    /// How long the machine has slept since that was last told, once that is [`THRESHOLD`] or more.
    pub fn observe(&mut self, asleep: Duration) -> Option<Duration> {
        let slept = asleep.saturating_sub(self.told);
        if slept < THRESHOLD {
            return None;
        }
        self.told = asleep;
        Some(slept)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn a_sleep_is_told_once_and_noise_never() {
        let mut detector = WakeDetector::new(100 * S);
        assert_eq!(detector.observe(100 * S), None);
        assert_eq!(detector.observe(100 * S + Duration::from_micros(7)), None);
        assert_eq!(detector.observe(Duration::from_micros(99_999_993)), None);
        assert_eq!(detector.observe(3700 * S), Some(3600 * S));
        assert_eq!(detector.observe(3700 * S), None);
    }

    #[test]
    fn naps_add_up() {
        let mut detector = WakeDetector::new(Duration::ZERO);
        assert_eq!(detector.observe(3 * S), None);
        assert_eq!(detector.observe(6 * S), Some(6 * S));
    }

    proptest! {
        #[test]
        fn all_sleep_is_told_but_for_less_than_the_threshold(naps in prop::collection::vec(0..20_000_u64, 0..50)) {
            let (mut detector, mut asleep, mut told) = (WakeDetector::new(Duration::ZERO), Duration::ZERO, Duration::ZERO);
            for nap in naps {
                asleep += Duration::from_millis(nap);
                told += detector.observe(asleep).unwrap_or_default();
                prop_assert!(told <= asleep && asleep.abs_diff(told) < THRESHOLD);
            }
        }
    }
}
