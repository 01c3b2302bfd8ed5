//! Promises of jobs: when data count as fresh.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(clippy::type_complexity, reason = "a table of cases")]

use std::time::Duration;

use jiff::tz::TimeZone;
use proptest::prelude::*;
use steady_model::check::Status::{self, Fail, Pass, Unknown, Warn};
use steady_model::config::Job;
use steady_model::job::{AwakeLog, Freshness, Outcome, RunRecord, Seen, freshness, milestone};
use steady_model::marker::{Marker, Markers};
use steady_model::time::{AwakeInstant, Now, WallTime};

const HOUR: i64 = 3600;
const STALE_AFTER: Duration = Duration::from_secs(2 * 3600);

/// Seconds before (or, negative, after) the test's "now".
fn ago(seconds: i64) -> WallTime {
    WallTime(jiff::Timestamp::from_second(1_800_000_000 - seconds).unwrap())
}

fn good(seconds_ago: i64) -> Marker {
    Marker::At { at: ago(seconds_ago), message: None }
}

fn bad(seconds_ago: i64, message: &str) -> Marker {
    Marker::At { at: ago(seconds_ago), message: Some(message.to_owned()) }
}

fn broken() -> Marker {
    Marker::Unreadable { why: "permission denied".to_owned() }
}

fn run(seconds_ago: i64, outcome: Outcome) -> RunRecord {
    RunRecord {
        id: format!("run-{seconds_ago}"),
        job: "daily-sync".to_owned(),
        started: ago(seconds_ago + 10),
        ended: ago(seconds_ago),
        outcome,
        exit: None,
        milestones: vec![],
        tail: vec![],
        slot: None,
        part: None,
    }
}

fn failed(why: &str) -> Outcome {
    Outcome::Failed { why: why.to_owned() }
}

fn judge(completed: Marker, failed: Marker, runs: &[RunRecord]) -> Freshness {
    judge_of(&by_hand(), completed, failed, runs)
}

fn by_hand() -> Job {
    Job { stale_after: Some(STALE_AFTER), ..Job::elsewhere("daily-sync", "/data") }
}

fn judge_of(job: &Job, completed: Marker, failed: Marker, runs: &[RunRecord]) -> Freshness {
    let (markers, zone, awake) = (Markers { completed, failed }, TimeZone::UTC, AwakeLog::default());
    let seen = Seen { markers: &markers, runs, running: None, awake: &awake, zone: &zone };
    freshness(job, &seen, Now { awake: AwakeInstant::default(), wall: ago(0) })
}

#[test]
fn the_dot_follows_the_markers() {
    use Marker::Absent;
    let table: Vec<(&str, Marker, Marker, Status, &str)> = vec![
        ("fresh", good(HOUR), Absent, Pass, "synced 1 h ago"),
        ("just at the limit", good(2 * HOUR), Absent, Pass, "synced 2 h ago"),
        ("stale", good(3 * HOUR), Absent, Warn, "synced 3 h ago, which is too long"),
        ("very stale", good(5 * HOUR), Absent, Fail, "synced 5 h ago, which is too long"),
        ("never", Absent, Absent, Unknown, "never synced"),
        ("failed newer", good(HOUR), bad(60, "boom"), Warn, "last sync failed 1 min ago: boom"),
        ("failed older", good(60), bad(HOUR, "boom"), Pass, "synced 1 min ago"),
        ("failed, never succeeded", Absent, bad(60, "boom"), Warn, "last sync failed 1 min ago: boom"),
        ("failed without a word", good(HOUR), bad(60, ""), Warn, "last sync failed 1 min ago"),
        (
            "failed and stale",
            good(3 * HOUR),
            bad(60, "boom"),
            Warn,
            "last sync failed 1 min ago: boom; last good 3 h ago",
        ),
        (
            "failed once, but nothing good for days",
            good(50 * HOUR),
            bad(60, "boom"),
            Fail,
            "last sync failed 1 min ago: boom; last good 2 d ago",
        ),
        (
            "unreadable success",
            broken(),
            Absent,
            Unknown,
            "the marker .sync_completed cannot be believed: permission denied",
        ),
        (
            "an old failure beside an unreadable success",
            broken(),
            bad(HOUR, "old"),
            Unknown,
            "the marker .sync_completed cannot be believed: permission denied",
        ),
        (
            "unreadable failure",
            good(60),
            broken(),
            Unknown,
            "the marker .sync_failed cannot be believed: permission denied",
        ),
        (
            "success from the future",
            good(-HOUR),
            Absent,
            Unknown,
            "the marker .sync_completed cannot be believed: its time 2027-01-15T09:00:00Z lies in the future",
        ),
        (
            "failure from the future",
            good(60),
            bad(-HOUR, "boom"),
            Unknown,
            "the marker .sync_failed cannot be believed: its time 2027-01-15T09:00:00Z lies in the future",
        ),
        ("a clock step of a minute", good(-60), Absent, Pass, "synced just now"),
    ];
    for (name, completed, failed, status, phrase) in table {
        let judged = judge(completed, failed, &[]);
        assert_eq!((judged.status, judged.phrase.as_str()), (status, phrase), "{name}");
    }
}

#[test]
fn a_failure_is_amber_once_and_red_the_second_time_in_a_row() {
    let once = judge(good(HOUR), bad(60, "boom"), &[run(60, failed("boom"))]);
    assert_eq!(once.status, Warn, "the marker of a recorded run was counted twice");
    assert_eq!(once.failed.unwrap().why, "boom");
    let twice = [run(600, failed("first")), run(60, failed("second"))];
    let judged = judge(good(HOUR), bad(60, "second"), &twice);
    assert_eq!((judged.status, judged.phrase.as_str()), (Fail, "last sync failed 1 min ago: second"));
    let killed = judge(good(HOUR), Marker::Absent, &[run(600, Outcome::TimedOut), run(60, Outcome::Killed)]);
    assert_eq!((killed.status, killed.phrase.as_str()), (Fail, "last sync failed 1 min ago: killed"));
}

#[test]
fn partial_runs_stay_amber_and_do_not_make_the_data_fresh() {
    let partial = || Outcome::Partial { why: "inbox_complete: failed 1".to_owned() };
    let judged =
        judge(good(HOUR), Marker::Absent, &[run(900, partial()), run(600, partial()), run(60, partial())]);
    assert_eq!(judged.status, Warn);
    assert_eq!(judged.phrase, "last sync was partial 1 min ago: inbox_complete: failed 1");
    assert_eq!(judged.last_success, Some(ago(HOUR)));
    let old = judge(good(5 * HOUR), Marker::Absent, &[run(60, partial())]);
    assert_eq!(old.status, Fail, "a partial run hid that nothing was whole for long");
}

#[test]
fn a_success_clears_what_failed_before_it() {
    let runs = [run(600, failed("a")), run(300, failed("b")), run(60, Outcome::Succeeded)];
    let judged = judge(good(60), bad(300, "b"), &runs);
    assert_eq!((judged.status, judged.failed), (Pass, None));
}

#[test]
fn restored_data_are_as_old_as_their_own_marker_says() {
    let runs = [run(6 * HOUR, failed("a")), run(60, Outcome::Succeeded)];
    let judged = judge(good(30 * HOUR), Marker::Absent, &runs);
    assert_eq!((judged.status, judged.phrase.as_str()), (Fail, "synced 30 h ago, which is too long"));
    let gone = judge(Marker::Absent, Marker::Absent, &runs);
    assert_eq!(gone.status, Unknown);
    assert!(gone.phrase.contains(".sync_completed is gone"), "{}", gone.phrase);
}

#[test]
fn a_failed_run_of_our_own_shows_also_beside_an_unreadable_marker() {
    let judged = judge(broken(), Marker::Absent, &[run(60, failed("boom"))]);
    assert_eq!((judged.status, judged.phrase.as_str()), (Warn, "last sync failed 1 min ago: boom"));
}

#[test]
fn a_record_from_a_wrong_clock_neither_keeps_the_dot_green_nor_red() {
    let judged = judge(Marker::Absent, Marker::Absent, &[run(-400 * 24 * HOUR, Outcome::Succeeded)]);
    assert_eq!((judged.status, judged.phrase.as_str()), (Unknown, "never synced"));
    let judged = judge(good(60), Marker::Absent, &[run(-400 * 24 * HOUR, failed("boom"))]);
    assert_eq!(judged.status, Pass);
}

fn marker() -> impl Strategy<Value = Marker> {
    prop_oneof![
        Just(Marker::Absent),
        Just(broken()),
        (-10 * HOUR..40 * HOUR).prop_map(good),
        (-10 * HOUR..40 * HOUR).prop_map(|s| bad(s, "boom")),
    ]
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        Just(Outcome::Succeeded),
        Just(failed("x")),
        Just(Outcome::Partial { why: "y".to_owned() }),
        Just(Outcome::Killed),
        Just(Outcome::TimedOut),
    ]
}

proptest! {
    #[test]
    fn green_needs_a_fresh_success_that_nothing_contradicts(
        completed in marker(),
        failed in marker(),
        runs in prop::collection::vec((-10 * HOUR..40 * HOUR, outcome()), 0..6),
    ) {
        let runs: Vec<_> = runs.into_iter().map(|(s, o)| run(s, o)).collect();
        let judged = judge(completed.clone(), failed.clone(), &runs);
        prop_assert!(!judged.phrase.is_empty());
        if judged.status == Pass {
            let Marker::At { at, .. } = completed else {
                return Err(TestCaseError::fail("green without a success marker"));
            };
            prop_assert!(at >= ago(2 * HOUR) && at <= ago(-120));
            prop_assert!(judged.failed.is_none());
            let readable = !matches!(failed, Marker::Unreadable { .. });
            prop_assert!(readable);
            let last = runs.iter().filter(|r| r.ended <= ago(-120)).max_by_key(|r| r.ended);
            prop_assert!(last.is_none_or(|r| r.outcome == Outcome::Succeeded || r.ended <= at));
        }
    }
}

/// The first users' job marks success after each subcommand, and while all models are down.
#[test]
fn a_marker_that_a_part_or_a_partial_run_left_does_not_make_the_whole_fresh() {
    let part = RunRecord { part: Some("tasks".into()), ..run(60, Outcome::Succeeded) };
    let whole = run(3 * HOUR, Outcome::Succeeded);
    let judged = judge(good(59), Marker::Absent, &[whole.clone(), part.clone()]);
    assert_eq!((judged.status, judged.phrase.as_str()), (Warn, "synced 3 h ago, which is too long"));
    let judged = judge(good(59), bad(HOUR, "boom"), &[whole, run(HOUR, failed("boom")), part.clone()]);
    assert_eq!(judged.status, Warn, "a part cleared the failure of the whole");
    assert!(judged.phrase.starts_with("last sync failed 1 h ago: boom"), "{}", judged.phrase);
    let judged = judge(good(59), Marker::Absent, &[part]);
    assert_eq!(judged.status, Unknown);
    assert!(judged.phrase.contains("only a part (tasks)"), "{}", judged.phrase);

    // Within the same seconds, too: a marker is of the run that it is nearest to.
    let just_before = RunRecord { started: ago(62), ended: ago(61), ..run(61, Outcome::Succeeded) };
    let part = RunRecord { started: ago(60), part: Some("tasks".into()), ..run(59, Outcome::Succeeded) };
    let judged = judge(good(59), Marker::Absent, &[just_before.clone(), part.clone()]);
    assert_eq!(judged.last_success, Some(ago(61)));
    let judged = judge(good(61), Marker::Absent, &[just_before, part]);
    assert_eq!(judged.last_success, Some(ago(61)), "the next run took its marker");

    let partial = run(60, Outcome::Partial { why: "inbox_complete: failed 1".into() });
    let judged = judge(good(61), Marker::Absent, &[partial]);
    assert_eq!(judged.status, Warn, "the job's own marker hid that it was partial");
}

#[test]
fn a_slot_that_was_missed_is_no_attempt() {
    let judged = judge(good(60), Marker::Absent, &[run(30, Outcome::Missed), run(20, Outcome::Missed)]);
    assert_eq!((judged.status, judged.failed), (Pass, None));
}

proptest! {
    #[test]
    fn no_line_makes_the_milestone_parser_panic(line in any::<String>(), braces in "[{}\"a:event, ]{0,60}") {
        let _ = milestone(&line);
        let _ = milestone(&braces);
    }

    #[test]
    fn a_milestone_survives_any_prefix_without_braces(prefix in "[^{]{0,40}", n in any::<i64>()) {
        let line = format!(r#"{prefix}{{"event":"x","n":{n}}}"#);
        let found = milestone(&line).unwrap();
        prop_assert_eq!(found.event, "x");
        prop_assert_eq!(found.fields["n"].as_i64(), Some(n));
    }
}
