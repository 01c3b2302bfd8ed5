//! Promises of jobs: what a run's output says, and how it is judged.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(clippy::type_complexity, reason = "a table of cases")]

use steady_model::config::Job;
use steady_model::job::{Milestone, Outcome, Rules, Told, judge_run, milestone};
use steady_model::process::Exit;

fn failed(why: &str) -> Outcome {
    Outcome::Failed { why: why.to_owned() }
}

fn by_hand() -> Job {
    Job::elsewhere("daily-sync", "/data")
}

fn parsed(line: &str) -> Option<(String, usize)> {
    milestone(line).map(|m| (m.event, m.fields.len()))
}

#[test]
fn milestones_are_found_also_behind_a_log_prefix() {
    let some = |e: &str, n| Some((e.to_owned(), n));
    assert_eq!(
        parsed(r#"{"event":"sync_complete","command":"all","duration_ms":7}"#),
        some("sync_complete", 2)
    );
    assert_eq!(
        parsed(
            r#"2026-02-24 21:00:03 [INFO] secondbrain.scripts: {"event": "inbox_complete", "processed": 1}"#
        ),
        some("inbox_complete", 1)
    );
    assert_eq!(parsed("prefix {with} braces {\"event\":\"a\"}  \r"), some("a", 0));
    for none in [
        "",
        "{",
        "plain text",
        r#"{"event":1}"#,
        r#"{"event":""}"#,
        r#"{"other":"x"}"#,
        r#"{"event":"cut off""#,
        r#"{"event":"a"} trailing"#,
        r#"["event"]"#,
    ] {
        assert_eq!(parsed(none), None, "{none:?}");
    }
}

fn stones(lines: &[&str]) -> Vec<Milestone> {
    lines.iter().map(|l| milestone(l).unwrap()).collect()
}

#[test]
fn a_run_is_judged_by_its_exit_and_by_what_it_admits() {
    let all_good: &[&str] = &[
        r#"{"event":"inbox_complete","processed":3,"failed":0}"#,
        r#"{"event":"extraction_complete","summary":"Extracted 3, failed 0, skipped 4"}"#,
        r#"{"event":"sync_complete","command":"all"}"#,
    ];
    let partial = |why: &str| Outcome::Partial { why: why.to_owned() };
    let table: Vec<(&str, Exit, &[&str], &[&str], Outcome)> = vec![
        ("all good", Exit::Code(0), all_good, &["done"], Outcome::Succeeded),
        ("no milestones", Exit::Code(0), &[], &[], Outcome::Succeeded),
        ("output alone proves nothing", Exit::Code(0), &[], &["3 of 4 failed 1"], Outcome::Succeeded),
        ("exit code", Exit::Code(3), all_good, &["boom", " "], failed("exit code 3: boom")),
        ("exit code, silent", Exit::Code(1), &[], &[], failed("exit code 1")),
        (
            "exit code and its own word",
            Exit::Code(1),
            &[r#"{"event":"sync_failed","error":"bad note"}"#],
            &["Traceback"],
            failed("exit code 1: bad note"),
        ),
        ("signal", Exit::Signal(9), all_good, &[], Outcome::Killed),
        (
            "says that it failed and exits 0",
            Exit::Code(0),
            &[r#"{"event":"sync_failed","error":"bad note"}"#],
            &[],
            failed("sync_failed: bad note"),
        ),
        (
            "failed count",
            Exit::Code(0),
            &[r#"{"event":"inbox_complete","processed":1,"failed":2}"#],
            &[],
            partial("inbox_complete: failed 2"),
        ),
        (
            "all models down",
            Exit::Code(0),
            &[r#"{"event":"extraction_complete","summary":"Extracted 0, failed 1, skipped 0"}"#],
            &[],
            partial("extraction_complete: Extracted 0, failed 1, skipped 0"),
        ),
        (
            "index down",
            Exit::Code(0),
            &[
                r#"{"event":"reindex_complete","summary":"Reindex trigger written (server Not Reachable; later)"}"#,
            ],
            &[],
            partial("reindex_complete: Reindex trigger written (server Not Reachable; later)"),
        ),
        (
            "a part says that it failed",
            Exit::Code(0),
            &[r#"{"event":"feed_failed","error":"timeout"}"#, r#"{"event":"sync_complete"}"#],
            &[],
            partial("feed_failed: timeout"),
        ),
    ];
    for (name, exit, milestones, tail, want) in table {
        let tail: Vec<String> = tail.iter().map(|l| (*l).to_owned()).collect();
        let milestones = &stones(milestones);
        assert_eq!(judge_run(exit, Told { milestones, tail: &tail, admitted: &[] }), want, "{name}");
    }
}

#[test]
fn a_line_that_the_jobs_own_rules_name_makes_a_run_partial_and_no_other_does() {
    let job = Job { partial: vec!["(?i)retry limit".into(), "^E:".into()], ..by_hand() };
    let rules = Rules::of(&job);
    let admitted: Vec<String> = ["ok", "note 3: Retry Limit reached", "E: no model", "an E: in the middle"]
        .map(str::to_owned)
        .into_iter()
        .filter(|line| rules.admits(line))
        .collect();
    let outcome = judge_run(Exit::Code(0), Told { admitted: &admitted, ..Told::default() });
    let why = "note 3: Retry Limit reached; E: no model".to_owned();
    assert_eq!(outcome, Outcome::Partial { why });
    assert_eq!(judge_run(Exit::Code(0), Told::default()), Outcome::Succeeded);
}

#[test]
fn a_run_of_a_subcommand_is_a_part_only_where_the_whole_is_named() {
    let tasks = stones(&[r#"{"event":"sync_complete","command":"tasks"}"#]);
    let all = stones(&[r#"{"event":"sync_complete","command":"all"}"#]);
    let named = Rules::of(&Job { whole: Some("all".into()), ..by_hand() });
    assert_eq!(named.part(&tasks).as_deref(), Some("tasks"));
    assert_eq!(named.part(&all), None);
    assert_eq!(Rules::of(&by_hand()).part(&tasks), None);
    assert_eq!(named.part(&[]), None);
}
