//! The one place that reads the clocks.
//!
//! Owns the reading of awake time and wall time, together, and of the time spent asleep. Must never sleep, and never decide anything:
//! policies get a [`Now`] as an argument.

#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(target_os = "macos", path = "macos.rs")]
mod awake;

use std::time::Duration;

use steady_model::time::{Now, WallTime};

/// Both clocks, read together.
///
/// Awake time comes from the clock that tokio's timers and `std::time::Instant` run on, on both systems,
/// so that a timer set for an [`AwakeInstant`](steady_model::time::AwakeInstant) is due by it too.
#[expect(clippy::disallowed_methods, reason = "this is the adapter")]
pub fn now() -> Now {
    Now { awake: awake::read(), wall: WallTime(jiff::Timestamp::now()) }
}

/// How long the machine has slept since it booted; grows by each sleep, and by nothing else.
///
/// Two clocks are read for it, one after the other: it may be some microseconds off in both directions.
pub fn asleep() -> Duration {
    awake::asleep()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    #[test]
    fn time_asleep_stands_still_while_awake_and_is_no_more_than_the_time_since_boot() {
        let first = super::asleep();
        for _ in 0..1000 {
            let off = super::asleep().abs_diff(first);
            // A sleep of this machine right here is the only other cause.
            assert!(off < Duration::from_millis(50), "{off:?}");
        }
        #[cfg(target_os = "linux")]
        {
            let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
            let uptime = uptime.split(' ').next().unwrap().parse().map(Duration::from_secs_f64).unwrap();
            let awake = super::now().awake.since(steady_model::time::AwakeInstant::default());
            assert!(
                (first + awake).abs_diff(uptime) < Duration::from_secs(20),
                "{first:?} {awake:?} {uptime:?}"
            );
        }
    }

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
