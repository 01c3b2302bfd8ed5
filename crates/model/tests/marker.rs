//! Promises of the marker files: the first users' texts are understood, ours are read back, nothing panics.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use jiff::tz::{TimeZone, offset};
use jiff::{Timestamp, ToSpan};
use proptest::prelude::*;
use steady_model::marker::{Marker, believe, format_completed, format_failed, parse_completed, parse_failed};
use steady_model::time::WallTime;

fn t(text: &str) -> WallTime {
    WallTime(text.parse().unwrap())
}

fn berlin() -> TimeZone {
    TimeZone::get("Europe/Berlin").unwrap()
}

#[test]
fn times_of_the_first_users_are_read_as_local_and_offsets_are_obeyed() {
    for (text, utc) in [
        ("2026-02-24T21:00:03.123456", "2026-02-24T20:00:03.123456Z"),
        ("2026-02-24T21:00:03", "2026-02-24T20:00:03Z"),
        ("2026-02-24 21:00:03\n", "2026-02-24T20:00:03Z"),
        ("2026-02-24T21:00:03Z", "2026-02-24T21:00:03Z"),
        ("2026-02-24T21:00:03+05:00", "2026-02-24T16:00:03Z"),
        ("2026-07-01T12:00:00", "2026-07-01T10:00:00Z"),
    ] {
        assert_eq!(parse_completed(text, &berlin()), Marker::At { at: t(utc), message: None }, "{text:?}");
    }
}

#[test]
fn a_failure_keeps_its_message_whole_also_with_colons_in_it() {
    for (text, message) in [
        ("2026-02-24T21:00:03.5: 'utf-8' codec: can't decode\n", "'utf-8' codec: can't decode"),
        ("2026-02-24T21:00:03.5: ", ""),
        ("2026-02-24T21:00:03.5", ""),
        ("2026-02-24T21:00:03.5:", ""),
        ("2026-02-24T21:00:03.5: two\nlines", "two\nlines"),
    ] {
        let want = Marker::At { at: t("2026-02-24T20:00:03.5Z"), message: Some(message.to_owned()) };
        assert_eq!(parse_failed(text, &berlin()), want, "{text:?}");
    }
}

#[test]
fn texts_without_a_time_are_unreadable_and_quoted() {
    for text in ["", "ok", "1234", "2026-13-40T00:00:00", "\0\0\0\0", "yesterday: it broke"] {
        for marker in [parse_completed(text, &berlin()), parse_failed(text, &berlin())] {
            assert!(matches!(marker, Marker::Unreadable { .. }), "{text:?} gave {marker:?}");
        }
    }
    let Marker::Unreadable { why } = parse_completed("nonsense", &berlin()) else { panic!() };
    assert_eq!(why, r#"no time in "nonsense""#);
}

#[test]
fn the_repeated_hour_reads_as_its_first_pass_and_the_skipped_hour_as_the_hour_after() {
    let first_pass = Marker::At { at: t("2026-10-25T00:30:00Z"), message: None };
    assert_eq!(parse_completed("2026-10-25T02:30:00", &berlin()), first_pass);
    let after_gap = Marker::At { at: t("2026-03-29T01:30:00Z"), message: None };
    assert_eq!(parse_completed("2026-03-29T02:30:00", &berlin()), after_gap);
}

#[test]
fn a_marker_from_the_future_is_not_believed_but_a_small_clock_step_is() {
    let now = t("2026-02-24T20:00:00Z");
    let at = |seconds: i64| Marker::At { at: WallTime(now.0 + seconds.seconds()), message: None };
    assert_eq!(believe(&at(-1), now), at(-1));
    assert_eq!(believe(&at(120), now), at(120));
    let Marker::Unreadable { why } = believe(&at(121), now) else { panic!("it was believed") };
    assert!(why.contains("lies in the future"), "{why}");
    let end = WallTime(Timestamp::MAX);
    assert_eq!(believe(&Marker::At { at: end, message: None }, end), Marker::At { at: end, message: None });
}

#[test]
fn our_text_is_the_first_users_form() {
    let at = t("2026-02-24T20:00:03.000120Z");
    assert_eq!(format_completed(at, &berlin()), "2026-02-24T21:00:03.000120");
    assert_eq!(
        format_failed(at, "exit code 1:\n  boom", &berlin()),
        "2026-02-24T21:00:03.000120: exit code 1: boom"
    );
}

prop_compose! {
    fn time()(micros in 0i64..4_000_000_000_000_000) -> WallTime {
        WallTime(Timestamp::from_microsecond(micros).unwrap())
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_parsers_panic(text in any::<String>(), bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for text in [text.as_str(), &String::from_utf8_lossy(&bytes)] {
            let _ = parse_completed(text, &berlin());
            let _ = parse_failed(text, &berlin());
        }
    }

    #[test]
    fn broken_times_do_not_panic_either(text in "[0-9]{1,6}-[0-9]{1,3}-[0-9]{1,3}[T ][0-9:.+Z\\[\\]-]{0,30}(: .{0,20})?") {
        let _ = parse_completed(&text, &berlin());
        let _ = parse_failed(&text, &berlin());
    }

    #[test]
    fn what_we_write_we_read_back(at in time(), hours in -12i8..=14, message in "[ -~]{0,80}") {
        let zone = TimeZone::fixed(offset(hours));
        prop_assert_eq!(
            parse_completed(&format_completed(at, &zone), &zone),
            Marker::At { at, message: None }
        );
        let flat = message.split_whitespace().collect::<Vec<_>>().join(" ");
        prop_assert_eq!(
            parse_failed(&format_failed(at, &message, &zone), &zone),
            Marker::At { at, message: Some(flat) }
        );
    }

    #[test]
    fn with_summer_time_a_round_trip_is_off_by_the_repeated_hour_at_most(at in time()) {
        let Marker::At { at: back, .. } = parse_completed(&format_completed(at, &berlin()), &berlin()) else {
            return Err(TestCaseError::fail("unreadable"));
        };
        let off = at.0.duration_since(back.0).as_secs();
        prop_assert!(off == 0 || off == 3600, "{off} s");
    }
}
