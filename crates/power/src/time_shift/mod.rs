//! The news that time made a jump: after a sleep, or because somebody set the clock.
//!
//! One file per system behind `Jumps`.

#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(target_os = "macos", path = "macos.rs")]
mod system;

use std::io;
use std::time::Duration;

use crate::WakeDetector;

/// What happened to time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeShift {
    /// The machine slept this long, and woke. The wall clock may have been set as well.
    Slept(Duration),
    /// The wall clock was set; awake time went on.
    ClockSet,
}

/// Watches for shifts, from its creation on.
pub struct TimeShifts {
    detector: WakeDetector,
    jumps: system::Jumps,
}

impl TimeShifts {
    /// Must be called within a tokio runtime.
    pub fn watch() -> io::Result<Self> {
        let jumps = system::Jumps::new()?;
        Ok(Self { detector: WakeDetector::new(steady_clock::asleep()), jumps })
    }

    /// The next shift: at once on Linux, within five seconds of awake time on macOS. Nothing is lost when it
    /// is cancelled.
    pub async fn next(&mut self) -> io::Result<TimeShift> {
        loop {
            let clock_set = self.jumps.next().await?;
            if let Some(slept) = self.detector.observe(steady_clock::asleep()) {
                return Ok(TimeShift::Slept(slept));
            }
            if clock_set {
                return Ok(TimeShift::ClockSet);
            }
        }
    }
}
