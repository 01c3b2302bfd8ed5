//! When a job is due: slots by interval or by cron, one run per slot, missed slots made up for by one run.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use croner::parser::{CronParser, Seconds, Year};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};

use super::RunRecord;
use crate::time::WallTime;

/// A delay between tries does not grow beyond this.
pub const LONGEST_DELAY: Duration = Duration::from_secs(3600);
/// As many say what the pattern of a calendar is: two months of daily slots.
const SLOTS_SEEN: usize = 62;
/// A run that starts this long before its slot serves it.
const EARLY: Duration = Duration::from_secs(15 * 60);

#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// `None`: only at a wake.
    pub slots: Option<Slots>,
    /// Also after each sleep that is worth the name.
    pub at_wake: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Slots {
    /// From one start to the next. A run that makes up for a missed slot does not shift the ones after it.
    Every(Duration),
    /// `zone` is the system's where none is named.
    Cron { cron: Cron, zone: Option<TimeZone> },
}

impl Schedule {
    /// From one slot to the next, where that is always the same.
    pub fn interval(&self) -> Option<Duration> {
        match self.slots {
            Some(Slots::Every(every)) => Some(every),
            _ => None,
        }
    }

    /// The first slot after `now` when nothing else counts.
    pub fn following(&self, now: WallTime, zone: &TimeZone) -> Option<WallTime> {
        Grid { slots: self.slots.as_ref()?, anchor: Some(now), zone }.next(now)
    }

    /// The longest time from one slot to the next.
    pub fn longest_gap(&self) -> Option<Duration> {
        let slots = self.slots.as_ref()?;
        let start = WallTime(Timestamp::UNIX_EPOCH);
        let grid = Grid { slots, anchor: Some(start), zone: &TimeZone::UTC };
        let each = std::iter::successors(grid.next(start), |slot| grid.next(*slot)).take(SLOTS_SEEN);
        each.filter_map(|slot| grid.gap(slot)).max()
    }
}

/// A cron expression of five fields, or a nickname such as `@daily`.
///
/// Of a day when clocks change: a time of day that is skipped comes at the first moment after the gap, one that
/// comes twice counts once, and intervals (`*/15 * * * *`) go on through both.
#[derive(Debug, Clone, PartialEq)]
pub struct Cron(Box<croner::Cron>);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CronError {
    #[error("{why}; write minute, hour, day of month, month and day of week, such as \"0 21 * * *\"")]
    Pattern { why: String },
    #[error("no day of the calendar is like that")]
    Never,
}

impl FromStr for Cron {
    type Err = CronError;

    fn from_str(text: &str) -> Result<Self, CronError> {
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let cron = parser.parse(text).map_err(|e| CronError::Pattern { why: e.to_string() })?;
        let some_day = Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC);
        match cron.find_next_occurrence(&some_day, false) {
            Ok(_) => Ok(Self(Box::new(cron))),
            Err(_) => Err(CronError::Never),
        }
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

/// What is tried again, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// The first included.
    pub attempts: u32,
    pub delay: Duration,
}

impl Retry {
    /// How long to wait, awake, after so many failed tries of a slot; `None` is not at all.
    pub fn pause(&self, failed: u32) -> Option<Duration> {
        let doublings = failed.checked_sub(1)?.min(16);
        (failed < self.attempts).then(|| self.delay.saturating_mul(1 << doublings).min(LONGEST_DELAY))
    }
}

/// The slots of one job: those of an interval lie around its newest run.
#[derive(Debug, Clone, Copy)]
pub struct Grid<'a> {
    pub slots: &'a Slots,
    /// [`anchor`] of its runs.
    pub anchor: Option<WallTime>,
    /// The system's zone.
    pub zone: &'a TimeZone,
}

impl Grid<'_> {
    /// The newest slot that is not after `at`.
    pub fn newest(&self, at: WallTime) -> Option<WallTime> {
        match self.slots {
            Slots::Every(every) => self.step(*every, at, 0),
            Slots::Cron { cron, .. } => {
                cron.0.find_previous_occurrence(&self.zoned(at)?, true).ok().map(|z| WallTime(z.timestamp()))
            }
        }
    }

    /// The first slot after `after`.
    pub fn next(&self, after: WallTime) -> Option<WallTime> {
        match self.slots {
            Slots::Every(every) => self.step(*every, after, 1),
            Slots::Cron { cron, .. } => {
                cron.0.find_next_occurrence(&self.zoned(after)?, false).ok().map(|z| WallTime(z.timestamp()))
            }
        }
    }

    /// The slot before `slot`.
    pub fn before(&self, slot: WallTime) -> Option<WallTime> {
        self.newest(WallTime(slot.0.checked_sub(SignedDuration::from_secs(1)).ok()?))
    }

    /// From the slot before `slot` to it.
    pub fn gap(&self, slot: WallTime) -> Option<Duration> {
        slot.since(self.before(slot)?)
    }

    /// The earliest start of a run that serves `slot`.
    pub fn serves_from(&self, slot: WallTime) -> WallTime {
        let early = self.gap(slot).map_or(EARLY, |gap| EARLY.min(gap / 4));
        SignedDuration::try_from(early)
            .ok()
            .and_then(|early| slot.0.checked_sub(early).ok())
            .map_or(slot, WallTime)
    }

    fn step(&self, every: Duration, at: WallTime, further: i128) -> Option<WallTime> {
        let every = i128::try_from(every.as_nanos()).ok().filter(|n| *n > 0)?;
        let anchor = self.anchor?.0.as_nanosecond();
        let steps = (at.0.as_nanosecond() - anchor).div_euclid(every) + further;
        Timestamp::from_nanosecond(anchor + steps * every).ok().map(WallTime)
    }

    /// Whole seconds, in the zone of the schedule.
    fn zoned(&self, at: WallTime) -> Option<Zoned> {
        let zone = match self.slots {
            Slots::Cron { zone: Some(zone), .. } => zone,
            _ => self.zone,
        };
        let floor = at.0.as_nanosecond().div_euclid(1_000_000_000);
        let whole = Timestamp::from_second(i64::try_from(floor).ok()?).ok()?;
        Some(whole.to_zoned(zone.clone()))
    }
}

/// What a run counts for: its slot, or its start when a person started it.
pub fn counts_for(run: &RunRecord) -> WallTime {
    run.slot.unwrap_or(run.started)
}

/// The next thing to do by the schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// There is no slot.
    Never,
    Wait(WallTime),
    /// A run is due for this slot, the newest of those that no attempt was made at.
    Run(WallTime),
}

/// `served` are the slots (or starts) of all attempts that are known, in any order.
///
/// One attempt per slot, however the clock is set: a slot that comes again is not run again, and an attempt from
/// a clock that was far ahead blocks nothing.
pub fn plan(grid: &Grid<'_>, served: &[WallTime], now: WallTime) -> Plan {
    let Some(next) = grid.next(now) else {
        // An interval without a run to count from.
        return if matches!(grid.slots, Slots::Every(_)) { Plan::Run(now) } else { Plan::Never };
    };
    let newest = served.iter().filter(|s| **s <= next).max().copied();
    match (grid.newest(now), newest) {
        (Some(due), Some(served)) if due > served => Plan::Run(due),
        (_, Some(served)) if served == next => grid.next(next).map_or(Plan::Never, Plan::Wait),
        // Before its first slot a job has missed nothing.
        _ => Plan::Wait(next),
    }
}
