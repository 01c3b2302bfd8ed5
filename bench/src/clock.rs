//! The clock that the probe reads too.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// A moment of `CLOCK_MONOTONIC`, nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub u64);

impl Moment {
    pub fn now() -> Self {
        let time = clock_gettime(ClockId::Monotonic);
        let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
        Self(seconds * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or_default())
    }

    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

#[expect(clippy::disallowed_methods, reason = "a measurement takes its time")]
pub fn pause(span: Duration) {
    std::thread::sleep(span);
}

/// Looks every few milliseconds whether `done`; false when that took longer than `limit`.
pub fn wait_until(limit: Duration, mut done: impl FnMut() -> bool) -> bool {
    let begun = Moment::now();
    while !done() {
        if Moment::now().since(begun) > limit {
            return false;
        }
        pause(Duration::from_millis(5));
    }
    true
}
