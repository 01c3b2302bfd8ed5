//! Promises of jobs that run elsewhere: their log tells of what their markers hide.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![allow(clippy::disallowed_methods, reason = "the tests measure in real time")]

mod common;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

use common::{Place, Running};
use steady_model::config::Job;
use steady_model::job::{Outcome, RunRecord};
use steady_sync::SyncEvent;

const PREFIX: &str = "2026-02-24 21:00:03 [INFO] secondbrain.scripts:";

fn say(log: &Path, lines: &[&str]) {
    let mut file = OpenOptions::new().create(true).append(true).open(log).unwrap();
    for line in lines {
        writeln!(file, "{PREFIX} {line}").unwrap();
    }
}

/// A followed job whose log has been found; what was in it before does not count.
async fn followed(place: &Place) -> Running {
    let log = place.at("data/sync.log");
    say(&log, &[r#"{"event":"sync_complete","command":"from another day"}"#]);
    let spec = Job {
        output: Some(log.clone()),
        whole: Some("all".into()),
        partial: vec!["retry limit".into()],
        ..Job::elsewhere("daily-sync", place.at("data"))
    };
    let mut job = place.start(spec);
    // The end of the log is where it stood when it was first read: say something until it is heard.
    loop {
        say(&log, &[r#"{"event":"sync_complete","command":"all"}"#]);
        let heard = tokio::time::timeout(std::time::Duration::from_millis(200), noted(&mut job)).await;
        if let Ok(record) = heard {
            assert_eq!((record.outcome, record.part), (Outcome::Succeeded, None));
            break;
        }
    }
    while tokio::time::timeout(std::time::Duration::from_millis(200), noted(&mut job)).await.is_ok() {}
    job
}

async fn noted(job: &mut Running) -> RunRecord {
    loop {
        if let SyncEvent::Noted { record, .. } = job.next().await {
            return record;
        }
    }
}

#[tokio::test]
async fn a_run_elsewhere_is_seen_whole_in_part_partial_and_failed() {
    let place = Place::new();
    let mut job = followed(&place).await;
    let log = place.at("data/sync.log");

    say(&log, &[r#"{"event":"sync_complete","command":"tasks","duration_ms":5000}"#]);
    let part = noted(&mut job).await;
    assert_eq!(part.part.as_deref(), Some("tasks"));
    assert!(!part.is_whole());
    assert_eq!(part.ended.since(part.started).unwrap().as_secs(), 5);

    say(
        &log,
        &[
            r#"{"event":"inbox_complete","processed":1}"#,
            r#"{"event":"extraction_complete","summary":"Extracted 0, failed 1, skipped 4"}"#,
            r#"{"event":"sync_complete","command":"all"}"#,
        ],
    );
    let partial = noted(&mut job).await;
    let why = "extraction_complete: Extracted 0, failed 1, skipped 4".to_owned();
    assert_eq!(partial.outcome, Outcome::Partial { why });
    assert_eq!(partial.milestones.len(), 3);

    say(&log, &["note 7: retry limit reached", r#"{"event":"sync_complete","command":"all"}"#]);
    assert!(matches!(noted(&mut job).await.outcome, Outcome::Partial { why } if why.contains("retry limit")));

    say(&log, &[r#"{"event":"sync_failed","error":"bad note"}"#]);
    assert!(matches!(noted(&mut job).await.outcome, Outcome::Failed { why } if why.contains("bad note")));

    say(&log, &[r#"{"event":"sync_complete","command":"all"}"#]);
    let good = noted(&mut job).await;
    assert!(good.is_whole(), "what came before clung to it: {good:?}");

    let mut again = place.start(Job::elsewhere("daily-sync", place.at("data")));
    let SyncEvent::History { runs, .. } = again.next().await else { panic!("the history comes first") };
    assert_eq!(runs.last(), Some(&good), "it was not kept");
}

#[tokio::test]
async fn a_log_that_is_rotated_or_emptied_is_followed_on() {
    let place = Place::new();
    let mut job = followed(&place).await;
    let log = place.at("data/sync.log");
    let told = |n: u32| format!(r#"{{"event":"sync_complete","command":"part-{n}"}}"#);

    say(&log, &[&told(1)]);
    fs::rename(&log, place.at("data/sync.log.old")).unwrap();
    say(&log, &[&told(2)]);
    assert_eq!(noted(&mut job).await.part.as_deref(), Some("part-1"));
    assert_eq!(noted(&mut job).await.part.as_deref(), Some("part-2"));

    fs::remove_file(&log).unwrap();
    say(&log, &[&told(3)]);
    assert_eq!(noted(&mut job).await.part.as_deref(), Some("part-3"));
}
