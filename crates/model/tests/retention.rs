//! Promises of retention: what may never go, and what is said of each point.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use proptest::prelude::*;
use steady_model::backup::{PointKind, RestorePoint, StoreEntry, TableRows};
use steady_model::config::{self, Keep, Roots};
use steady_model::retention::{Fate, Pin, PruneRecord, Rule, is_due, judge};
use steady_model::time::WallTime;

const NONE: Keep = Keep {
    last: 0,
    hourly: 0,
    daily: 0,
    weekly: 0,
    monthly: 0,
    yearly: 0,
    within: None,
    rebuildable: Vec::new(),
    automatic: true,
};

fn at(text: &str) -> WallTime {
    WallTime(text.parse().unwrap())
}

fn point(id: &str, taken: WallTime, verified: bool, kind: PointKind) -> RestorePoint {
    RestorePoint {
        id: format!("{id:0>8}"),
        taken,
        verified: verified.then_some(taken),
        kind,
        bytes: 1,
        files: 1,
        added: 1,
        missing: Vec::new(),
        notes: Vec::new(),
        findings: Vec::new(),
        reading: None,
        stores: Vec::new(),
        imported: None,
    }
}

fn good(id: &str, taken: &str) -> RestorePoint {
    point(id, at(taken), true, PointKind::Scheduled)
}

fn unverified(id: &str, taken: &str) -> RestorePoint {
    point(id, at(taken), false, PointKind::Scheduled)
}

fn safety(id: &str, taken: &str) -> RestorePoint {
    point(id, at(taken), true, PointKind::Safety)
}

fn kept(fates: &[Fate]) -> Vec<&str> {
    fates.iter().filter(|f| f.keep).map(|f| f.id.trim_start_matches('0')).collect()
}

const NOW: &str = "2026-11-23T12:00:00Z";

fn berlin(points: &[RestorePoint], keep: &Keep) -> Vec<Fate> {
    judge(points, keep, &[], at(NOW), &TimeZone::get("Europe/Berlin").unwrap())
}

#[test]
fn each_point_is_told_why_it_stays_or_goes() {
    let mut points = vec![
        good("a1", "2026-12-24T12:00:00Z"),
        unverified("b2", "2026-11-23T11:40:00Z"),
        good("c3", "2026-11-23T11:00:00Z"),
        good("d4", "2026-11-23T03:00:00Z"),
        unverified("e5", "2026-11-23T02:00:00Z"),
        safety("f6", "2026-11-23T10:00:00Z"),
        good("07", "2026-11-22T03:00:00Z"),
        good("18", "2026-11-20T03:00:00Z"),
        unverified("29", "2026-11-19T03:00:00Z"),
        good("3a", "2026-11-19T02:00:00Z"),
        good("4b", "2026-10-31T22:30:00Z"),
        good("5c", "2026-10-31T23:30:00Z"),
        unverified("6d", "2026-08-01T03:00:00Z"),
        good("7e", "2025-12-01T03:00:00Z"),
    ];
    points.reverse();
    let keep = Keep { last: 2, hourly: 0, daily: 3, weekly: 2, monthly: 2, yearly: 1, ..NONE };
    let pins = [Pin { id: "0000006d".into(), why: "the last restore brought it back".into() }];
    let fates = judge(&points, &keep, &pins, at(NOW), &TimeZone::get("Europe/Berlin").unwrap());
    let lines = fates.iter().map(|f| {
        let reasons: Vec<&str> = f.reasons.iter().map(|r| r.text.as_str()).collect();
        format!("{} {} {}: {}", f.id, f.taken, if f.keep { "stays" } else { "goes" }, reasons.join("; "))
    });
    insta::assert_snapshot!(lines.collect::<Vec<_>>().join("\n"));
}

#[test]
fn a_point_that_is_not_verified_never_takes_the_place_of_one_that_is() {
    let points = [
        unverified("5", "2026-11-23T10:00:00Z"),
        unverified("4", "2026-11-22T10:00:00Z"),
        unverified("3", "2026-11-21T10:00:00Z"),
        good("2", "2026-11-20T10:00:00Z"),
        good("1", "2026-11-19T10:00:00Z"),
        good("0f", "2026-11-18T10:00:00Z"),
    ];
    let daily = Keep { daily: 2, ..NONE };
    assert_eq!(
        kept(&berlin(&points, &daily)),
        ["5", "4", "2", "1"],
        "two days that nobody verified cost none"
    );
    let last = Keep { last: 2, ..NONE };
    assert_eq!(kept(&berlin(&points, &last)), ["5", "4", "2", "1"]);
    let same_day = [unverified("2", "2026-11-22T10:00:00Z"), good("1", "2026-11-22T03:00:00Z")];
    let newer = good("3", "2026-11-23T03:00:00Z");
    let all = [newer, same_day[0].clone(), same_day[1].clone()];
    assert_eq!(kept(&berlin(&all, &Keep { daily: 7, ..NONE })), ["3", "1"]);
}

#[test]
fn a_safety_point_stays_until_the_second_good_backup_after_it() {
    let keep = Keep { last: 1, ..NONE };
    let mut points = vec![good("1", "2026-11-20T10:00:00Z"), safety("2", "2026-11-21T10:00:00Z")];
    let stays = |points: &[RestorePoint]| berlin(points, &keep).iter().any(|f| f.id == "00000002" && f.keep);
    points.push(unverified("3", "2026-11-21T11:00:00Z"));
    points.push(good("4", "2026-11-21T12:00:00Z"));
    points.push(safety("5", "2026-11-21T13:00:00Z"));
    assert!(stays(&points), "one good backup, one that is not, and a safety point are not two good ones");
    points.push(good("6", "2026-11-21T14:00:00Z"));
    assert!(!stays(&points));
}

#[test]
fn a_backup_of_the_same_moment_does_not_count_as_one_after_a_safety_point() {
    let moment = "2026-11-21T10:00:00Z";
    // Whichever of the two sorts first.
    for [taken_before, with_it] in [["2", "3"], ["3", "2"]] {
        let points = [good("4", "2026-11-22T10:00:00Z"), good(with_it, moment), safety(taken_before, moment)];
        let left = berlin(&points, &Keep { last: 1, ..NONE });
        assert!(kept(&left).contains(&taken_before), "an undo lost its safety point: {left:?}");
    }
}

#[test]
fn a_day_is_the_day_of_the_people_there_also_when_the_clocks_change() {
    // In Berlin 25 October 2026 has 25 hours, and 02:30 twice; 29 March has 23.
    let points = [
        good("4", "2026-10-25T23:30:00Z"),
        good("3", "2026-10-25T22:30:00Z"),
        good("2", "2026-10-25T01:30:00Z"),
        good("1", "2026-10-25T00:30:00Z"),
        good("0f", "2026-10-24T22:30:00Z"),
        good("0e", "2026-10-24T21:30:00Z"),
    ];
    assert_eq!(kept(&berlin(&points, &Keep { daily: 9, ..NONE })), ["4", "3", "e"]);
    let hours = kept(&berlin(&points, &Keep { hourly: 9, ..NONE })).len();
    assert_eq!(hours, 6, "the hour that comes twice is two hours");
    let spring = [good("2", "2026-03-29T21:59:00Z"), good("1", "2026-03-28T23:00:00Z")];
    assert_eq!(kept(&berlin(&spring, &Keep { daily: 9, ..NONE })), ["2"]);
    let utc = judge(&spring, &Keep { daily: 9, ..NONE }, &[], at(NOW), &TimeZone::UTC);
    assert_eq!(kept(&utc), ["2", "1"]);
    // 29 December 2025 belongs to the first week of 2026.
    let weeks = [good("2", "2026-01-02T12:00:00Z"), good("1", "2025-12-29T12:00:00Z")];
    assert_eq!(kept(&berlin(&weeks, &Keep { weekly: 9, ..NONE })), ["2"]);
}

#[test]
fn what_a_clock_that_ran_ahead_dated_stays_and_pushes_nothing_out() {
    let points = [
        good("9", "2031-01-01T00:00:00Z"),
        good("8", "2030-01-01T00:00:00Z"),
        good("2", "2026-11-23T10:00:00Z"),
        good("1", "2026-11-22T10:00:00Z"),
        good("0f", "2026-11-21T10:00:00Z"),
    ];
    let fates = berlin(&points, &Keep { last: 2, ..NONE });
    assert_eq!(kept(&fates), ["9", "8", "2", "1"]);
    assert_eq!(fates[0].reasons[0].rule, Rule::Ahead);
}

#[test]
fn the_section_keep_is_read_and_nonsense_is_refused_with_its_line() {
    let parse = |text: &str| {
        let text = format!("version = 1\n[backup]\nsource = \"data\"\n{text}");
        let roots = Roots { base: "/".as_ref(), user_home: None };
        config::parse(&text, Path::new("steady.toml"), roots).map(|c| c.backup.unwrap().keep)
    };
    assert_eq!(parse("").unwrap(), Keep::default());
    let told = parse("[backup.keep]\nlast = 5\nyearly = 2\nwithin = \"48h\"\nautomatic = false\n").unwrap();
    let within = Some(Duration::from_secs(48 * 3600));
    assert_eq!(told, Keep { last: 5, yearly: 2, within, automatic: false, ..Keep::default() });
    let complain = |text: &str| parse(text).unwrap_err().to_string();
    let all = [
        complain("[backup.keep]\nlast = 1\ndaily = -1\n"),
        complain("[backup.keep]\nhourly = 10001\n"),
        complain("[backup.keep]\nwithin = \"soon\"\n"),
        complain("[backup.keep]\ndayly = 3\n"),
        complain("[backup.keep]\nlast = 0\nhourly = 0\ndaily = 0\nweekly = 0\nmonthly = 0\nyearly = 0\n"),
    ];
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn old_points_are_removed_once_a_day_and_tried_again_after_an_hour() {
    let record = |ended: &str, failed: Option<&str>| PruneRecord {
        ended: at(ended),
        removed: 0,
        freed: 0,
        failed: failed.map(str::to_owned),
    };
    let due = |last: Option<PruneRecord>| is_due(last.as_ref(), at(NOW));
    assert!(due(None));
    assert!(!due(Some(record("2026-11-22T12:00:01Z", None))));
    assert!(due(Some(record("2026-11-22T12:00:00Z", None))));
    assert!(!due(Some(record("2026-11-23T11:30:00Z", Some("no room")))));
    assert!(due(Some(record("2026-11-23T11:00:00Z", Some("no room")))));
    assert!(due(Some(record("2027-01-01T00:00:00Z", None))), "a clock that ran ahead stops it for ever");
}

const STORES: [&str; 3] = ["chat.db", "notes.db", "vectors.db"];

fn store(path: &str, rows: u64) -> StoreEntry {
    let rows = vec![TableRows { table: "t".into(), rows }];
    StoreEntry { path: path.into(), bytes: 1, rows, integrity: "ok".into() }
}

#[test]
fn the_last_point_that_holds_a_database_stays_until_it_is_said_to_be_rebuildable() {
    let holding = |id, taken, stores: &[(&str, u64)]| RestorePoint {
        stores: stores.iter().map(|(path, rows)| store(path, *rows)).collect(),
        ..good(id, taken)
    };
    let points = [
        holding("5", "2026-11-23T10:00:00Z", &[("chat.db", 9)]),
        holding("4", "2026-05-04T10:00:00Z", &[("chat.db", 9), ("notes.db", 0)]),
        holding("3", "2026-05-03T10:00:00Z", &[("chat.db", 9), ("notes.db", 7), ("tags.db", 1)]),
        holding("2", "2026-05-02T10:00:00Z", &[("notes.db", 7), ("vectors.db", 5)]),
        holding("1", "2026-05-01T10:00:00Z", &[("chat.db", 9), ("notes.db", 7), ("vectors.db", 5)]),
    ];
    let keep = Keep { last: 1, ..NONE };
    let fates = berlin(&points, &keep);
    assert_eq!(kept(&fates), ["5", "3", "2"]);
    assert_eq!(fates[2].reasons[0].text, "the last that holds notes.db and 1 more");
    let keep = Keep { rebuildable: vec!["vectors.db".into()], ..keep };
    assert_eq!(kept(&berlin(&points, &keep)), ["5", "3"]);
}

fn points() -> impl Strategy<Value = Vec<RestorePoint>> {
    // Up to three years, dense in the last days: each rule has something to decide.
    let ago = prop_oneof![0..6_000_i64, 0..100_000_i64, 0..1_600_000_i64];
    let stores = prop::collection::btree_set(prop::sample::select(STORES.to_vec()), 0..=STORES.len());
    let one = (ago, any::<bool>(), 0..3_u8, stores);
    prop::collection::vec(one, 0..60).prop_map(|all| {
        let newest: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
        let one = |(n, (minutes, verified, kind, stores)): (usize, (i64, bool, u8, BTreeSet<&str>))| {
            let taken = WallTime(newest - jiff::SignedDuration::from_mins(minutes));
            let kind = [PointKind::Manual, PointKind::Scheduled, PointKind::Safety][usize::from(kind)];
            let stores = stores.into_iter().map(|path| store(path, 1)).collect();
            RestorePoint { stores, ..point(&n.to_string(), taken, verified, kind) }
        };
        all.into_iter().enumerate().map(one).collect()
    })
}

fn keep() -> impl Strategy<Value = Keep> {
    let few = 0..5_u32;
    let within = prop::option::of((0..2_000_000_u64).prop_map(Duration::from_secs));
    (few.clone(), few.clone(), few.clone(), few.clone(), few.clone(), few, within).prop_map(
        |(last, hourly, daily, weekly, monthly, yearly, within)| Keep {
            last,
            hourly,
            daily,
            weekly,
            monthly,
            yearly,
            within,
            rebuildable: Vec::new(),
            automatic: true,
        },
    )
}

fn zone() -> impl Strategy<Value = TimeZone> {
    prop::sample::select(vec!["UTC", "Europe/Berlin", "America/Havana", "Pacific/Kiritimati"])
        .prop_map(|name| TimeZone::get(name).unwrap())
}

fn going(fates: &[Fate]) -> BTreeSet<String> {
    fates.iter().filter(|f| !f.keep).map(|f| f.id.clone()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_last_verified_point_and_what_an_undo_needs_never_go(
        points in points(), keep in keep(), zone in zone(), pinned in 0..60_usize,
    ) {
        let pins: Vec<Pin> =
            points.get(pinned).map(|p| Pin { id: p.id.clone(), why: "needed".into() }).into_iter().collect();
        let fates = judge(&points, &keep, &pins, at(NOW), &zone);
        prop_assert_eq!(fates.len(), points.len());
        prop_assert!(fates.iter().all(|f| !f.reasons.is_empty()));
        let going = going(&fates);
        let is_good = |p: &&RestorePoint| p.verified.is_some() && p.kind != PointKind::Safety;
        // Of two of one moment either may be the last.
        let newest_of = |all: Vec<&RestorePoint>| all.iter().map(|p| p.taken).max();
        for class in [
            points.iter().collect::<Vec<_>>(),
            points.iter().filter(|p| p.verified.is_some()).collect(),
            points.iter().filter(is_good).collect(),
        ] {
            let newest = newest_of(class.clone());
            let left = newest_of(class.into_iter().filter(|p| !going.contains(&p.id)).collect());
            prop_assert_eq!(newest, left);
        }
        for safety in points.iter().filter(|p| p.kind == PointKind::Safety) {
            let after = points.iter().filter(is_good).filter(|p| p.taken > safety.taken).count();
            prop_assert!(after >= 2 || !going.contains(&safety.id), "an undo lost its safety point");
        }
        prop_assert!(pins.iter().all(|pin| !going.contains(&pin.id)));
        for path in STORES {
            let holds = |p: &&RestorePoint| is_good(p) && p.stores.iter().any(|s| s.path == path);
            let newest = newest_of(points.iter().filter(holds).collect());
            let left = newest_of(points.iter().filter(holds).filter(|p| !going.contains(&p.id)).collect());
            prop_assert_eq!(newest, left, "the last {} is lost", path);
        }
    }

    #[test]
    fn a_second_time_nothing_more_goes(points in points(), keep in keep(), zone in zone()) {
        let first = going(&judge(&points, &keep, &[], at(NOW), &zone));
        let left: Vec<RestorePoint> = points.into_iter().filter(|p| !first.contains(&p.id)).collect();
        let second = going(&judge(&left, &keep, &[], at(NOW), &zone));
        prop_assert!(second.is_empty(), "{:?}", second);
    }

    #[test]
    fn a_clock_that_is_set_back_removes_nothing_that_would_have_stayed(
        points in points(), keep in keep(), zone in zone(), back in 0..1_600_000_i64,
    ) {
        let before = WallTime(at(NOW).0 - jiff::SignedDuration::from_mins(back));
        let earlier = going(&judge(&points, &keep, &[], before, &zone));
        let later = going(&judge(&points, &keep, &[], at(NOW), &zone));
        prop_assert!(earlier.is_subset(&later), "{:?}", earlier.difference(&later));
    }

    #[test]
    fn a_verified_point_stays_whatever_others_lie_beside_it_unverified(
        points in points(), keep in keep(), zone in zone(),
    ) {
        let good: Vec<RestorePoint> =
            points.iter().filter(|p| p.verified.is_some() && p.kind != PointKind::Safety).cloned().collect();
        // Seen from the same newest point, or `within` would measure from another one.
        let keep = Keep { within: None, ..keep };
        let alone = going(&judge(&good, &keep, &[], at(NOW), &zone));
        let among = going(&judge(&points, &keep, &[], at(NOW), &zone));
        for point in good.iter().filter(|p| !alone.contains(&p.id)) {
            prop_assert!(!among.contains(&point.id), "{} was pushed out", point.id);
        }
    }
}
