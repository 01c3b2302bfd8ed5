//! Timers of the adapter. They run on awake time, so that a job's timeout does not end while the machine sleeps.

use std::time::Duration;

use tokio::time::Instant;

/// Far enough to never come.
const NEVER: Duration = Duration::from_secs(10 * 365 * 86_400);

/// The moment `after` from now.
#[expect(clippy::disallowed_methods, reason = "this is the adapter")]
pub fn deadline(after: Duration) -> Instant {
    Instant::now() + after.min(NEVER)
}

pub async fn pause(length: Duration) {
    tokio::time::sleep_until(deadline(length)).await;
}
