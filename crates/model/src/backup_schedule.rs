//! When the next backup is due by the schedule: the slots that jobs have, measured by restore points.

use std::time::Duration;

use jiff::tz::TimeZone;

use crate::job::{Grid, Plan, Schedule, Slots, WAKE_SETTLE, plan};
use crate::time::WallTime;

/// A scheduled backup that failed is tried again after this, or after its interval when that is shorter.
const RETRY: Duration = Duration::from_secs(15 * 60);

/// What was, as far as the schedule asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    /// When Steady began to look: what was due before is not known to have been missed.
    pub began: WallTime,
    /// When our own points were taken, safety points and imported ones left out.
    pub taken: Vec<WallTime>,
    /// When the newest attempt failed, if it did.
    pub failed: Option<WallTime>,
    /// When the machine woke last, after a sleep that is worth the name.
    pub woke: Option<WallTime>,
    /// A person cancelled what was due: not before this.
    pub not_before: Option<WallTime>,
}

/// When the next backup is due; now or earlier is at once, `None` is never by schedule.
///
/// Slots that went by, asleep or off, are made up for by one backup, a while after the wake. A backup by hand serves
/// the slot before it. An interval without a point to count from is due at once.
pub fn due(schedule: &Schedule, past: &Past, now: WallTime, zone: &TimeZone) -> Option<WallTime> {
    let newest = past.taken.iter().max().copied();
    let slot = schedule.slots.as_ref().and_then(|slots| {
        let grid = Grid { slots, anchor: newest, zone };
        let first = [past.began];
        let served = match slots {
            Slots::Cron { .. } if past.taken.is_empty() => &first,
            _ => past.taken.as_slice(),
        };
        match plan(&grid, served, now) {
            Plan::Run(_) => Some(now),
            Plan::Wait(at) => Some(at),
            Plan::Never => None,
        }
    });
    let wake = past.woke.filter(|woke| schedule.at_wake && newest.is_none_or(|newest| newest < *woke));
    let planned = [slot, wake.map(|_| now)].into_iter().flatten().min()?;
    let retry =
        past.failed.map(|failed| failed.after(schedule.interval().map_or(RETRY, |every| RETRY.min(every))));
    let settled = past.woke.map(|woke| woke.after(WAKE_SETTLE));
    // What lies further ahead than it can is of a clock that was set back.
    let holds = [(retry, RETRY), (settled, WAKE_SETTLE)].into_iter();
    let held = holds.filter_map(|(at, longest)| at.filter(|at| *at <= now.after(longest)));
    held.chain(past.not_before).chain([planned]).max()
}
