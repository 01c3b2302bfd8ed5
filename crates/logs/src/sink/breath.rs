//! A pause for output that comes without a pause.
//!
//! A service that writes each line by itself would wake the sink for every one of them, and a wake costs more than
//! a line. So when output follows output, the sink lets some gather in the FIFOs before it looks again: as long
//! as a FIFO is far from full by then. A line after a silence is written at once.

use std::time::Duration;

use steady_model::time::AwakeInstant;

/// A look that saw less than this did not pay, bytes.
pub const LITTLE: usize = 32 << 10;
/// More than this after a pause, and the next is shorter: a full FIFO, 256 KiB, stops its service.
const MUCH: usize = 160 << 10;
/// Output that comes faster than this follows.
const SOON: Duration = Duration::from_millis(3);
const LONGEST: Duration = Duration::from_millis(1);
/// A shorter one gathers nothing.
const SHORTEST: Duration = Duration::from_micros(125);

#[derive(Debug)]
pub struct Breath {
    last: AwakeInstant,
    length: Duration,
}

impl Default for Breath {
    fn default() -> Self {
        Self { last: AwakeInstant::default(), length: LONGEST }
    }
}

impl Breath {
    /// How long to pause after a round that moved so many bytes at most from one FIFO.
    pub fn after(&mut self, moved: usize, now: AwakeInstant) -> Option<Duration> {
        if moved == 0 {
            return None;
        }
        let follows = now.since(self.last) < SOON;
        self.last = now;
        self.length = match moved {
            MUCH.. => (self.length / 2).max(SHORTEST / 2),
            LITTLE.. => self.length,
            _ => (self.length * 2).min(LONGEST),
        };
        (follows && self.length >= SHORTEST).then_some(self.length)
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the pause")]
pub fn pause(length: Duration) {
    std::thread::sleep(length);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: u64) -> AwakeInstant {
        AwakeInstant::since_boot(Duration::from_micros(micros))
    }

    #[test]
    fn only_output_that_follows_output_waits() {
        let mut breath = Breath::default();
        assert_eq!(breath.after(100, at(1_000_000)), None, "a line after a silence is written at once");
        assert_eq!(breath.after(100, at(1_000_100)), Some(LONGEST));
        assert_eq!(breath.after(0, at(1_000_200)), None, "a request is no output");
        assert_eq!(breath.after(100, at(1_004_000)), None, "lines every few milliseconds cost nothing");
    }

    #[test]
    fn the_faster_it_comes_the_shorter_the_pause() {
        let mut breath = Breath::default();
        let mut now = 1_000_000;
        let mut round = |moved| {
            now += 500;
            breath.after(moved, at(now))
        };
        round(100);
        assert_eq!(round(MUCH), Some(LONGEST / 2));
        assert_eq!(round(LITTLE), Some(LONGEST / 2), "this one fits");
        for _ in 0..10 {
            round(MUCH);
        }
        assert_eq!(round(MUCH), None, "what fills its FIFO at once is not kept waiting");
        for _ in 0..10 {
            round(100);
        }
        assert_eq!(round(100), Some(LONGEST), "and has its pauses again when it comes slower");
    }
}
