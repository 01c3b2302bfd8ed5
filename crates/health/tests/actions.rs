//! What a person is told to do is about the cause that was seen, not about the kind of the check alone.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::time::Duration;

use common::look;
use steady_model::check::Observation;
use steady_model::config::{CheckKind, Count, Database, SqliteLimits};

const LIMIT: Duration = Duration::from_secs(5);

#[track_caller]
fn asks_for(seen: &Observation, words: &str) {
    let action = seen.action.as_deref().unwrap_or_else(|| panic!("no action of its own: {}", seen.evidence));
    assert!(action.contains(words), "{}: {action}", seen.evidence);
}

#[tokio::test]
async fn who_finds_nobody_on_a_port_is_not_told_to_stop_the_one_that_holds_it() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    asks_for(&look(CheckKind::Port { port: free, process: None }, LIMIT).await, "Start the program");
}

#[tokio::test]
async fn a_path_is_corrected_fetched_or_opened_as_its_cause_asks() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| CheckKind::Path { path: dir.path().join(name) };
    fs::create_dir(dir.path().join("empty")).unwrap();
    fs::write(dir.path().join("file"), "x").unwrap();
    asks_for(&look(at("file"), LIMIT).await, "Correct its path");
    asks_for(&look(at("empty"), LIMIT).await, "Bring its files");
    asks_for(&look(at("gone"), LIMIT).await, "Bring the folder");
}

#[tokio::test]
async fn a_wrong_query_is_no_reason_to_restore_a_backup() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    rusqlite::Connection::open(&path).unwrap().execute_batch("CREATE TABLE t(a)").unwrap();
    let count = Count { database: Database::Sqlite(path), query: "SELECT count(*) FROM nothing".into() };
    let seen = look(CheckKind::Count { count, collapse: 0.5 }, LIMIT).await;
    asks_for(&seen, "correct the query");
}

#[tokio::test]
async fn a_database_that_is_not_where_the_file_says_is_told_so() {
    let limits = SqliteLimits { max_wal: 1_000_000, deep: Duration::from_secs(3600) };
    let seen = look(CheckKind::Sqlite { path: "/no/such.db".into(), limits }, LIMIT).await;
    asks_for(&seen, "Correct its path");
}

#[tokio::test]
async fn a_log_that_is_not_there_has_no_line_to_read() {
    let kind = CheckKind::Log { path: "/no/such.log".into(), pattern: "x".into(), window: LIMIT };
    asks_for(&look(kind, LIMIT).await, "correct its path");
}
