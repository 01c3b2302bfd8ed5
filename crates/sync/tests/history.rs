//! Promises of the run history: it outlives versions, torn writes and many runs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![allow(clippy::disallowed_methods, reason = "the tests measure in real time")]

mod common;

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use common::Place;
use steady_model::job::{Outcome, RunRecord};
use steady_model::process::Exit;
use steady_sync::SyncEvent;

async fn load(place: &Place) -> Vec<RunRecord> {
    let mut job = place.start(place.job("true"));
    let SyncEvent::History { runs, .. } = job.next().await else { panic!("the history comes first") };
    runs
}

fn file(place: &Place) -> PathBuf {
    place.at("home/runs/daily-sync.jsonl")
}

fn put(place: &Place, text: &str) {
    fs::create_dir_all(place.at("home/runs")).unwrap();
    fs::write(file(place), text).unwrap();
}

const V1: &str = include_str!("fixtures/runs-v1.jsonl");

#[tokio::test]
async fn records_of_version_1_are_read() {
    let place = Place::new();
    put(&place, V1);
    let runs = load(&place).await;
    assert_eq!(runs.len(), 2);
    assert_eq!(runs[0].outcome, Outcome::Partial { why: "inbox_complete: failed 1".into() });
    assert_eq!(runs[0].milestones[0].fields["failed"], 1);
    assert_eq!((&runs[1].outcome, runs[1].exit), (&Outcome::Killed, Some(Exit::Signal(9))));
}

#[tokio::test]
async fn lines_that_cannot_be_read_hide_no_others() {
    let place = Place::new();
    put(
        &place,
        &format!(
            "{{\"version\":9,\"kind\":\"started\",\"run\":\"x\",\"at\":\"2026-02-24T20:00:00Z\"}}\nnonsense\n\n\u{0}\n{V1}"
        ),
    );
    assert_eq!(load(&place).await.len(), 2);
}

#[tokio::test]
async fn a_torn_last_line_loses_neither_what_was_before_nor_what_comes_after() {
    let place = Place::new();
    put(&place, V1);
    let mut torn = fs::OpenOptions::new().append(true).open(file(&place)).unwrap();
    torn.write_all(br#"{"version":1,"kind":"finished","record":{"id":"01KA"#).unwrap();
    let mut job = place.start(place.job("true"));
    assert!(matches!(job.next().await, SyncEvent::History { runs, .. } if runs.len() == 2));
    let record = job.run().await;
    let runs = load(&place).await;
    assert_eq!(runs.len(), 3);
    assert_eq!(runs[2], record);
}

#[tokio::test]
async fn the_file_is_bounded_and_keeps_the_newest() {
    let place = Place::new();
    let line = V1.lines().nth(1).unwrap();
    let many: String = (0..900).map(|n| line.replace("0000000001", &format!("{n:010}")) + "\n").collect();
    put(&place, &many);
    let mut job = place.start(place.job("true"));
    let record = job.run().await;
    job.handle.shutdown().await;
    assert!(fs::read_to_string(file(&place)).unwrap().lines().count() < 210);
    let runs = load(&place).await;
    assert_eq!(runs.len(), 200);
    assert_eq!(runs[199], record);
    assert!(runs[198].id.ends_with("0000000899"), "{}", runs[198].id);
}
