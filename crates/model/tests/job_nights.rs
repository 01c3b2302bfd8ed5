//! Scripted nights: what the sync dot shows, minute by minute, while a machine sleeps, naps, travels and fails.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use steady_model::check::Status::{self, Fail, Pass, Unknown, Warn};
use steady_model::config::Job;
use steady_model::job::{
    AwakeLog, Cron, Freshness, Next, Outcome, Retry, RunRecord, Schedule, Seen, Slots, Timing, freshness,
};
use steady_model::marker::{Marker, Markers};
use steady_model::time::{AwakeInstant, Now, WallTime};

const MINUTE: u64 = 60;
const HOUR: u64 = 3600;

/// A machine with one job of Steady's, whose runs take a minute and end as told.
struct Machine {
    job: Job,
    zone: TimeZone,
    now: Now,
    log: AwakeLog,
    timing: Timing,
    markers: Markers,
    runs: Vec<RunRecord>,
    /// What a run becomes; `None`: nothing starts at all.
    works: Option<Outcome>,
    /// Each change of the dot.
    shown: Vec<(WallTime, Status, String)>,
}

impl Machine {
    fn new(slots: Slots, start: &str) -> Self {
        let schedule = Some(Schedule { slots: Some(slots), at_wake: false });
        let job = Job { command: Some(vec!["sync".into()]), schedule, ..Job::elsewhere("sync", "/data") };
        let now = Now { awake: AwakeInstant::default(), wall: WallTime(start.parse().unwrap()) };
        Self {
            job,
            zone: TimeZone::get("Europe/Berlin").unwrap(),
            now,
            log: AwakeLog::default(),
            timing: Timing::new(now),
            markers: Markers::default(),
            runs: Vec::new(),
            works: Some(Outcome::Succeeded),
            shown: Vec::new(),
        }
    }

    fn hourly(start: &str) -> Self {
        Self::new(Slots::Every(Duration::from_secs(HOUR)), start)
    }

    fn nightly(start: &str) -> Self {
        let cron = "0 21 * * *".parse::<Cron>().unwrap();
        let mut machine = Self::new(Slots::Cron { cron, zone: None }, start);
        // It has synced before.
        machine.succeeded(machine.now.wall);
        machine
    }

    fn judged(&self) -> Freshness {
        let seen = Seen {
            markers: &self.markers,
            runs: &self.runs,
            running: None,
            awake: &self.log,
            zone: &self.zone,
        };
        freshness(&self.job, &seen, self.now)
    }

    fn succeeded(&mut self, at: WallTime) {
        self.markers.completed = Marker::At { at, message: None };
        self.timing.marked(Some(at));
    }

    fn keep(&mut self, slot: WallTime, outcome: Outcome) {
        let record = RunRecord {
            id: self.runs.len().to_string(),
            job: "sync".into(),
            started: if outcome == Outcome::Missed { slot } else { self.now.wall },
            ended: self.now.wall,
            outcome,
            exit: None,
            milestones: vec![],
            tail: vec![],
            slot: Some(slot),
            part: None,
        };
        self.timing.ended(&self.job, &record, self.now);
        if record.is_whole() {
            self.succeeded(record.ended);
        }
        self.runs.push(record);
    }

    /// As the agent does whenever something happens, and at least once a minute.
    fn tick(&mut self) {
        self.log.note(self.now);
        self.timing.look(&self.job, self.now);
        if let Ok(slot) = self.timing.missed(&self.job, self.now, &self.zone) {
            self.keep(slot, Outcome::Missed);
        }
        let next = self.timing.next(&self.job, self.now, &self.zone);
        if let (Next::Run(slot), Some(outcome)) = (next, self.works.clone()) {
            self.timing.started(slot);
            self.keep(slot, outcome);
        }
        let judged = self.judged();
        if self.shown.last().is_none_or(|(_, status, _)| *status != judged.status) {
            self.shown.push((self.now.wall, judged.status, judged.phrase));
        }
    }

    fn awake(&mut self, seconds: u64) {
        for _ in 0..seconds / 15 {
            self.now.awake = self.now.awake.after(Duration::from_secs(15));
            self.now.wall = self.now.wall.after(Duration::from_secs(15));
            self.tick();
        }
    }

    fn sleep(&mut self, seconds: u64) {
        self.now.wall = self.now.wall.after(Duration::from_secs(seconds));
        self.tick();
    }

    fn set_clock(&mut self, by: i64) {
        self.now.wall = WallTime(self.now.wall.0.checked_add(SignedDuration::from_secs(by)).unwrap());
        self.tick();
    }

    fn statuses(&self) -> Vec<Status> {
        self.shown.iter().map(|(_, status, _)| *status).collect()
    }

    fn outcomes(&self) -> Vec<&str> {
        self.runs.iter().map(|r| r.outcome.word()).collect()
    }
}

#[test]
fn a_lid_closed_for_twelve_hours_is_caught_up_with_by_one_run_and_shows_no_warning() {
    let mut m = Machine::hourly("2026-02-24T19:50:00Z");
    m.awake(2 * HOUR + 20 * MINUTE);
    let before = m.runs.len();
    m.sleep(12 * HOUR);
    let phrase = m.judged().phrase;
    assert_eq!(phrase, "synced 12 h ago; the machine slept 23:10–11:10; catching up");
    m.awake(45);
    assert_eq!(m.runs.len(), before, "it started before the machine had settled");
    m.awake(30);
    assert_eq!(m.runs.len(), before + 1);
    m.awake(40 * MINUTE);
    assert_eq!(m.runs.len(), before + 1 + 1, "one to catch up, then by the grid again");
    assert_eq!(m.statuses(), [Pass], "{:?}", m.shown);
    let grid = m.runs.iter().map(|r| r.slot.unwrap().0.as_second() % 3600).collect::<Vec<_>>();
    assert!(grid.windows(2).all(|w| w[0] == w[1]), "the grid drifted: {grid:?}");
    assert!(!m.outcomes().contains(&"missed"));
}

#[test]
fn a_hundred_and_fifty_one_naps_start_nothing_and_show_nothing() {
    let mut m = Machine::hourly("2026-02-13T21:00:00Z");
    m.awake(30 * MINUTE);
    let before = m.runs.len();
    for _ in 0..151 {
        m.sleep(4 * MINUTE);
        m.awake(30);
    }
    assert_eq!(m.runs.len(), before, "a nap of a sleeping machine is no time to work");
    assert_eq!(m.statuses(), [Pass], "{:?}", m.shown);
    m.sleep(HOUR);
    m.awake(2 * MINUTE);
    assert_eq!(m.runs.len(), before + 1);
    assert_eq!(m.judged().status, Pass);
}

#[test]
fn a_weekend_off_is_caught_up_with_and_is_no_failure() {
    let mut m = Machine::nightly("2026-02-20T19:00:00Z");
    m.awake(2 * HOUR);
    assert_eq!(m.outcomes(), ["succeeded"]);
    m.sleep(60 * HOUR);
    assert_eq!(m.judged().status, Pass);
    assert!(
        m.judged().phrase.contains("the machine slept 20 Feb 22:00–10:00; catching up"),
        "{}",
        m.judged().phrase
    );
    m.awake(5 * MINUTE);
    assert_eq!(m.outcomes(), ["succeeded", "succeeded"]);
    m.awake(14 * HOUR);
    assert_eq!(m.statuses(), [Pass], "{:?}", m.shown);
    assert_eq!(m.runs.len(), 3, "and this evening's");
}

#[test]
fn a_run_that_does_not_come_is_amber_after_half_an_awake_hour_and_red_when_two_are_missing() {
    let mut m = Machine::hourly("2026-02-24T08:00:00Z");
    m.awake(HOUR);
    m.works = None;
    let stopped = m.now.wall;
    m.awake(3 * HOUR);
    assert_eq!(m.statuses(), [Pass, Warn, Fail], "{:?}", m.shown);
    let after = |n: usize| (m.shown[n].0.0.as_second() - stopped.0.as_second()) / 60;
    assert!((30..=32).contains(&after(1)), "amber after {} min", after(1));
    assert!((90..=92).contains(&after(2)), "red after {} min", after(2));
    assert!(m.shown[2].2.contains("did not come"), "{}", m.shown[2].2);
    assert_eq!(
        m.outcomes().iter().filter(|o| **o == "missed").count(),
        3,
        "each slot once: {:?}",
        m.outcomes()
    );
    m.works = Some(Outcome::Succeeded);
    m.awake(2 * MINUTE);
    assert_eq!(m.judged().status, Pass);
}

/// Only the time awake counts, however long the nights between are.
#[test]
fn lateness_adds_up_over_sleeps_and_is_not_forgiven_by_them() {
    let mut m = Machine::nightly("2026-02-24T19:00:00Z");
    m.works = None;
    m.awake(HOUR + 20 * MINUTE);
    assert_eq!(m.judged().status, Pass, "20 min late");
    m.sleep(9 * HOUR);
    m.awake(9 * MINUTE);
    assert_eq!(m.judged().status, Pass, "29 awake minutes late");
    m.awake(2 * MINUTE);
    assert_eq!(m.judged().status, Warn, "{}", m.judged().phrase);
}

#[test]
fn a_clock_that_is_set_shows_no_failure_and_repeats_no_slot() {
    for by in [-(26 * HOUR.cast_signed()), -600, 600, 26 * HOUR.cast_signed()] {
        let mut m = Machine::nightly("2026-02-24T19:30:00Z");
        m.awake(HOUR);
        assert_eq!(m.outcomes(), ["succeeded"]);
        m.set_clock(by);
        m.awake(3 * HOUR);
        // Data from the future are unknown for a while: nobody can say how old they are.
        assert!(!m.statuses().contains(&Fail) && !m.statuses().contains(&Warn), "{by}: {:?}", m.shown);
        m.set_clock(-by);
        m.awake(3 * HOUR);
        assert!(!m.statuses().contains(&Fail) && !m.statuses().contains(&Warn), "{by}: {:?}", m.shown);
        let mut slots: Vec<_> = m.runs.iter().map(|r| r.slot).collect();
        slots.sort();
        slots.dedup();
        assert_eq!(slots.len(), m.runs.len(), "{by}: a slot was run twice");
    }
}

#[test]
fn the_days_when_clocks_change_are_days_like_others() {
    for start in ["2026-03-27T12:00:00Z", "2026-10-23T12:00:00Z"] {
        let mut m = Machine::nightly(start);
        m.awake(5 * 24 * HOUR);
        assert_eq!(m.runs.len(), 5, "{start}: {:?}", m.runs.iter().map(|r| r.slot).collect::<Vec<_>>());
        assert_eq!(m.statuses(), [Pass], "{start}: {:?}", m.shown);
        assert!(m.runs.iter().all(|r| m.zone.to_datetime(r.started.0).hour() == 21));
    }
}

#[test]
fn a_failed_run_is_tried_again_and_two_failures_are_red_at_once() {
    let mut m = Machine::hourly("2026-02-24T08:00:00Z");
    m.awake(5 * MINUTE);
    m.job.retry = Some(Retry { attempts: 3, delay: Duration::from_secs(60) });
    m.works = Some(Outcome::Failed { why: "boom".into() });
    m.awake(56 * MINUTE);
    assert_eq!(m.outcomes(), ["succeeded", "failed"]);
    assert_eq!(m.judged().status, Warn);
    m.awake(10 * MINUTE);
    assert_eq!(m.outcomes(), ["succeeded", "failed", "failed", "failed"], "three tries of one slot");
    assert_eq!(m.judged().status, Fail);
    let slots: Vec<_> = m.runs.iter().skip(1).map(|r| r.slot).collect();
    assert!(slots.windows(2).all(|w| w[0] == w[1]));
    m.works = Some(Outcome::Succeeded);
    m.awake(HOUR);
    assert_eq!(m.judged().status, Pass);
}

/// Nothing is known of the time before the agent started: it neither counts as late nor hides the age.
#[test]
fn an_agent_that_just_started_catches_up_and_says_that_it_was_not_there() {
    let mut m = Machine::nightly("2026-02-24T07:00:00Z");
    m.succeeded(WallTime("2026-02-20T20:00:30Z".parse::<Timestamp>().unwrap()));
    let old = RunRecord {
        id: "old".into(),
        job: "sync".into(),
        started: WallTime("2026-02-20T20:00:00Z".parse().unwrap()),
        ended: WallTime("2026-02-20T20:00:30Z".parse().unwrap()),
        outcome: Outcome::Succeeded,
        exit: None,
        milestones: vec![],
        tail: vec![],
        slot: Some(WallTime("2026-02-20T20:00:00Z".parse().unwrap())),
        part: None,
    };
    m.timing.ended(&m.job, &old, m.now);
    m.runs.push(old);
    m.log.note(m.now);
    let judged = m.judged();
    assert_eq!(judged.phrase, "synced 3 d ago; Steady was not there before 08:00; catching up");
    assert_eq!(judged.status, Pass);
    m.awake(MINUTE);
    assert_eq!(m.runs.len(), 2, "it did not catch up");
}

#[test]
fn old_data_of_a_job_that_runs_elsewhere_are_not_green_because_the_agent_just_started() {
    let started = |age: u64| {
        let mut m = Machine::hourly("2026-02-24T08:00:00Z");
        m.job.command = None;
        m.works = None;
        m.log.note(m.now);
        m.succeeded(WallTime(
            "2026-02-24T08:00:00Z".parse::<Timestamp>().unwrap()
                - SignedDuration::from_secs(i64::try_from(age).unwrap()),
        ));
        m
    };
    let mut m = started(27 * HOUR - 20);
    let judged = m.judged();
    assert_eq!(judged.phrase, "synced 26 h ago; Steady was not there before 09:00; its next run is due");
    assert_eq!(judged.status, Unknown, "nobody saw whether its runs came");
    // A slot that comes meanwhile changes nothing about that.
    m.awake(MINUTE);
    let judged = m.judged();
    assert_eq!(judged.phrase, "synced 27 h ago; Steady was not there before 09:00; its next run is due");
    assert_eq!(judged.status, Unknown);
    m.awake(35 * MINUTE);
    assert_eq!(m.judged().status, Warn, "and then it was seen not to come");
    assert_eq!(started(HOUR + 5 * MINUTE).judged().status, Pass, "one slot may just be late");
}

#[test]
fn a_run_that_outlives_its_timeout_hangs_and_is_red() {
    let mut m = Machine::hourly("2026-02-24T08:00:00Z");
    m.awake(5 * MINUTE);
    let since = m.now;
    m.awake(20 * MINUTE);
    let seen =
        Seen { markers: &m.markers, runs: &m.runs, running: Some(since), awake: &m.log, zone: &m.zone };
    let judged = freshness(&m.job, &seen, m.now);
    assert_eq!(judged.status, Fail);
    assert_eq!(judged.phrase, "the sync hangs: it has been running for 20 min, and its timeout is 10 min");
}

#[test]
fn a_wake_starts_a_run_where_that_is_asked_for_and_a_nap_does_not() {
    let mut m = Machine::hourly("2026-02-24T08:00:00Z");
    m.job.schedule = Some(Schedule { slots: None, at_wake: true });
    m.awake(HOUR);
    m.sleep(5 * MINUTE);
    m.awake(5 * MINUTE);
    assert!(m.runs.is_empty());
    m.sleep(8 * HOUR);
    m.awake(5 * MINUTE);
    assert_eq!(m.outcomes(), ["succeeded"]);
    m.awake(HOUR);
    assert_eq!(m.runs.len(), 1);
}

#[test]
fn data_that_were_taken_back_are_told_although_their_slot_was_served_and_the_agent_just_started() {
    let mut m = Machine::nightly("2026-02-23T06:00:00Z");
    m.awake(24 * HOUR);
    assert_eq!(m.outcomes(), ["succeeded"]);
    let synced = m.runs[0].ended;
    // A restart of the agent: it knows nothing of the time before.
    m.log = AwakeLog::default();
    m.log.note(m.now);
    assert_eq!(m.judged().status, Pass);
    let told = ", older than the run that ended at 21:00";
    m.succeeded(WallTime(synced.0.checked_sub(SignedDuration::from_hours(24)).unwrap()));
    assert_eq!((m.judged().status, m.judged().phrase), (Warn, format!("synced 34 h ago{told}")));
    m.succeeded(WallTime(synced.0.checked_sub(SignedDuration::from_hours(72)).unwrap()));
    assert_eq!((m.judged().status, m.judged().phrase), (Fail, format!("synced 3 d ago{told}")));
}
