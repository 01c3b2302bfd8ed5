//! When the next scheduled run starts: slots, what holds it back, tries, wakes, and slots that went by.

use std::time::Duration;

use jiff::tz::TimeZone;

use super::schedule::{Grid, Plan, Slots, counts_for, plan};
use super::{AwakeLog, Outcome, RunRecord};
use crate::config::Job;
use crate::time::{AwakeInstant, Now, WallTime};

/// Scheduled runs wait this long after the agent's start, so that the services they need are there.
const SETTLE: Duration = Duration::from_secs(10);
/// And this long after a wake: networks come back, and a nap of a sleeping machine ends.
pub const WAKE_SETTLE: Duration = Duration::from_secs(60);
/// A scheduled run that was refused is tried again after this.
const REFUSED: Duration = Duration::from_secs(60);
/// A shorter sleep is no wake for `at_wake`.
pub const NAP: Duration = Duration::from_secs(600);
/// Wakes and set clocks are told. Should a system not tell them, the clock is looked at this often.
const LOOK: Duration = Duration::from_secs(600);
/// Attempts that are remembered.
const KEPT: usize = 200;

/// What to do by the schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    Run(WallTime),
    /// Look again after this much awake time.
    In(Duration),
}

/// Fed with both clocks and the job's runs; reads no clock.
#[derive(Debug)]
pub struct Timing {
    log: AwakeLog,
    /// What attempts counted for.
    served: Vec<WallTime>,
    /// That of the newest attempt, from which an interval counts.
    anchor: Option<WallTime>,
    /// Newest whole success by the markers: what a job that runs elsewhere is measured by.
    success: Option<WallTime>,
    /// No scheduled run before this.
    hold: AwakeInstant,
    /// A run that `at_wake` asks for.
    woke: Option<WallTime>,
    /// A slot that is tried again, and when.
    retry: Option<(WallTime, AwakeInstant)>,
    /// Failed tries of the newest slot.
    failed: u32,
    missed: Option<WallTime>,
    began: WallTime,
}

impl Timing {
    pub fn new(now: Now) -> Self {
        let mut log = AwakeLog::default();
        log.note(now);
        Self {
            log,
            served: Vec::new(),
            anchor: None,
            success: None,
            hold: now.awake.after(SETTLE),
            woke: None,
            retry: None,
            failed: 0,
            missed: None,
            began: now.wall,
        }
    }

    /// A run has started; `counts_for` is its slot, or its start when a person started it.
    pub fn started(&mut self, counts_for: WallTime) {
        if self.served.last() == Some(&counts_for) {
            return;
        }
        self.served.push(counts_for);
        let surplus = self.served.len().saturating_sub(KEPT);
        self.served.drain(..surplus);
        self.anchor = Some(counts_for);
        // Whatever it is for, it is what a wake would start.
        self.woke = None;
    }

    /// A run has ended, or one of the past that is remembered.
    pub fn ended(&mut self, job: &Job, run: &RunRecord, now: Now) {
        if run.outcome == Outcome::Missed {
            self.missed = self.missed.max(run.slot);
            return;
        }
        let again = self.retry.is_some_and(|(slot, _)| Some(slot) == run.slot);
        self.started(counts_for(run));
        let failed = matches!(run.outcome, Outcome::Failed { .. } | Outcome::TimedOut | Outcome::Killed);
        self.failed = if again { self.failed.saturating_add(1) } else { 1 };
        let pause = job.retry.filter(|_| failed).and_then(|retry| retry.pause(self.failed));
        self.retry = run.slot.zip(pause).map(|(slot, pause)| (slot, now.awake.after(pause)));
    }

    /// What the success marker says, as far as it is believed.
    pub fn marked(&mut self, success: Option<WallTime>) {
        self.success = success;
    }

    /// What was due could not start.
    pub fn refused(&mut self, now: Now) {
        self.hold = now.awake.after(REFUSED);
    }

    /// Looks at both clocks; a sleep since the last look is a wake.
    pub fn look(&mut self, job: &Job, now: Now) {
        let slept = self.log.note(now);
        if slept.is_zero() {
            return;
        }
        self.hold = self.hold.max(now.awake.after(WAKE_SETTLE));
        if slept >= NAP && job.schedule.as_ref().is_some_and(|s| s.at_wake) {
            self.woke = Some(now.wall);
        }
    }

    /// Only of a job that may start now.
    pub fn next(&self, job: &Job, now: Now, zone: &TimeZone) -> Next {
        let held = self.hold.since(now.awake);
        let due = |slot| if held.is_zero() { Next::Run(slot) } else { Next::In(held) };
        let planned = match self.plan(job, now, zone) {
            Plan::Run(slot) => return due(slot),
            Plan::Wait(at) => at.since(now.wall).unwrap_or_default(),
            Plan::Never => LOOK,
        };
        if let Some(at) = self.woke {
            return due(at);
        }
        let again = match self.retry {
            Some((slot, at)) if at.since(now.awake).is_zero() => return due(slot),
            Some((_, at)) => at.since(now.awake),
            None => LOOK,
        };
        Next::In(planned.min(again).min(LOOK))
    }

    /// When the schedule starts the next run, for people.
    pub fn shown(&self, job: &Job, now: Now, zone: &TimeZone) -> Option<WallTime> {
        match self.plan(job, now, zone) {
            Plan::Run(_) => Some(now.wall),
            Plan::Wait(at) => Some(at),
            Plan::Never => None,
        }
    }

    /// The newest slot that went by without a run while the machine was awake, once; else after how much awake
    /// time one might have.
    pub fn missed(&mut self, job: &Job, now: Now, zone: &TimeZone) -> Result<WallTime, Duration> {
        let Some(grid) = self.grid(job, zone) else { return Err(LOOK) };
        let mut newest = self.served.iter().chain(&self.success).max().copied().unwrap_or(self.began);
        newest = newest.max(self.missed.unwrap_or(newest));
        let open = |slot: &WallTime| grid.serves_from(*slot) > newest;
        let late = self.log.back(job.late_after, now).and_then(|at| grid.newest(at)).filter(open);
        if let Some(slot) = late {
            self.missed = Some(slot);
            return Ok(slot);
        }
        let left = match grid.newest(now.wall).filter(open) {
            Some(slot) => job.late_after.saturating_sub(self.log.since(slot, now)),
            None => {
                grid.next(now.wall).and_then(|slot| slot.since(now.wall)).map_or(LOOK, |d| d + job.late_after)
            }
        };
        Err(left.min(LOOK))
    }

    fn plan(&self, job: &Job, now: Now, zone: &TimeZone) -> Plan {
        let Some(grid) = self.grid(job, zone) else { return Plan::Never };
        if self.served.is_empty() && matches!(grid.slots, Slots::Cron { .. }) {
            return plan(&grid, &[self.began], now.wall);
        }
        plan(&grid, &self.served, now.wall)
    }

    fn grid<'a>(&self, job: &'a Job, zone: &'a TimeZone) -> Option<Grid<'a>> {
        let slots = job.schedule.as_ref()?.slots.as_ref()?;
        let elsewhere = self.success.filter(|_| job.command.is_none());
        Some(Grid { slots, anchor: self.anchor.or(elsewhere), zone })
    }
}
