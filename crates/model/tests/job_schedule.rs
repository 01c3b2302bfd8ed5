//! Promises of schedules: each slot once, whatever the clocks and the season do.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::time::Duration;

use jiff::tz::TimeZone;
use proptest::prelude::*;
use steady_model::job::{Cron, Grid, Plan, Retry, Slots, plan};
use steady_model::time::WallTime;

const HOUR: Duration = Duration::from_secs(3600);

fn at(text: &str) -> WallTime {
    WallTime(text.parse().unwrap())
}

fn cron(pattern: &str, zone: &str) -> Slots {
    let zone = Some(TimeZone::get(zone).unwrap());
    Slots::Cron { cron: pattern.parse::<Cron>().unwrap(), zone }
}

fn grid(slots: &Slots, anchor: Option<WallTime>) -> Grid<'_> {
    // Not the zone of any test: where a schedule names its own, this must not matter.
    const UTC: &TimeZone = &TimeZone::UTC;
    Grid { slots, anchor, zone: UTC }
}

fn slots_of(pattern: &str, from: &str, count: usize) -> Vec<String> {
    let slots = cron(pattern, "Europe/Berlin");
    let grid = grid(&slots, None);
    let mut slot = at(from);
    (0..count)
        .map(|_| {
            slot = grid.next(slot).unwrap();
            slot.to_string()
        })
        .collect()
}

#[test]
fn clocks_that_change_neither_skip_nor_double_a_night() {
    // Spring: 02:00 becomes 03:00 on 29 March 2026, at 01:00 UTC.
    assert_eq!(
        slots_of("30 2 * * *", "2026-03-27T12:00:00Z", 3),
        ["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"],
        "what is skipped comes right after the gap"
    );
    assert_eq!(
        slots_of("0 21 * * *", "2026-03-28T12:00:00Z", 2),
        ["2026-03-28T20:00:00Z", "2026-03-29T19:00:00Z"],
        "nine in the evening is nine in the evening"
    );
    assert_eq!(
        slots_of("0 * * * *", "2026-03-29T00:00:00Z", 3),
        ["2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z", "2026-03-29T03:00:00Z"],
        "each hour is an hour"
    );
    // Autumn: 03:00 becomes 02:00 on 25 October 2026, at 01:00 UTC.
    assert_eq!(
        slots_of("30 2 * * *", "2026-10-24T12:00:00Z", 2),
        ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"],
        "what comes twice runs once"
    );
    assert_eq!(
        slots_of("0 * * * *", "2026-10-24T23:30:00Z", 3),
        ["2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z"],
        "each hour is an hour, also the one that comes twice"
    );
}

#[test]
fn a_missed_slot_is_made_up_for_by_one_run_and_the_grid_stays() {
    let hourly = Slots::Every(HOUR);
    let first = at("2026-02-24T20:10:00Z");
    let table = [
        ("its time has not come", "2026-02-24T20:59:00Z", Plan::Wait(at("2026-02-24T21:10:00Z"))),
        ("its time has come", "2026-02-24T21:10:00Z", Plan::Run(at("2026-02-24T21:10:00Z"))),
        (
            "a night later, once, for the newest slot",
            "2026-02-25T08:41:00Z",
            Plan::Run(at("2026-02-25T08:10:00Z")),
        ),
        ("a clock set back repeats nothing", "2026-02-24T19:30:00Z", Plan::Wait(at("2026-02-24T21:10:00Z"))),
    ];
    for (name, now, want) in table {
        assert_eq!(plan(&grid(&hourly, Some(first)), &[first], at(now)), want, "{name}");
    }
    let made_up = at("2026-02-25T08:10:00Z");
    let next = plan(&grid(&hourly, Some(made_up)), &[first, made_up], at("2026-02-25T08:45:00Z"));
    assert_eq!(next, Plan::Wait(at("2026-02-25T09:10:00Z")), "a late run shifted the ones after it");
}

#[test]
fn a_first_run_comes_at_once_by_interval_and_at_its_slot_by_cron() {
    let now = at("2026-02-24T10:00:00Z");
    assert_eq!(plan(&grid(&Slots::Every(HOUR), None), &[], now), Plan::Run(now));
    let nightly = cron("0 21 * * *", "Europe/Berlin");
    assert_eq!(plan(&grid(&nightly, None), &[], now), Plan::Wait(at("2026-02-24T20:00:00Z")));
}

#[test]
fn an_attempt_from_a_clock_far_ahead_blocks_nothing() {
    let nightly = cron("0 21 * * *", "Europe/Berlin");
    let (yesterday, wrong) = (at("2026-02-23T20:00:00Z"), at("2031-01-01T20:00:00Z"));
    let grid = grid(&nightly, Some(wrong));
    let served = [yesterday, wrong];
    assert_eq!(plan(&grid, &served, at("2026-02-24T19:00:00Z")), Plan::Wait(at("2026-02-24T20:00:00Z")));
    assert_eq!(plan(&grid, &served, at("2026-02-24T20:00:00Z")), Plan::Run(at("2026-02-24T20:00:00Z")));
}

#[test]
fn tries_wait_twice_as_long_each_time_up_to_an_hour_and_end() {
    let retry = Retry { attempts: 9, delay: Duration::from_secs(60) };
    let pauses: Vec<u64> = (1..9).map(|n| retry.pause(n).unwrap().as_secs()).collect();
    assert_eq!(pauses, [60, 120, 240, 480, 960, 1920, 3600, 3600]);
    assert_eq!(retry.pause(9), None);
    assert_eq!(Retry { attempts: 1, ..retry }.pause(1), None, "one attempt is no second one");
}

fn pattern() -> impl Strategy<Value = String> {
    let minute =
        prop_oneof![(0..60u32).prop_map(|n| n.to_string()), Just("*/15".to_owned()), Just("*/7".to_owned())];
    let hour = prop_oneof![
        (0..24u32).prop_map(|n| n.to_string()),
        Just("*".to_owned()),
        Just("*/5".to_owned()),
        Just("1-3".to_owned())
    ];
    let day = prop_oneof![Just("*"), Just("1-5"), Just("0")];
    (minute, hour, day).prop_map(|(m, h, d)| format!("{m} {h} * * {d}"))
}

proptest! {
    /// Over the whole year, with both changes of the clocks.
    #[test]
    fn the_newest_slot_is_the_one_that_the_next_slots_lead_to(
        pattern in pattern(),
        zone in prop::sample::select(vec!["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]),
        start in 1_767_225_600i64..1_798_761_600,
        ahead in 0i64..200_000,
    ) {
        let slots = cron(&pattern, zone);
        let grid = grid(&slots, None);
        let (from, now) = (WallTime(jiff::Timestamp::from_second(start).unwrap()), WallTime(jiff::Timestamp::from_second(start + ahead).unwrap()));
        let mut last = None;
        let mut slot = grid.next(from).unwrap();
        while slot <= now {
            prop_assert!(last.is_none_or(|l| l < slot), "slots go forward");
            last = Some(slot);
            slot = grid.next(slot).unwrap();
        }
        prop_assert!(slot > now);
        if let Some(last) = last {
            prop_assert_eq!(grid.newest(now), Some(last));
            prop_assert_eq!(grid.newest(last), Some(last), "a slot is its own newest");
        }
    }

    #[test]
    fn each_slot_is_run_once_however_the_clock_jumps(jumps in prop::collection::vec(-90_000i64..90_000, 1..40)) {
        let slots = Slots::Every(HOUR);
        let mut now = 1_800_000_000i64;
        let mut served: Vec<WallTime> = Vec::new();
        for jump in jumps {
            now += jump;
            let wall = WallTime(jiff::Timestamp::from_second(now).unwrap());
            match plan(&grid(&slots, served.last().copied()), &served, wall) {
                Plan::Run(slot) => {
                    prop_assert!(!served.contains(&slot), "{slot} twice");
                    prop_assert!(slot <= wall);
                    served.push(slot);
                }
                Plan::Wait(next) => prop_assert!(next > wall && next <= wall.after(2 * HOUR), "{next} is too far from {wall}"),
                Plan::Never => prop_assert!(false),
            }
        }
    }
}
