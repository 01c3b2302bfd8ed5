//! How much of a span of wall time the machine was awake, and Steady there to know it.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::SignedDuration;

use crate::time::{AwakeInstant, Now, WallTime};

/// The clocks may part by this much between two looks before it counts.
const NOISE: SignedDuration = SignedDuration::from_secs(5);
/// A shorter stretch between two sleeps is a nap of the machine, in which nothing starts: it counts as sleep.
const NAP: Duration = Duration::from_secs(60);
/// Sleeps that are remembered.
const MARKS: usize = 512;

/// Pairs wall time with awake time. Fed with both clocks now and then, at least at each wake.
///
/// Where the wall clock went further than the awake one, the machine slept (or the clock was set ahead: nothing
/// was awake in that time either). Of the time before the first look nothing is known, so none of it counts as
/// awake: a restart of the agent forgives lateness, and never invents it. A clock that is set back starts a new
/// book, for the same reason.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AwakeLog {
    /// The first look, then one after each sleep; awake time without naps.
    marks: VecDeque<Now>,
    seen: Option<Now>,
    naps: Duration,
}

/// When the machine slept, or Steady was not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Absence {
    /// `None`: before Steady started.
    pub from: Option<WallTime>,
    pub until: WallTime,
}

impl AwakeLog {
    /// Returns how long the machine was not awake since the last look.
    pub fn note(&mut self, now: Now) -> Duration {
        let Some(seen) = self.seen.replace(now) else {
            self.marks.push_back(now);
            return Duration::ZERO;
        };
        let awake = SignedDuration::try_from(now.awake.since(seen.awake)).unwrap_or(SignedDuration::MAX);
        let apart = now.wall.0.duration_since(seen.wall.0).saturating_sub(awake);
        if apart < -NOISE {
            self.marks.clear();
        }
        if apart.abs() > NOISE {
            let stretch = self.marks.back().map(|last| self.counted(now).since(last.awake));
            self.naps += stretch.filter(|stretch| *stretch < NAP).unwrap_or_default();
            self.marks.push_back(Now { awake: self.counted(now), ..now });
            let surplus = self.marks.len().saturating_sub(MARKS);
            self.marks.drain(..surplus);
        }
        Duration::try_from(apart).ok().filter(|_| apart > NOISE).unwrap_or_default()
    }

    /// How long the machine has been awake since `then`.
    pub fn since(&self, then: WallTime, now: Now) -> Duration {
        let Some(first) = self.marks.front() else { return Duration::ZERO };
        let at = self.around(then, now).map_or(first.awake, |(mark, until)| {
            let into = then.since(mark.wall).unwrap_or_default();
            mark.awake.after(into.min(until.since(mark.awake)))
        });
        self.counted(now).since(at)
    }

    /// The newest moment since which the machine has been awake for `awake`; `None` lies before what is known.
    pub fn back(&self, awake: Duration, now: Now) -> Option<WallTime> {
        let then = self.counted(now).since(AwakeInstant::default()).checked_sub(awake)?;
        let then = AwakeInstant::since_boot(then);
        let mark = self.marks.iter().rev().find(|mark| mark.awake <= then)?;
        Some(mark.wall.after(then.since(mark.awake)))
    }

    /// The absence in which `then` lies.
    pub fn absence(&self, then: WallTime, now: Now) -> Option<Absence> {
        let first = self.marks.front()?;
        let Some((mark, until)) = self.around(then, now) else {
            return Some(Absence { from: None, until: first.wall });
        };
        let from = mark.wall.after(until.since(mark.awake));
        let woke = self.marks.iter().find(|m| m.awake == until && m.wall > then)?;
        (then >= from).then_some(Absence { from: Some(from), until: woke.wall })
    }

    /// Awake time without naps.
    fn counted(&self, now: Now) -> AwakeInstant {
        AwakeInstant::since_boot(now.awake.since(AwakeInstant::default()).saturating_sub(self.naps))
    }

    /// The mark before `then`, and the awake time at which its stretch ended.
    fn around(&self, then: WallTime, now: Now) -> Option<(Now, AwakeInstant)> {
        let index = self.marks.iter().rposition(|mark| mark.wall <= then)?;
        let until = self.marks.get(index + 1).map_or_else(|| self.counted(now), |next| next.awake);
        self.marks.get(index).map(|mark| (*mark, until))
    }
}
