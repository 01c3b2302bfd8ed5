//! How fast a service is tried again, and when it counts as stable.

use std::time::Duration;

/// Exits within this much awake time count towards a crash loop.
pub const CRASH_WINDOW: Duration = Duration::from_secs(120);
/// This many unexpected exits within [`CRASH_WINDOW`] are a crash loop.
pub const CRASH_LIMIT: usize = 5;
/// How often a crash-looping service is tried again.
pub const SLOW_LANE: Duration = Duration::from_secs(300);
/// Ready for this long, and the streak of exits is forgotten.
pub const STABLE_AFTER: Duration = Duration::from_secs(60);
pub const BACKOFF_FIRST: Duration = Duration::from_secs(1);
pub const BACKOFF_MAX: Duration = Duration::from_secs(60);
/// Jitter on each backoff, as a share of it in both directions.
pub const BACKOFF_JITTER: f64 = 0.2;
/// A group that outlived KILL (uninterruptible sleep) is killed again this often.
pub const KILL_AGAIN: Duration = Duration::from_secs(5);

/// The wait before the respawn after the `streak`-th unexpected exit; `None` is at once.
pub fn backoff(streak: u32, dice: f64) -> Option<Duration> {
    let doublings = streak.checked_sub(2)?.min(16);
    let base = BACKOFF_FIRST.saturating_mul(1 << doublings).min(BACKOFF_MAX);
    let spread = 1.0 + BACKOFF_JITTER * (2.0 * dice.clamp(0.0, 1.0) - 1.0);
    Some(base.mul_f64(spread))
}
