//! The rate at which a copy may be sent.

use std::sync::Mutex;
use std::time::Duration;

use crate::clock::Stopwatch;

/// Bytes a second, shared by all that is sent at the same time.
pub(crate) struct Pace {
    rate: u64,
    begun: Stopwatch,
    /// When what was let through is over, since `begun`.
    free: Mutex<Duration>,
}

impl Pace {
    /// `rate` is in bytes a second.
    pub(crate) fn new(rate: u64) -> Self {
        Self { rate: rate.max(1), begun: Stopwatch::start(), free: Mutex::default() }
    }

    /// Lets these bytes through; they may be sent after the delay.
    pub(crate) fn admit(&self, bytes: u64) -> Duration {
        let now = self.begun.elapsed();
        let Ok(mut free) = self.free.lock() else { return Duration::ZERO };
        let (delay, over) = slot(*free, now, bytes, self.rate);
        *free = over;
        delay
    }
}

/// How long to wait when what is before is over at `free`, and when these bytes are over. Time that was not used is
/// lost: nothing is sent faster later.
fn slot(free: Duration, now: Duration, bytes: u64, rate: u64) -> (Duration, Duration) {
    let begin = free.max(now);
    let takes = Duration::from_nanos(bytes.saturating_mul(1_000_000_000) / rate);
    (begin.saturating_sub(now), begin.saturating_add(takes))
}

#[expect(clippy::disallowed_methods, reason = "the adapter of the pace, and of the tries again")]
pub(super) async fn wait(delay: Duration) {
    tokio::time::sleep(delay).await;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn never_is_more_sent_in_a_span_than_the_rate_allows_but_for_the_last_piece(
            pieces in proptest::collection::vec((1_u64..100_000, 0_u64..500), 1..50),
            rate in 10_000_u64..10_000_000,
        ) {
            let (mut free, mut now, mut sent) = (Duration::ZERO, Duration::ZERO, 0);
            for (bytes, pause) in pieces {
                now += Duration::from_millis(pause);
                let (delay, over) = slot(free, now, bytes, rate);
                now += delay;
                free = over;
                // What was sent before this piece fits into the time until it.
                let allowed = now.as_nanos() * u128::from(rate) / 1_000_000_000;
                prop_assert!(sent <= allowed + 1, "{sent} bytes in {now:?} at {rate}");
                sent += u128::from(bytes);
            }
        }
    }

    #[test]
    fn time_that_was_not_used_makes_nothing_faster_later() {
        let s = Duration::from_secs;
        assert_eq!(slot(s(0), s(0), 1000, 1000), (s(0), s(1)));
        assert_eq!(slot(s(1), s(0), 1000, 1000), (s(1), s(2)));
        assert_eq!(slot(s(2), s(100), 1000, 1000), (s(0), s(101)));
    }
}
