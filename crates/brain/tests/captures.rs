//! Captures: what was answered is kept and found, whatever happens to the process.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends where it is surprised"
)]
#![allow(clippy::disallowed_methods, reason = "the tests wait in real time")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::sync::{Arc, Mutex};

use common::{World, until};
use serde_json::{Value, json};
use steady_brain::stores::outbox;

/// The outbox as a watch beside brain reads it.
fn waiting(world: &World) -> (i64, i64) {
    let path = world.data().join("outbox.db");
    let db = rusqlite::Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    db.query_row(
        "SELECT count(*) FILTER (WHERE processed_at IS NULL AND NOT failed), count(*) FILTER (WHERE failed) FROM outbox",
        [],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
    .unwrap()
}

#[tokio::test]
async fn no_answered_capture_is_lost_when_brain_is_killed_in_a_storm_of_them() {
    const CLIENTS: usize = 8;
    const ENOUGH: usize = 120;
    let world = World::new();
    let kept: Arc<Mutex<BTreeMap<String, String>>> = Arc::default();
    for round in 0..3 {
        let brain = world.serve();
        let before = kept.lock().unwrap().len();
        let mut storm = tokio::task::JoinSet::new();
        for client in 0..CLIENTS {
            let (http, url, kept) = (brain.http(), brain.url("/api/v1/capture"), Arc::clone(&kept));
            storm.spawn(async move {
                for n in 0.. {
                    let mark = format!("r{round}c{client}n{n}");
                    let outcome =
                        http.post(&url).json(&json!({ "text": format!("capture {mark}") })).send().await;
                    let Ok(answer) = outcome else { return };
                    if answer.status().as_u16() != 201 {
                        return;
                    }
                    // Killed between the status line and the body: it was answered, but we do not know the path.
                    let Ok(body) = answer.json::<Value>().await else { return };
                    kept.lock().unwrap().insert(mark, body["path"].as_str().unwrap().to_owned());
                }
            });
        }
        until("enough captures", async || kept.lock().unwrap().len() >= before + ENOUGH).await;
        brain.kill_9();
        storm.join_all().await;
    }
    let kept = kept.lock().unwrap().clone();
    for (mark, path) in &kept {
        let text = fs::read_to_string(world.vault().join(path)).unwrap();
        assert!(text.contains(&format!("capture {mark}\n")), "{path}: {text}");
    }
    let brain = world.serve();
    // The rest are rows of captures that were cut off before they were answered; they leave when their time is up.
    let captured = || -> i64 {
        let db = rusqlite::Connection::open(world.data().join("outbox.db")).unwrap();
        let left = "SELECT count(*) FROM outbox WHERE processed_at IS NULL AND payload <> ''";
        db.query_row(left, [], |row| row.get(0)).unwrap()
    };
    until("the outbox to be empty", async || captured() == 0).await;
    assert_eq!(waiting(&world).1, 0);
    for (mark, path) in &kept {
        assert_eq!(brain.search(mark).await, std::slice::from_ref(path), "{mark}");
    }
}

#[tokio::test]
async fn a_capture_that_cannot_be_indexed_is_tried_again_and_then_told_as_failed() {
    let world = World::new();
    let brain = world.serve();
    let (_, body) = brain.post("/api/v1/capture", json!({"text": "first"})).await;
    until("it to be indexed", async || waiting(&world) == (0, 0)).await;
    brain.signal(rustix::process::Signal::TERM);
    brain.ended().await;
    // As if somebody overwrote the note before it was indexed, and nine attempts had been made.
    fs::write(world.vault().join(body["path"].as_str().unwrap()), b"caf\xe9").unwrap();
    let db = outbox::SPEC.open(&world.data()).unwrap();
    let again = "UPDATE outbox SET processed_at = NULL, attempts = ?1, next_attempt_at = 0";
    db.execute(again, [outbox::MAX_ATTEMPTS - 1]).unwrap();
    drop(db);
    let brain = world.serve();
    until("it to be given up", async || waiting(&world) == (0, 1)).await;
    let db = outbox::SPEC.open(&world.data()).unwrap();
    let error: String = db.query_row("SELECT error FROM outbox", [], |row| row.get(0)).unwrap();
    assert!(error.contains("not UTF-8"), "{error}");
    // Repaired by hand, a re-index gives it another chance.
    fs::write(world.vault().join(body["path"].as_str().unwrap()), "café").unwrap();
    brain.index().await;
    until("it to leave the outbox", async || waiting(&world) == (0, 0)).await;
    assert_eq!(brain.search("cafe").await.len(), 1);
}

#[tokio::test]
async fn captures_wait_while_another_process_indexes_and_are_found_after_it() {
    let world = World::new();
    let brain = world.serve();
    brain.index().await;
    let held = world.hold_lock(1).await;
    let (status, _) = brain.post("/api/v1/capture", json!({"text": "patient quince"})).await;
    assert_eq!((status, waiting(&world)), (201, (1, 0)));
    drop(held);
    until("it to be found", async || brain.search("patient").await.len() == 1).await;
    until("the outbox to be empty", async || waiting(&world) == (0, 0)).await;
}
