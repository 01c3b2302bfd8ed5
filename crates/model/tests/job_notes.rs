//! Promises of notes: a job that is not like itself is mentioned, and one that is, is not.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use steady_model::job::{Milestone, Outcome, RunRecord, milestone, notes};
use steady_model::time::WallTime;

fn run(n: i64, took: i64, line: &str) -> RunRecord {
    let at = |second| WallTime(jiff::Timestamp::from_second(1_800_000_000 + n * 3600 + second).unwrap());
    RunRecord {
        id: n.to_string(),
        job: "sync".into(),
        started: at(0),
        ended: at(took),
        outcome: Outcome::Succeeded,
        exit: None,
        milestones: milestone(line).into_iter().collect::<Vec<Milestone>>(),
        tail: vec![],
        slot: None,
        part: None,
    }
}

fn lasting(seconds: &[i64]) -> Vec<String> {
    let runs: Vec<RunRecord> =
        seconds.iter().enumerate().map(|(n, took)| run(n.cast_signed() as i64, *took, "")).collect();
    notes(&runs)
}

#[test]
fn a_run_far_shorter_or_longer_than_its_own_past_is_noted() {
    assert_eq!(
        lasting(&[240, 250, 260, 230, 240, 47]),
        ["the last run took 47 s, much less than its 4 min usually"]
    );
    assert_eq!(
        lasting(&[240, 250, 260, 230, 240, 900]),
        ["the last run took 15 min, much more than its 4 min usually"]
    );
    assert!(lasting(&[240, 250, 260, 230, 240, 60]).is_empty(), "a quarter is within its ways");
    assert!(lasting(&[240, 250, 47]).is_empty(), "two runs are no past");
    assert!(lasting(&[1, 1, 1, 1, 1, 8]).is_empty(), "seconds vary by themselves");
}

fn saying(summaries: &[&str]) -> Vec<String> {
    let runs: Vec<RunRecord> = summaries
        .iter()
        .enumerate()
        .map(|(n, s)| {
            run(n.cast_signed() as i64, 60, &format!(r#"{{"event":"extraction_complete","summary":"{s}"}}"#))
        })
        .collect();
    notes(&runs)
}

/// Their hash did not match: all 35 notes were extracted again in every hour, for three hundred dollars a month.
#[test]
fn the_same_full_amount_of_work_every_run_is_noted() {
    let all = "Extracted 35, failed 0, skipped 0";
    let note = "4 runs in a row said \"Extracted 35\" (extraction_complete): the same work each time?";
    assert_eq!(saying(&[all, all, all, all]), [note]);
    assert_eq!(saying(&["All notes up to date", all, all, all, all]), [note]);
    assert!(saying(&[all, all, all]).is_empty(), "three may be an accident");
    assert!(saying(&[all, all, all, all, "All notes up to date"]).is_empty(), "it ended");
    let few = "Extracted 2, failed 0, skipped 33";
    assert!(saying(&[few, few, few, few]).is_empty(), "most was skipped as it should be");
    assert!(saying(&["Extracted 1", "Extracted 3", "Extracted 1", "Extracted 2"]).is_empty());
}
