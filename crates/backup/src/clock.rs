//! Measuring and waiting; the wall clock is read by `steady_clock`.

use std::time::{Duration, Instant};

/// A moment to measure from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    #[expect(clippy::disallowed_methods, reason = "the adapter of the monotonic clock")]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// Waits before a busy database is tried again: SQLite has no event for a lock that was released.
#[expect(clippy::disallowed_methods, reason = "the adapter of the back-off")]
pub(crate) fn back_off(delay: Duration) {
    std::thread::sleep(delay);
}
