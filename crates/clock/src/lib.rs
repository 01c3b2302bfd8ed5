//! The one place that reads the clocks.
//!
//! Owns the reading of awake time and wall time, together. Must never sleep, and never decide anything:
//! policies get a [`Now`] as an argument.

#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(target_os = "macos", path = "macos.rs")]
mod awake;

use steady_model::time::{Now, WallTime};

/// Both clocks, read together.
///
/// Awake time comes from the clock that tokio's timers and `std::time::Instant` run on, on both systems,
/// so that a timer set for an [`AwakeInstant`](steady_model::time::AwakeInstant) is due by it too.
#[expect(clippy::disallowed_methods, reason = "this is the adapter")]
pub fn now() -> Now {
    Now { awake: awake::read(), wall: WallTime(jiff::Timestamp::now()) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    #[test]
    fn awake_time_keeps_pace_with_the_clock_that_timers_run_on() {
        let before = super::now();
        let (done, wait) = std::sync::mpsc::channel::<()>();
        // A timeout is a sleep on the monotonic clock that ends no earlier than asked.
        let _ = wait.recv_timeout(Duration::from_millis(20));
        drop(done);
        let after = super::now();
        let awake = after.awake.since(before.awake);
        assert!(awake >= Duration::from_millis(20), "{awake:?}");
        assert!(awake < Duration::from_secs(20), "{awake:?}");
        assert!(after.wall >= before.wall);
    }
}
