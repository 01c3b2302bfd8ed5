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
use std::io::{BufRead, Read, Write};
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
    assert_eq!(events(&log), ["inbox_complete", "reindex_complete", "extraction_complete", "sync_complete"]);
    let told = milestones(&log);
    // The server may have seen the note before it was asked.
    assert!(told[1]["files"].as_u64() <= Some(1) && told[1]["summary"].is_string(), "{log}");
    assert_eq!((&told[2]["extracted"], &told[2]["failed"]), (&told[1]["files"], &json!(0)), "{log}");
    assert_eq!((&told[3]["command"], &told[3]["failed"]), (&json!("all"), &json!(0)));
    assert!(told.iter().all(|milestone| milestone["duration_ms"].is_u64()), "{log}");
    assert!(!log.contains("indexing directly"), "{log}");
    let line = log.lines().find(|l| l.contains("reindex_complete")).unwrap();
    let (prefix, _) = line.split_once(" [INFO] brain.sync: {").unwrap();
    assert!(prefix.len() == 19 && prefix.as_bytes()[10] == b' ', "YYYY-MM-DD HH:MM:SS, got {prefix:?}");
    assert_eq!(brain.search("quince").await, ["a.md"]);
    let (_, status) = brain.get("/api/v1/admin/sync-status").await;
    assert_eq!((&status["status"], &status["hours_ago"]), (&json!("ok"), &json!(0.0)), "{status}");
}

#[tokio::test]
async fn without_a_server_the_job_indexes_directly_and_a_note_that_was_left_out_makes_it_partial() {
    let world = World::new();
    world.note("a.md", "quince");
    world.note("latin.md", b"caf\xe9");
    let (code, log) = world.sync(&["--url", &nobody()], &[]);
    assert_eq!(code, Some(0), "{log}");
    let told = milestones(&log);
    assert_eq!((&told[1]["files"], &told[1]["skipped"]), (&json!(1), &json!(1)), "{log}");
    assert_eq!((&told[2]["extracted"], &told[2]["failed"]), (&json!(1), &json!(1)), "{log}");
    assert_eq!(told[3]["failed"], 1, "{log}");
    assert!(log.contains("[WARNING] brain.indexer: skipped latin.md"), "{log}");
    let marker = read(&world.data().join(".sync_failed")).unwrap();
    assert!(marker.contains(": partial: 1 of the captures and notes"), "{marker}");
    assert_eq!(read(&world.data().join(".sync_completed")), None, "a part is no success");
    fs::remove_file(world.vault().join("latin.md")).unwrap();
    assert_eq!(world.sync(&["--url", &nobody()], &[]).0, Some(0));
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
async fn a_sync_that_is_killed_in_the_middle_marks_nothing_and_the_next_one_is_whole() {
    let world = World::new();
    world.note("a.md", "quince");
    let brain = world.serve();
    brain.index().await;
    // It waits for an answer until it is killed.
    brain.signal(rustix::process::Signal::STOP);
    let mut command = world.command("sync");
    command.args(["--port", &brain.port.to_string()]).stderr(std::process::Stdio::piped());
    let mut sync = command.spawn().unwrap();
    let mut log = std::io::BufReader::new(sync.stderr.take().unwrap()).lines();
    assert!(log.any(|line| line.unwrap().contains("inbox_complete")));
    sync.kill().unwrap();
    sync.wait().unwrap();
    brain.signal(rustix::process::Signal::CONT);
    for marker in [".sync_completed", ".sync_failed"] {
        assert_eq!(read(&world.data().join(marker)), None, "{marker}");
    }
    let (code, log) = world.sync(&["--port", &brain.port.to_string()], &[]);
    assert_eq!((code, milestones(&log).len()), (Some(0), 4), "{log}");
    assert!(read(&world.data().join(".sync_completed")).is_some());
}

#[tokio::test]
async fn captures_since_the_last_sync_are_counted_and_those_given_up_make_it_partial() {
    let world = World::new();
    let brain = world.serve();
    let port = brain.port.to_string();
    let sync = || {
        let (code, log) = world.sync(&["--port", &port], &[]);
        assert_eq!(code, Some(0), "{log}");
        let told = milestones(&log);
        (
            told[0]["processed"].as_u64().unwrap(),
            told[0]["failed"].as_u64().unwrap(),
            told[3]["failed"].clone(),
        )
    };
    for text in ["quince", "plum"] {
        assert_eq!(brain.post("/api/v1/capture", json!({ "text": text })).await.0, 201);
    }
    common::until("both to be found", async || !brain.search("plum").await.is_empty()).await;
    let outbox = rusqlite::Connection::open(world.data().join("outbox.db")).unwrap();
    let waiting = || {
        let sql = "SELECT count(*) FROM outbox WHERE processed_at IS NULL";
        outbox.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap()
    };
    common::until("the outbox to be empty", async || waiting() == 0).await;
    assert_eq!(sync(), (2, 0, json!(0)));
    assert_eq!(sync(), (0, 0, json!(0)), "counted once");
    let given_up = "INSERT INTO outbox(event_type, payload, created_at, next_attempt_at, failed) VALUES ('x', 'y.md', 1, 1, 1)";
    outbox.execute(given_up, []).unwrap();
    assert_eq!(sync(), (0, 1, json!(1)));
    assert_eq!(brain.get("/api/v1/admin/sync-status").await.1["status"], "failed");
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
        assert!(milestones(&log).last().unwrap()["error"].as_str().unwrap().contains("the test"), "{log}");
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
    assert_eq!(failed.last().unwrap()["event"], "sync_failed");
}
