//! Start, stop, crash: what must survive.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends where it is surprised"
)]
#![allow(clippy::disallowed_methods, reason = "the tests wait in real time")]

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use common::{Brain, LIMIT, World, until};
use rustix::process::Signal;
use serde_json::json;
use steady_brain::stores::lexical;

/// A capture whose body the server is waiting for: headers sent, `100 Continue` received.
fn half_sent_capture(brain: &Brain, body: &str) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(("127.0.0.1", brain.port)).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    write!(
        stream,
        "POST /api/v1/capture HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nExpect: 100-continue\r\n\r\n",
        body.len()
    )
    .unwrap();
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    assert!(line.starts_with("HTTP/1.1 100"), "{line}");
    reader
}

async fn stops_accepting(brain: &Brain) {
    until("the port to be closed", async || TcpStream::connect(("127.0.0.1", brain.port)).is_err()).await;
}

#[tokio::test]
async fn sigterm_finishes_what_is_in_flight_and_ends_cleanly() {
    let world = World::new();
    let brain = world.serve();
    let body = json!({"text": "sent while stopping"}).to_string();
    let mut request = half_sent_capture(&brain, &body);
    brain.signal(Signal::TERM);
    stops_accepting(&brain).await;
    request.get_mut().write_all(body.as_bytes()).unwrap();
    let mut answer = String::new();
    request.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("HTTP/1.1 201"), "{answer}");
    let (status, log) = brain.ended().await;
    assert_eq!(status.code(), Some(0), "{log}");
    assert_eq!(fs::read_dir(world.vault().join("Inbox")).unwrap().count(), 1);
}

#[tokio::test]
async fn a_request_that_never_ends_does_not_hold_up_the_end() {
    let world = World::new();
    let brain = world.serve();
    let _request = half_sent_capture(&brain, "never sent");
    let start = Instant::now();
    brain.signal(Signal::TERM);
    let (status, log) = brain.ended().await;
    assert_eq!(status.code(), Some(0), "{log}");
    assert!((4..10).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_second_signal_ends_at_once() {
    let world = World::new();
    let brain = world.serve();
    let _request = half_sent_capture(&brain, "never sent");
    let start = Instant::now();
    brain.signal(Signal::TERM);
    stops_accepting(&brain).await;
    brain.signal(Signal::INT);
    let (status, log) = brain.ended().await;
    assert_eq!(status.code(), Some(130), "{log}");
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_closed_log_pipe_does_not_stop_the_service() {
    let world = World::new();
    let brain = Brain::start_deaf(world.command("serve").args(["--port", "0"]));
    for _ in 0..3 {
        let (status, _) = brain.post("/api/v1/capture", json!({"text": "kept"})).await;
        assert_eq!(status, 201, "the access line of this request had nowhere to go");
    }
}

#[tokio::test]
async fn a_taken_port_is_exit_3_with_the_address_and_no_word_of_readiness() {
    let world = World::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let out = world.command("serve").args(["--port", &address.port().to_string()]).output().unwrap();
    assert_eq!(out.status.code(), Some(3));
    assert!(out.stdout.is_empty(), "{out:?}");
    let log = String::from_utf8(out.stderr).unwrap();
    assert!(log.contains(&format!("cannot listen on {address}")), "{log}");
    assert!(!world.data().exists(), "nothing may be touched");
}

#[tokio::test]
async fn an_address_beyond_the_loopback_is_refused() {
    let world = World::new();
    let out = world.command("serve").args(["--host", "0.0.0.0", "--port", "0"]).output().unwrap();
    assert_eq!(out.status.code(), Some(2), "{out:?}");
}

#[tokio::test]
async fn rows_live_after_a_crash_and_a_clean_stop_leaves_them_in_the_file() {
    let world = World::new();
    let brain = world.serve();
    let (_, kept) = brain.post("/api/v1/conversations", json!({"title": "kept", "text": "x"})).await;
    brain.kill_9();
    let brain = world.serve();
    assert_eq!(brain.get("/api/v1/conversations").await.1, json!({"conversations": [kept]}));
    brain.signal(Signal::TERM);
    assert_eq!(brain.ended().await.0.code(), Some(0));
    assert!(!world.data().join("conversations.db-wal").exists(), "all rows are in the database file");
    let lone = world.dir.path().join("copy.db");
    fs::copy(world.data().join("conversations.db"), &lone).unwrap();
    let db = rusqlite::Connection::open(lone).unwrap();
    assert_eq!(
        db.query_row("SELECT title FROM conversations", [], |r| r.get::<_, String>(0)).unwrap(),
        "kept"
    );
}

#[tokio::test]
async fn a_concurrent_index_is_409_with_holder_and_since() {
    let world = World::new();
    let brain = world.serve();
    let held = world.hold_lock(4711).await;
    let (status, body) = brain.post("/api/v1/index", json!(null)).await;
    assert_eq!(status, 409);
    assert_eq!(
        (&body["holder"], &body["since"]),
        (&json!("the test (pid 4711)"), &json!("2026-11-22T10:00:00Z"))
    );
    assert!(body["detail"].as_str().unwrap().contains("the test"), "{body}");
    drop(held);
    brain.index().await;
}

#[tokio::test]
async fn kill_9_in_the_middle_of_a_rebuild_leaves_the_old_index_whole() {
    const NOTES: usize = 1500;
    let world = World::new();
    let write_all = |word: &str| {
        for i in 0..NOTES {
            let text = format!("word{i} lorem ipsum ").repeat(150);
            world.note(&format!("n{i}.md"), format!("# Note {i}\n{word} {text}"));
        }
    };
    let found = |typed: &str| -> Vec<String> {
        let db = lexical::SPEC.open(&world.data()).unwrap();
        lexical::search(&db, typed, 100).unwrap().into_iter().map(|hit| hit.path).collect()
    };
    let wal = world.data().join("lexical.db-wal");
    let is_writing = async || fs::metadata(&wal).is_ok_and(|m| m.len() > 1_000_000);
    write_all("ancient");
    let brain = world.serve();
    brain.index().await;
    let (_, before) = brain.get("/api/v1/index/stats").await;
    assert_eq!(before["tracked_files"], NOTES);
    // A fresh process, so that the log of the rebuild alone is what grows.
    brain.signal(Signal::TERM);
    brain.ended().await;

    let brain = world.serve();
    let rebuild = tokio::spawn(brain.http().post(brain.url("/api/v1/index?full_rebuild=true")).send());
    until("the rebuild to be writing", is_writing).await;
    let start = Instant::now();
    assert_eq!(brain.get("/health").await.0, 200);
    assert!(start.elapsed() < Duration::from_secs(1), "health waited for the rebuild: {:?}", start.elapsed());
    assert_eq!(brain.search("ancient word7").await, ["n7.md"], "searches see the old index meanwhile");
    let (status, refusal) = brain.post("/api/v1/index", json!(null)).await;
    assert_eq!((status, &refusal["holder"].is_string()), (409, &true), "{refusal}");
    assert!(!rebuild.is_finished(), "the rebuild ended before it could be killed: give it more notes");
    brain.kill_9();
    assert!(rebuild.await.unwrap().is_err());
    assert_eq!(found("ancient word1499"), ["n1499.md"]);

    // Every note has changed: the run at the start writes as much, and other words.
    write_all("modern");
    let brain = world.serve();
    until("the run at the start to be writing", is_writing).await;
    brain.kill_9();
    assert!(found("modern").is_empty(), "half of the new index is there");
    assert_eq!(found("ancient word7"), ["n7.md"]);

    let brain = world.serve();
    let (_, after) = brain.get("/api/v1/index/stats").await;
    assert_eq!(
        (&after["tracked_files"], &after["lexical_count"]),
        (&before["tracked_files"], &before["lexical_count"])
    );
    brain.index().await;
    assert_eq!(brain.search("modern word7").await, ["n7.md"], "no stale lock, and the next run completes");
    assert!(brain.search("ancient").await.is_empty());
}
