//! A pause for output that trickles fast.
//!
//! A service that writes each line by itself would wake the sink for every one of them, and a wake costs more
//! than a line. So when little was moved a moment after the last time, the sink lets some more gather in the
//! FIFOs before it looks again. A line after a silence is written at once.

use std::time::Duration;

use steady_model::time::AwakeInstant;

/// A round that moves less than this did not pay, bytes.
pub const LITTLE: usize = 32 << 10;
/// Rounds that follow each other faster than this are a trickle.
const SOON: Duration = Duration::from_millis(3);
/// Long enough for a thousand lines, and too short for a widened FIFO to fill.
pub const PAUSE: Duration = Duration::from_millis(1);

#[derive(Debug, Default)]
pub struct Breath {
    last: AwakeInstant,
}

impl Breath {
    /// Whether to pause after a round that moved so many bytes.
    pub fn is_due(&mut self, moved: usize, now: AwakeInstant) -> bool {
        if moved == 0 {
            return false;
        }
        let trickles = moved < LITTLE && now.since(self.last) < SOON;
        self.last = now;
        trickles
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the pause")]
pub fn pause() {
    std::thread::sleep(PAUSE);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: u64) -> AwakeInstant {
        AwakeInstant::since_boot(Duration::from_micros(micros))
    }

    #[test]
    fn only_a_trickle_waits() {
        let mut breath = Breath::default();
        assert!(!breath.is_due(100, at(1_000_000)), "a line after a silence is written at once");
        assert!(breath.is_due(100, at(1_000_100)));
        assert!(!breath.is_due(0, at(1_000_200)), "a request is no output");
        assert!(!breath.is_due(LITTLE, at(1_000_700)), "what pays goes on");
        assert!(breath.is_due(100, at(1_000_800)));
        assert!(!breath.is_due(100, at(1_004_000)), "lines every few milliseconds cost nothing");
    }
}
