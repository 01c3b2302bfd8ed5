//! When a backup is due: once for each slot, whatever clocks and sleeps do.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::Duration;

use jiff::tz::TimeZone;
use proptest::prelude::*;
use steady_model::backup_schedule::{Past, due};
use steady_model::config::{Backup, IoClass, Roots};
use steady_model::job::{Schedule, Slots};
use steady_model::time::WallTime;

fn at(text: &str) -> WallTime {
    WallTime(text.parse().unwrap())
}

fn hours(n: u64) -> Duration {
    Duration::from_hours(n)
}

fn every(n: u64) -> Schedule {
    Schedule { slots: Some(Slots::Every(hours(n))), at_wake: false }
}

fn cron(text: &str) -> Schedule {
    Schedule { slots: Some(Slots::Cron { cron: text.parse().unwrap(), zone: None }), at_wake: false }
}

fn past(taken: &[&str]) -> Past {
    let taken = taken.iter().map(|text| at(text)).collect();
    Past { began: at("2026-01-01T00:00:00Z"), taken, failed: None, woke: None, not_before: None }
}

fn berlin() -> TimeZone {
    TimeZone::get("Europe/Berlin").unwrap()
}

#[track_caller]
fn check(schedule: &Schedule, past: &Past, now: &str, expected: Option<&str>) {
    assert_eq!(due(schedule, past, at(now), &berlin()), expected.map(at));
}

#[test]
fn an_interval_counts_from_the_newest_point_and_is_due_at_once_without_one() {
    check(&every(24), &past(&[]), "2026-11-23T20:00:00Z", Some("2026-11-23T20:00:00Z"));
    let known = past(&["2026-11-22T12:00:00Z", "2026-11-23T12:00:00Z"]);
    check(&every(24), &known, "2026-11-23T20:00:00Z", Some("2026-11-24T12:00:00Z"));
    // Three of them went by while it was off: one makes up for them.
    check(&every(24), &known, "2026-11-26T20:00:00Z", Some("2026-11-26T20:00:00Z"));
}

#[test]
fn a_time_of_day_is_that_of_the_zone_also_when_its_clocks_change() {
    let three = cron("30 2 * * *");
    // In winter time, UTC+1.
    check(&three, &past(&["2026-11-22T01:31:00Z"]), "2026-11-22T20:00:00Z", Some("2026-11-23T01:30:00Z"));
    // On 29 March half past two is skipped: the first moment after the gap, three o'clock, 01:00 UTC.
    check(&three, &past(&["2026-03-28T01:31:00Z"]), "2026-03-28T20:00:00Z", Some("2026-03-29T01:00:00Z"));
    // On 25 October it comes twice, and is served once.
    check(&three, &past(&["2026-10-25T00:31:00Z"]), "2026-10-25T01:31:00Z", Some("2026-10-26T01:30:00Z"));
}

#[test]
fn slots_that_were_missed_are_made_up_for_once_and_what_was_before_steady_is_not() {
    let nightly = cron("0 3 * * *");
    check(&nightly, &past(&["2026-11-20T02:00:05Z"]), "2026-11-23T08:00:00Z", Some("2026-11-23T08:00:00Z"));
    let made_up = past(&["2026-11-20T02:00:05Z", "2026-11-23T08:00:00Z"]);
    check(&nightly, &made_up, "2026-11-23T08:05:00Z", Some("2026-11-24T02:00:00Z"));
    let fresh = Past { began: at("2026-11-23T08:00:00Z"), ..past(&[]) };
    check(&nightly, &fresh, "2026-11-23T08:00:00Z", Some("2026-11-24T02:00:00Z"));
}

#[test]
fn a_failure_is_tried_again_after_a_quarter_of_an_hour_and_a_wake_settles_first() {
    let known = past(&["2026-11-22T12:00:00Z"]);
    let failed = Past { failed: Some(at("2026-11-23T12:00:00Z")), ..known.clone() };
    check(&every(24), &failed, "2026-11-23T12:00:01Z", Some("2026-11-23T12:15:00Z"));
    let woke = Past { woke: Some(at("2026-11-23T13:00:00Z")), ..known.clone() };
    check(&every(24), &woke, "2026-11-23T13:00:01Z", Some("2026-11-23T13:01:00Z"));
    check(&every(24), &woke, "2026-11-23T13:02:00Z", Some("2026-11-23T13:02:00Z"));
    // Both lie far ahead after the clock was set back: they hold nothing up.
    let set_back =
        Past { failed: Some(at("2027-01-01T00:00:00Z")), woke: Some(at("2027-01-01T00:00:00Z")), ..known };
    check(&every(24), &set_back, "2026-11-23T13:00:00Z", Some("2026-11-23T13:00:00Z"));
}

#[test]
fn a_wake_asks_for_one_backup_where_it_is_wanted_and_for_none_elsewhere() {
    let at_wake = Schedule { slots: None, at_wake: true };
    let known = past(&["2026-11-23T12:00:00Z"]);
    check(&at_wake, &known, "2026-11-23T13:00:00Z", None);
    let woke = Past { woke: Some(at("2026-11-23T13:00:00Z")), ..known.clone() };
    check(&at_wake, &woke, "2026-11-23T13:00:01Z", Some("2026-11-23T13:01:00Z"));
    check(&every(24), &woke, "2026-11-23T13:00:01Z", Some("2026-11-24T12:00:00Z"));
    let done = Past { taken: vec![at("2026-11-23T13:01:02Z")], ..woke };
    check(&at_wake, &done, "2026-11-23T13:05:00Z", None);
}

#[test]
fn who_cancelled_what_was_due_is_left_alone_until_then() {
    let cancelled = Past { not_before: Some(at("2026-11-24T20:00:00Z")), ..past(&["2026-11-22T12:00:00Z"]) };
    check(&every(24), &cancelled, "2026-11-23T20:00:00Z", Some("2026-11-24T20:00:00Z"));
}

fn configured(keys: &str) -> Result<Backup, String> {
    let text = format!(
        "version = 1\n[job.sync]\ncommand = [\"true\"]\nmarkers = \".\"\n[job.theirs]\nmarkers = \".\"\n\
         [backup]\nsource = \"data\"\n{keys}\n"
    );
    let roots = Roots { base: "/srv".as_ref(), user_home: None };
    let config =
        steady_model::config::parse(&text, "steady.toml".as_ref(), roots).map_err(|e| e.to_string())?;
    Ok(config.backup.unwrap())
}

#[test]
fn the_keys_of_a_schedule_are_those_of_jobs_and_say_when_a_backup_is_too_old() {
    let nightly = configured("cron = \"0 3 * * *\"\ntimezone = \"Europe/Berlin\"\nat_wake = true").unwrap();
    assert!(nightly.schedule.as_ref().unwrap().at_wake);
    assert_eq!(nightly.stale_after, hours(48));
    // From Friday to Monday.
    assert_eq!(configured("cron = \"0 3 * * 1-5\"").unwrap().stale_after, hours(2 * 72));
    assert_eq!(configured("every = \"6h\"").unwrap().stale_after, hours(12));
    assert_eq!(configured("").unwrap().schedule, None);
    assert_eq!(configured("").unwrap().stale_after, hours(7 * 24));
}

#[test]
fn mistakes_are_told_with_their_line() {
    for (keys, said) in [
        (
            "every = \"1h\"\ncron = \"@daily\"",
            "steady.toml:10: backup.every and backup.cron are two schedules",
        ),
        ("timezone = \"Europe/Berlin\"", "steady.toml:9: backup.timezone means something only beside cron"),
        ("nice = 20", "steady.toml:9: backup.nice = 20 is out of range 0 to 19"),
        ("before = { jobs = [\"snyc\"] }", "did you mean \"sync\"?"),
        ("before = { jobs = [\"theirs\"] }", "\"theirs\", which runs elsewhere"),
    ] {
        let error = configured(keys).unwrap_err();
        assert!(error.contains(said), "{error}");
    }
    let fine =
        configured("nice = 10\nio = \"idle\"\nbefore = { jobs = [\"sync\"], required = true }").unwrap();
    assert_eq!((fine.priority.nice, fine.priority.io), (10, IoClass::Idle));
    assert!(fine.before.is_some_and(|before| before.required && before.wait == Duration::from_secs(600)));
}

proptest! {
    /// Whoever obeys takes one backup for each slot: never two at one moment, however the clock is set meanwhile.
    #[test]
    fn obeyed_it_never_asks_twice_at_one_moment(
        steps in prop::collection::vec((-200_i64..200, any::<bool>()), 1..60),
        pattern in prop::sample::select(vec!["every", "30 2 * * *", "*/20 * * * *", "0 0 1 * *"]),
    ) {
        let schedule = if pattern == "every" { every(1) } else { cron(pattern) };
        let mut now = at("2026-03-28T12:00:00Z");
        let mut known = Past { began: now, ..past(&[]) };
        for (minutes, slept) in steps {
            let second = jiff::SignedDuration::from_mins(minutes);
            now = WallTime(now.0.checked_add(second).unwrap());
            if slept {
                known.woke = Some(now);
                now = now.after(Duration::from_secs(120));
            }
            if due(&schedule, &known, now, &berlin()).is_some_and(|due| due <= now) {
                known.taken.push(now);
                let again = due(&schedule, &known, now, &berlin());
                prop_assert!(again.is_none_or(|due| due > now), "{again:?} at {now} with {known:?}");
            }
        }
    }

    /// After a sleep of any length the agent is told a time, and it is neither long past nor never.
    #[test]
    fn an_interval_is_always_due_within_itself(age in 0_u64..1_000_000, every_minutes in 1_u64..10_000) {
        let every = Duration::from_secs(every_minutes * 60);
        let schedule = Schedule { slots: Some(Slots::Every(every)), at_wake: false };
        let taken = at("2026-03-01T12:00:00Z");
        let now = taken.after(Duration::from_secs(age * 60));
        let known = Past { taken: vec![taken], ..past(&[]) };
        let due = due(&schedule, &known, now, &berlin()).unwrap();
        prop_assert!(due >= now && due <= now.after(every), "{due}");
        prop_assert_eq!(due == now, now.since(taken).unwrap() >= every);
    }
}
