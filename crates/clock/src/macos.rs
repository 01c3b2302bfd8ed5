use std::time::Duration;

use nix::libc;
use nix::time::{ClockId, clock_gettime};
use steady_model::time::AwakeInstant;

/// `CLOCK_UPTIME_RAW`, which stops during sleep. macOS's `CLOCK_MONOTONIC` does not.
pub fn read() -> AwakeInstant {
    AwakeInstant::since_boot(of(libc::CLOCK_UPTIME_RAW))
}

/// `CLOCK_MONOTONIC_RAW` goes on during sleep. Both are raw, so that no slewing comes between them.
pub fn asleep() -> Duration {
    let awake = of(libc::CLOCK_UPTIME_RAW);
    of(libc::CLOCK_MONOTONIC_RAW).saturating_sub(awake)
}

fn of(clock: libc::clockid_t) -> Duration {
    // Both clocks exist since macOS 10.12; reading one cannot fail.
    clock_gettime(ClockId::from_raw(clock)).map_or(Duration::ZERO, Duration::from)
}
