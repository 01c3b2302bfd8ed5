use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use steady_model::time::AwakeInstant;

/// `CLOCK_UPTIME_RAW`, which stops during sleep. macOS's `CLOCK_MONOTONIC` does not.
pub fn read() -> AwakeInstant {
    let clock = ClockId::from_raw(nix::libc::CLOCK_UPTIME_RAW);
    // The clock exists since macOS 10.12; reading it cannot fail.
    let awake = clock_gettime(clock).map_or(Duration::ZERO, Duration::from);
    AwakeInstant::since_boot(awake)
}
