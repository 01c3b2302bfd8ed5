//! How long answers take, and whether that has become much longer.
//!
//! A service whose work blocks its event loop is up in every look, and slow in all of them. One slow answer says
//! nothing, so medians are compared: of each of the newest blocks of looks, with that of the blocks before them.

use std::collections::VecDeque;
use std::time::Duration;

use crate::words;

/// Looks per block.
pub const BLOCK: usize = 12;
/// Blocks in a row that must be slow: one that is not ends it.
pub const SLOW_BLOCKS: usize = 3;
/// Blocks from which the usual is known, and the most that are remembered of it.
pub const LEAST_USUAL: usize = 6;
const MOST_USUAL: usize = 24;
/// Slower is more than this many times the usual, and by no less than `LEAST_MORE`.
pub const FACTOR: u32 = 4;
pub const LEAST_MORE: Duration = Duration::from_millis(100);
/// After so many slow blocks that is how it is, and the usual is learnt anew.
pub const GIVE_UP: u32 = 250;

/// What is remembered of one check's answers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Latency {
    /// The looks since the last whole block.
    block: Vec<Duration>,
    /// Medians of whole blocks, newest last. Slow ones are not among them.
    usual: VecDeque<Duration>,
    /// Medians of the slow blocks in a row up to now, at most `SLOW_BLOCKS` of them, and how many there were.
    slow: VecDeque<Duration>,
    slow_blocks: u32,
}

/// Answers have become much slower.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slower {
    pub usual: Duration,
    pub lately: Duration,
}

impl std::fmt::Display for Slower {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { usual, lately } = self;
        write!(f, "slower than usual: {} for some time, {} before", words::span(*lately), words::span(*usual))
    }
}

impl Latency {
    /// Takes in the next answer, and says whether answers are much slower for long.
    pub fn note(&mut self, took: Duration) -> Option<Slower> {
        self.block.push(took);
        if self.block.len() >= BLOCK {
            let newest = median(self.block.drain(..));
            self.end_block(newest);
        }
        self.slower()
    }

    fn end_block(&mut self, newest: Duration) {
        let usual = self.usual();
        if usual.is_some_and(|usual| is_slower(newest, usual)) {
            self.slow_blocks += 1;
            self.slow.push_back(newest);
            if self.slow.len() > SLOW_BLOCKS {
                self.slow.pop_front();
            }
            if self.slow_blocks > GIVE_UP {
                *self = Self::default();
            }
            return;
        }
        self.slow_blocks = 0;
        self.slow.clear();
        self.usual.push_back(newest);
        if self.usual.len() > MOST_USUAL {
            self.usual.pop_front();
        }
    }

    fn usual(&self) -> Option<Duration> {
        (self.usual.len() >= LEAST_USUAL).then(|| median(self.usual.iter().copied()))
    }

    fn slower(&self) -> Option<Slower> {
        let usual = self.usual().filter(|_| self.slow.len() >= SLOW_BLOCKS)?;
        Some(Slower { usual, lately: median(self.slow.iter().copied()) })
    }
}

fn is_slower(newest: Duration, usual: Duration) -> bool {
    newest > usual.saturating_mul(FACTOR) && newest >= usual.saturating_add(LEAST_MORE)
}

/// The lower one of two in the middle; zero of nothing.
fn median(all: impl Iterator<Item = Duration>) -> Duration {
    let mut all: Vec<Duration> = all.collect();
    all.sort_unstable();
    all.get(all.len().saturating_sub(1) / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// How many looks of the one kind it was told `Slower` after.
    fn told(latency: &mut Latency, took: Duration, looks: usize) -> Vec<usize> {
        (1..=looks).filter(|_| latency.note(took).is_some()).collect()
    }

    fn learnt(took: Duration) -> Latency {
        let mut latency = Latency::default();
        assert!(told(&mut latency, took, BLOCK * MOST_USUAL).is_empty());
        latency
    }

    #[test]
    fn a_blocked_loop_is_told_after_three_slow_blocks_and_until_one_is_quick() {
        let mut latency = learnt(ms(10));
        let slow = told(&mut latency, ms(800), 100);
        assert_eq!(slow, (36..=100).collect::<Vec<_>>());
        let told_now = latency.note(ms(800)).unwrap();
        assert_eq!(told_now, Slower { usual: ms(10), lately: ms(800) });
        assert_eq!(told_now.to_string(), "slower than usual: 800 ms for some time, 10 ms before");
        // 101 looks are 8 blocks and 5: the block that turns quick has 5 slow and 7 quick ones.
        assert_eq!(told(&mut latency, ms(10), 50), (1..=6).collect::<Vec<_>>());
    }

    #[test]
    fn what_stays_slow_for_hours_becomes_the_usual_and_a_further_fall_is_told_again() {
        let mut latency = learnt(ms(10));
        let looks = BLOCK * (usize::try_from(GIVE_UP).unwrap() + LEAST_USUAL + 1);
        let slow = told(&mut latency, ms(200), looks);
        assert_eq!(slow.last(), Some(&(BLOCK * (usize::try_from(GIVE_UP).unwrap() + 1) - 1)));
        assert_eq!(told(&mut latency, ms(1000), 36), [36]);
    }

    #[test]
    fn a_table_of_what_is_slower() {
        let table = [
            (ms(1), ms(90), false),
            (ms(1), ms(101), true),
            (ms(50), ms(199), false),
            (ms(50), ms(201), true),
            (ms(1000), ms(4000), false),
            (ms(1000), ms(4001), true),
        ];
        for (usual, lately, expected) in table {
            let is_told = !told(&mut learnt(usual), lately, 36).is_empty();
            assert_eq!(is_told, expected, "{usual:?} {lately:?}");
        }
    }

    proptest! {
        /// Whatever the noise below the factor, and however long.
        #[test]
        fn noise_is_never_told(noise in prop::collection::vec(50_u64..200, 0..2000)) {
            let mut latency = Latency::default();
            for took in noise {
                prop_assert_eq!(latency.note(ms(took)), None);
            }
        }

        /// Fewer than half of each block, wherever they lie in it.
        #[test]
        fn single_slow_answers_are_never_told(
            slow in prop::collection::vec(prop::collection::btree_set(0..BLOCK, 0..BLOCK / 2), 0..60),
        ) {
            let mut latency = learnt(ms(5));
            for block in slow {
                for look in 0..BLOCK {
                    let took = if block.contains(&look) { ms(60_000) } else { ms(5) };
                    prop_assert_eq!(latency.note(took), None);
                }
            }
        }

        /// After the usual is known, whenever it begins within a block.
        #[test]
        fn slow_for_long_is_always_told(
            usual in 1_u64..2000, before in BLOCK * LEAST_USUAL..1000, more in 100_u64..60_000,
        ) {
            let mut latency = Latency::default();
            for _ in 0..before {
                prop_assert_eq!(latency.note(ms(usual)), None);
            }
            let slow = ms(usual * u64::from(FACTOR) + more);
            let told = told(&mut latency, slow, BLOCK * (SLOW_BLOCKS + 1));
            prop_assert!(told.first().is_some_and(|first| *first > BLOCK * (SLOW_BLOCKS - 1)), "{told:?}");
            prop_assert_eq!(told.last(), Some(&(BLOCK * (SLOW_BLOCKS + 1))), "once told, it stays");
        }
    }
}
