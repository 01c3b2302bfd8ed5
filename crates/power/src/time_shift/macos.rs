use std::io;
use std::time::Duration;

use steady_model::time::Now;
use tokio::time::{Interval, MissedTickBehavior, interval};

/// macOS tells a wake through a run loop of `IOKit` or through `notify(3)`, both out of reach without unsafe code;
/// so the clocks are read this often.
pub const DELAY: Duration = Duration::from_secs(5);
/// Slewing moves the clock by less in that time.
const JUMP: Duration = Duration::from_secs(2);

pub struct Jumps {
    ticks: Interval,
    last: (Now, Duration),
}

impl Jumps {
    #[expect(clippy::unnecessary_wraps, reason = "the other system's can fail")]
    pub fn new() -> io::Result<Self> {
        let mut ticks = interval(DELAY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self { ticks, last: read() })
    }

    /// Whether the wall clock was set since the last tick.
    pub async fn next(&mut self) -> io::Result<bool> {
        self.ticks.tick().await;
        let (then, asleep_then) = std::mem::replace(&mut self.last, read());
        let (now, asleep_now) = self.last;
        let passed = now.awake.since(then.awake) + asleep_now.saturating_sub(asleep_then);
        // `None` is a clock that was set back.
        Ok(now.wall.since(then.wall).is_none_or(|by_the_wall| by_the_wall.abs_diff(passed) >= JUMP))
    }
}

fn read() -> (Now, Duration) {
    (steady_clock::now(), steady_clock::asleep())
}
