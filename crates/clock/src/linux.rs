use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use steady_model::time::AwakeInstant;

/// `CLOCK_MONOTONIC`, which stops during suspend (unlike `CLOCK_BOOTTIME`).
pub fn read() -> AwakeInstant {
    let t = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(t.tv_sec).unwrap_or_default();
    let nanos = u32::try_from(t.tv_nsec).unwrap_or_default();
    AwakeInstant::since_boot(Duration::new(seconds, nanos))
}
