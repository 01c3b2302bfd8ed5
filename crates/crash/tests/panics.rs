//! Real processes that panic.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::{Command, Output};

use steady_crash::Store;
use steady_model::crash::{CrashReport, CrashSubject};

fn panics(home: &Path, how: &str) -> (Output, Vec<CrashReport>) {
    let out = Command::new(env!("CARGO_BIN_EXE_steady-crash-fixture"))
        .arg(home)
        .arg(how)
        .env("API_KEY", "sk-not-for-reports")
        .output()
        .unwrap();
    let store = Store::of(home);
    let listing = store.list().unwrap();
    assert!(listing.damaged.is_empty(), "{:?}", listing.damaged);
    let reports = listing.reports.iter().map(|r| store.read(&r.id).unwrap()).collect();
    (out, reports)
}

#[test]
fn a_panic_leaves_its_message_place_and_backtrace_and_no_environment() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("sink.err"), "before the end\n").unwrap();
    let (out, reports) = panics(home.path(), "once");
    assert_eq!(out.status.code(), Some(101), "it ends as every panic does");
    assert!(String::from_utf8_lossy(&out.stderr).contains("the book said 7"), "the usual words stay");
    let report = &reports[0];
    assert_eq!(report.subject, CrashSubject::Sink);
    assert!(
        report.cause.starts_with("panic at crates/crash/fixture/main.rs:")
            && report.cause.ends_with("thread main: the book said 7"),
        "{}",
        report.cause
    );
    assert!(report.backtrace.as_deref().unwrap().contains("deep_in_the_sink"));
    assert_eq!(report.log, ["before the end"]);
    assert!(report.pid.is_some() && report.uptime_ms.is_some());
    assert!(!serde_json::to_string(report).unwrap().contains("sk-not-for-reports"));
}

#[test]
fn a_panic_within_a_panic_is_aborted_as_ever_and_both_are_reported() {
    let home = tempfile::tempdir().unwrap();
    let (out, reports) = panics(home.path(), "nested");
    assert_eq!(out.status.code(), None, "aborted by a signal");
    assert!(reports.iter().any(|r| r.cause.contains("the book said 7")), "{reports:#?}");
    assert!(reports.iter().any(|r| r.cause.contains("a second panic")), "{reports:#?}");
}

#[test]
fn a_storm_of_panics_leaves_five_reports() {
    let home = tempfile::tempdir().unwrap();
    let (out, reports) = panics(home.path(), "storm");
    assert!(out.status.success(), "panics that are caught end nothing");
    assert!(!reports.is_empty() && reports.len() <= 5, "{}", reports.len());
}

#[test]
fn a_home_that_cannot_be_written_changes_nothing_about_a_panic() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("home");
    std::fs::write(&home, "a file where the home should be").unwrap();
    let out =
        Command::new(env!("CARGO_BIN_EXE_steady-crash-fixture")).arg(&home).arg("once").output().unwrap();
    assert_eq!(out.status.code(), Some(101));
    assert!(String::from_utf8_lossy(&out.stderr).contains("the book said 7"));
}
