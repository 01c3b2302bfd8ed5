use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use steady_model::time::AwakeInstant;

/// `CLOCK_MONOTONIC`, which stops during suspend (unlike `CLOCK_BOOTTIME`).
pub fn read() -> AwakeInstant {
    AwakeInstant::since_boot(of(ClockId::Monotonic))
}

/// The two clocks differ by nothing else: both are slewed alike.
pub fn asleep() -> Duration {
    let awake = of(ClockId::Monotonic);
    of(ClockId::Boottime).saturating_sub(awake)
}

fn of(clock: ClockId) -> Duration {
    let t = clock_gettime(clock);
    let seconds = u64::try_from(t.tv_sec).unwrap_or_default();
    let nanos = u32::try_from(t.tv_nsec).unwrap_or_default();
    Duration::new(seconds, nanos)
}
