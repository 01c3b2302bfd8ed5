//! `brain sync`, the daily job, against the running server and without one.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends where it is surprised"
)]
#![allow(clippy::disallowed_methods, reason = "the tests wait in real time")]

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;

use common::{World, milestones, read};
use serde_json::{Value, json};

fn events(log: &str) -> Vec<String> {
    milestones(log).iter().map(|m| m["event"].as_str().unwrap().to_owned()).collect()
}

/// A port which nobody listens on.
fn nobody() -> String {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    format!("http://127.0.0.1:{port}")
}

#[tokio::test]
async fn a_sync_by_hand_asks_the_server_and_leaves_a_fresh_marker() {
    let world = World::new();
    world.note("a.md", "quince");
    let brain = world.serve();
    let (code, log) = world.sync(&["--port", &brain.port.to_string()], &[]);
    assert_eq!(code, Some(0), "{log}");
    assert_eq!(events(&log), ["reindex_complete", "sync_complete"]);
    // The server may have seen the note before it was asked.
    assert!(milestones(&log)[0]["files"].as_u64() <= Some(1), "{log}");
    assert_eq!(milestones(&log)[1]["command"], "all");
    assert!(!log.contains("indexing directly"), "{log}");
    let line = log.lines().find(|l| l.contains("reindex_complete")).unwrap();
    let (prefix, _) = line.split_once(" [INFO] brain.sync: {").unwrap();
    assert!(prefix.len() == 19 && prefix.as_bytes()[10] == b' ', "YYYY-MM-DD HH:MM:SS, got {prefix:?}");
    assert_eq!(brain.search("quince").await, ["a.md"]);
    let (_, status) = brain.get("/api/v1/admin/sync-status").await;
    assert_eq!((&status["status"], &status["hours_ago"]), (&json!("ok"), &json!(0.0)), "{status}");
}

#[tokio::test]
async fn without_a_server_the_job_indexes_directly() {
    let world = World::new();
    world.note("a.md", "quince");
    world.note("latin.md", b"caf\xe9");
    let (code, log) = world.sync(&["--url", &nobody()], &[]);
    assert_eq!(code, Some(0), "{log}");
    let first = &milestones(&log)[0];
    assert_eq!((&first["files"], &first["skipped"]), (&json!(1), &json!(1)), "{log}");
    assert!(log.contains("[WARNING] brain.indexer: skipped latin.md"), "{log}");
    assert!(read(&world.data().join(".sync_completed")).is_some());
    assert_eq!(world.serve().search("quince").await, ["a.md"]);
}

#[tokio::test]
async fn a_failed_sync_says_why_in_event_marker_and_health() {
    let world = World::new();
    let brain = world.serve();
    let gone = world.dir.path().join("gone");
    fs::rename(world.vault(), &gone).unwrap();
    let (code, log) = world.sync(&["--port", &brain.port.to_string()], &[]);
    assert_eq!(code, Some(1), "{log}");
    assert_eq!(events(&log), ["sync_failed"]);
    let marker = read(&world.data().join(".sync_failed")).unwrap();
    assert!(marker.contains(": vault path not configured or not found"), "{marker}");
    fs::rename(&gone, world.vault()).unwrap();
    let (_, health) = brain.get("/health").await;
    assert_eq!((&health["status"], &health["sync"]), (&json!("warning"), &json!("failed")));
    assert_eq!(world.sync(&["--port", &brain.port.to_string()], &[]).0, Some(0));
    assert_eq!(brain.get("/health").await.1["status"], "ok", "a later success heals");
}

#[tokio::test]
async fn under_steady_no_marker_is_written_in_success_or_failure() {
    let world = World::new();
    let job = [("STEADY_JOB", "daily-sync")];
    assert_eq!(world.sync(&["--url", &nobody()], &job).0, Some(0));
    fs::remove_dir(world.vault()).unwrap();
    let (code, log) = world.sync(&["--url", &nobody()], &job);
    assert_eq!((code, events(&log)), (Some(1), vec!["sync_failed".to_owned()]));
    for marker in [".sync_completed", ".sync_failed"] {
        assert_eq!(read(&world.data().join(marker)), None, "{marker}");
    }
}

#[tokio::test]
async fn a_sync_during_another_run_fails_and_names_it() {
    let world = World::new();
    let brain = world.serve();
    let _held = world.hold_lock(1).await;
    for args in [["--port", &brain.port.to_string()], ["--url", &nobody()]] {
        let (code, log) = world.sync(&args, &[]);
        assert_eq!(code, Some(1), "{log}");
        assert!(milestones(&log)[0]["error"].as_str().unwrap().contains("the test"), "{log}");
    }
}

#[tokio::test]
async fn a_server_with_another_vault_and_a_stranger_on_the_port_are_failures() {
    let (ours, theirs) = (World::new(), World::new());
    ours.note("a.md", "quince");
    let other = theirs.serve();
    let (code, log) = ours.sync(&["--port", &other.port.to_string()], &[]);
    assert!(code == Some(1) && log.contains("make them agree"), "{log}");

    let stranger = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", stranger.local_addr().unwrap());
    let seen = std::thread::spawn(move || {
        let (mut stream, _) = stranger.accept().unwrap();
        let mut request = [0; 4096];
        let read = stream.read(&mut request).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}").unwrap();
        String::from_utf8_lossy(&request[..read]).into_owned()
    });
    let (code, log) = ours.sync(&["--url", &url], &[]);
    assert!(code == Some(1) && log.contains("another program"), "{log}");
    let request = seen.join().unwrap();
    assert!(request.starts_with("GET / "), "a stranger may be asked its name, nothing else: {request}");
    let failed: Vec<Value> = milestones(&log);
    assert_eq!(failed[0]["event"], "sync_failed");
}
