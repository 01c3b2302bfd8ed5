//! The crate's only clock reads.

use std::time::{Duration, Instant};

use jiff::{Timestamp, Zoned};

#[expect(clippy::disallowed_methods, reason = "the one adapter which reads the wall clock")]
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// The wall clock in the machine's zone: what people read in logs and markers.
#[expect(clippy::disallowed_methods, reason = "the one adapter which reads the wall clock")]
pub fn local_now() -> Zoned {
    Zoned::now()
}

/// Measures how long something took; not affected by a change of the wall clock.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    #[expect(clippy::disallowed_methods, reason = "the one adapter which reads the monotonic clock")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }

    pub fn millis(self) -> u64 {
        u64::try_from(self.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// Lets other tasks run for so long; timers do not advance while the machine sleeps.
#[expect(clippy::disallowed_methods, reason = "the one adapter which sleeps")]
pub async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}
