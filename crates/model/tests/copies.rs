//! When a copy of the restore points is well.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use steady_model::check::Status;
use steady_model::config::{self, Roots};
use steady_model::copy::{CopyFacts, judge_copy};
use steady_model::time::WallTime;

const DAY: Duration = Duration::from_hours(24);

fn day(n: u32) -> WallTime {
    let start: WallTime = serde_json::from_str("\"2026-11-01T12:00:00Z\"").unwrap();
    start.after(DAY * n)
}

fn copied(newest: u32) -> CopyFacts {
    CopyFacts { ready: true, points: 1, newest: Some(day(newest)), ..CopyFacts::default() }
}

fn judged(facts: &CopyFacts, verified: Option<u32>, now: u32) -> (Status, String, &'static str) {
    judge_copy(facts, verified.map(day), 3 * DAY, day(now))
}

#[test]
fn an_unplugged_disk_is_told_by_age_alone() {
    let away = CopyFacts { absent: true, error: Some("not there".into()), ..copied(1) };
    let (status, phrase, _) = judged(&away, Some(3), 3);
    assert_eq!(
        (status, phrase.as_str()),
        (Status::Pass, "newest copied point: 2 d ago, its place is not there")
    );
    let (status, phrase, action) = judged(&away, Some(5), 5);
    assert_eq!(status, Status::Warn);
    assert_eq!(phrase, "newest copied point: 4 d ago, its place is not there, which is too long");
    assert_eq!(action, "Attach the disk; the copy is then made by itself");
}

#[test]
fn a_copy_that_has_the_newest_point_is_well_however_old_that_is() {
    assert_eq!(judged(&copied(1), Some(1), 20).0, Status::Pass);
    assert_eq!(judged(&copied(1), Some(2), 20).0, Status::Warn);
}

#[test]
fn a_failure_and_a_copy_that_was_never_set_up_are_told_at_once() {
    let failed = CopyFacts { error: Some("no space".into()), ..copied(3) };
    let (status, phrase, _) = judged(&failed, Some(3), 3);
    assert_eq!((status, phrase.as_str()), (Status::Warn, "no space"));
    let (status, _, action) = judged(&CopyFacts::default(), None, 3);
    assert_eq!(
        (status, action),
        (Status::Warn, "Attach the disk and run `steady backup copy NAME --init` once")
    );
    let empty = CopyFacts { ready: true, ..CopyFacts::default() };
    assert_eq!(judged(&empty, None, 3).0, Status::Pass, "there is nothing to copy");
    assert_eq!(judged(&empty, Some(2), 3).0, Status::Warn);
}

#[test]
fn a_clock_that_was_set_back_makes_no_copy_fresh() {
    assert_eq!(judged(&copied(9), Some(9), 3).0, Status::Unknown);
}

fn parse(copies: &str) -> Result<config::Config, config::ConfigError> {
    let text = format!("version = 1\n[backup]\nsource = \"data\"\n{copies}");
    let roots = Roots { base: "/home/ada".as_ref(), user_home: None };
    config::parse(&text, "steady.toml".as_ref(), roots)
}

#[test]
fn a_copy_is_configured_by_its_folder_and_nonsense_is_refused_with_its_line() {
    let config = parse("[backup.copy.usb]\nto = \"/media/usb/steady\"\nstale_after = \"5d\"\n").unwrap();
    let copies = config.backup.unwrap().copies;
    let usb = copies.first().unwrap();
    assert_eq!((usb.name.as_str(), usb.to.to_str()), ("usb", Some("/media/usb/steady")));
    assert_eq!((usb.stale_after, usb.same_volume), (5 * DAY, false));
    for (typed, why) in [
        ("[backup.copy.usb]\nto = \"data/copy\"\n", "overlaps the data directory"),
        ("[backup.copy.usb]\nto = \"/home\"\n", "overlaps the data directory"),
        ("[backup.copy.usb]\nto = \"s3:https://x/y\"\n", "must be a folder"),
        ("[backup.copy.a]\nto = \"/m/s\"\n[backup.copy.b]\nto = \"/m/s\"\n", "is the folder of a already"),
        ("[backup.copy.usb]\nto = \"/m\"\nstale_after = \"soon\"\n", "is not a duration"),
    ] {
        let error = parse(typed).unwrap_err().to_string();
        assert!(error.contains(why) && error.contains("steady.toml:"), "{error}");
    }
}
