//! Promises of the postgres, outbox, count and equality checks, against a real PostgreSQL.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![allow(clippy::disallowed_methods, reason = "the tests wait in real time")]
#![allow(dead_code, reason = "each kind's tests use a part of what they share")]

mod common;
#[path = "common/postgres.rs"]
mod server;

use std::time::Duration;

use common::{LIMIT, Looking, check, look, next, start};
use rustix::process::Signal;
use server::{PASSWORD, Postgres};
use steady_model::check::{Observation, Status};
use steady_model::config::{CheckKind, Count, Database, OutboxLimits};
use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);
const OUTBOX: &str = "CREATE TABLE outbox (id serial PRIMARY KEY, event_type text, payload jsonb, \
     created_at timestamptz DEFAULT now(), processed_at timestamptz, failed boolean DEFAULT false, \
     error text, attempts int DEFAULT 0)";

fn kind(postgres: &Postgres) -> CheckKind {
    CheckKind::Postgres { server: postgres.server() }
}

fn outbox(postgres: &Postgres) -> CheckKind {
    let limits = OutboxLimits { pending: 3, oldest: Duration::from_secs(300) };
    CheckKind::Outbox { database: Database::Postgres(postgres.server()), table: "outbox".to_owned(), limits }
}

fn count(postgres: &Postgres, query: &str) -> Count {
    Count { database: Database::Postgres(postgres.server()), query: query.to_owned() }
}

fn sample(seen: &Observation, metric: &str, label: Option<&str>) -> Option<f64> {
    let of_label = |labels: &std::collections::BTreeMap<String, String>| {
        label.is_none_or(|label| labels.values().any(|value| value == label))
    };
    seen.samples.iter().find(|s| s.metric == metric && of_label(&s.labels)).map(|s| s.value)
}

/// Sessions of the checks, once it comes to `wanted`.
async fn sessions_come_to(postgres: &Postgres, wanted: i64) {
    let client = postgres.client().await;
    let begun = Instant::now();
    loop {
        let query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'steady'";
        let there: i64 = client.query_one(query, &[]).await.unwrap().get(0);
        if there == wanted {
            return;
        }
        assert!(begun.elapsed() < LIMIT, "{there} sessions of the checks, and not {wanted}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_server_that_answers_is_green_with_its_version_and_connections_over_one_session() {
    let postgres = Postgres::start().await;
    let mut looking = Looking::at(kind(&postgres), LIMIT);
    for _ in 0..5 {
        let seen = looking.look().await;
        assert_eq!(seen.status, Status::Pass, "{}", seen.evidence);
        assert!(
            seen.evidence.starts_with("PostgreSQL 1") && seen.evidence.contains("of 12 connections used"),
            "{}",
            seen.evidence
        );
        assert_eq!(sample(&seen, "steady_postgres_connections_max", None), Some(12.0));
    }
    sessions_come_to(&postgres, 1).await;
    looking.end().await;
    sessions_come_to(&postgres, 0).await;
}

#[tokio::test]
async fn a_restart_between_two_looks_is_no_failure() {
    let mut postgres = Postgres::start().await;
    postgres.run(OUTBOX).await;
    let query = || count(&postgres, "SELECT count(*) + 1 FROM outbox");
    let kinds = [
        kind(&postgres),
        outbox(&postgres),
        CheckKind::Count { count: query(), collapse: 0.5 },
        CheckKind::Equality { left: query(), right: query(), tolerance: 0 },
    ];
    let mut all = kinds.map(|kind| Looking::at(kind, LIMIT));
    for looking in &mut all {
        assert_eq!(looking.look().await.status, Status::Pass);
    }
    postgres.stop();
    postgres.up().await;
    for looking in &mut all {
        let seen = looking.look().await;
        assert_eq!(seen.status, Status::Pass, "{}", seen.evidence);
    }
}

#[tokio::test]
async fn a_session_that_is_ended_while_it_is_asked_is_tried_once_more() {
    let postgres = Postgres::start().await;
    // Only the first asking is slow: the second finds the row that says so.
    postgres.run("CREATE TABLE slow (seconds float8); INSERT INTO slow VALUES (60)").await;
    let query = "SELECT 7 FROM (SELECT pg_sleep((SELECT coalesce(sum(seconds), 0) FROM slow))) AS nap";
    let kind = CheckKind::Count { count: count(&postgres, query), collapse: 0.5 };
    let (checks, mut events) = start(vec![check("slow", kind, common::HOUR, LIMIT)]);
    let client = postgres.client().await;
    let sleeps = "SELECT pid FROM pg_stat_activity WHERE application_name = 'steady' AND query LIKE '%nap' AND state = 'active'";
    let begun = Instant::now();
    let pid: i32 = loop {
        if let Some(row) = client.query_opt(sleeps, &[]).await.unwrap() {
            break row.get(0);
        }
        assert!(begun.elapsed() < LIMIT);
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    client.batch_execute("UPDATE slow SET seconds = 0").await.unwrap();
    client.execute("SELECT pg_terminate_backend($1)", &[&pid]).await.unwrap();
    let seen = next(&mut events).await.observation;
    assert_eq!((seen.status, seen.evidence.as_str()), (Status::Pass, "counted 7"));
    checks.shutdown().await;
}

#[tokio::test]
async fn a_crash_is_told_at_once_as_refused_and_the_next_server_is_found() {
    let mut postgres = Postgres::start().await;
    let mut looking = Looking::at(kind(&postgres), LIMIT);
    assert_eq!(looking.look().await.status, Status::Pass);
    postgres.crash();
    let begun = Instant::now();
    let seen = looking.look().await;
    assert_eq!(seen.status, Status::Fail);
    assert!(seen.evidence.contains("connection refused"), "{}", seen.evidence);
    assert!(seen.evidence.contains(&postgres.port().to_string()), "{}", seen.evidence);
    assert!(begun.elapsed() < 5 * SECOND, "the first users' pool waits 30 s: {:?}", begun.elapsed());
    postgres.up().await;
    let seen = looking.look().await;
    assert_eq!(seen.status, Status::Pass, "{}", seen.evidence);
}

#[tokio::test]
async fn a_wrong_password_is_named_without_it_and_a_corrected_one_is_found() {
    let postgres = Postgres::start().await;
    let server = postgres.server_with("xyzzy-secret");
    let mut looking = Looking::at(CheckKind::Postgres { server }, LIMIT);
    let seen = looking.look().await;
    assert_eq!(seen.status, Status::Fail);
    assert!(
        seen.evidence.contains("authentication failed") && !seen.evidence.contains("xyzzy"),
        "{}",
        seen.evidence
    );
    postgres.server_with(PASSWORD);
    let seen = looking.look().await;
    assert_eq!(seen.status, Status::Pass, "{}", seen.evidence);
}

#[tokio::test]
async fn a_stopped_server_costs_a_look_its_timeout_and_leaves_no_session() {
    let postgres = Postgres::start().await;
    let mut looking = Looking::at(kind(&postgres), SECOND);
    assert_eq!(looking.look().await.status, Status::Pass);
    postgres.signal(Signal::STOP);
    for _ in 0..3 {
        let begun = Instant::now();
        let seen = looking.look().await;
        assert_eq!(seen.status, Status::Fail);
        assert!(seen.evidence.contains("no answer from the server within 1 s"), "{}", seen.evidence);
        assert!(begun.elapsed() < 5 * SECOND, "{:?}", begun.elapsed());
    }
    postgres.signal(Signal::CONT);
    let begun = Instant::now();
    // What it was sent while it stood still is answered first.
    while looking.look().await.status != Status::Pass {
        assert!(begun.elapsed() < LIMIT);
    }
    sessions_come_to(&postgres, 1).await;
}

#[tokio::test]
async fn a_stopped_server_does_not_delay_the_looks_at_another() {
    let (stopped, well) = (Postgres::start().await, Postgres::start().await);
    stopped.signal(Signal::STOP);
    let (handle, mut events) = start(vec![
        check("stopped", kind(&stopped), SECOND, 5 * SECOND),
        check("well", kind(&well), SECOND, LIMIT),
    ]);
    let mut looks = 0;
    let seen = loop {
        let event = next(&mut events).await;
        if event.name == "stopped" {
            break event.observation;
        }
        assert_eq!(event.observation.status, Status::Pass, "{}", event.observation.evidence);
        looks += 1;
    };
    handle.shutdown().await;
    assert!(seen.evidence.contains("no answer from the server within 5 s"), "{}", seen.evidence);
    assert!(looks >= 3, "{looks} looks at the other within 5 s");
}

#[tokio::test]
async fn a_slow_query_is_given_up_and_does_not_go_on_at_the_server() {
    let postgres = Postgres::start().await;
    let kind = CheckKind::Count {
        count: count(&postgres, "SELECT 1 FROM (SELECT pg_sleep(600)) AS nap"),
        collapse: 0.5,
    };
    let mut looking = Looking::at(kind, SECOND);
    let seen = looking.look().await;
    assert_eq!(seen.status, Status::Unknown);
    assert!(seen.evidence.contains("not counted within 1 s"), "{}", seen.evidence);
    sessions_come_to(&postgres, 0).await;
}

#[tokio::test]
async fn a_query_that_writes_is_refused() {
    let postgres = Postgres::start().await;
    postgres.run("CREATE TABLE t (n int)").await;
    for query in ["INSERT INTO t VALUES (1) RETURNING n", "SELECT 1; DROP TABLE t; SELECT 1"] {
        let seen = look(CheckKind::Count { count: count(&postgres, query), collapse: 0.5 }, LIMIT).await;
        assert_eq!(seen.status, Status::Unknown, "{}", seen.evidence);
        assert!(seen.evidence.contains("read-only transaction"), "{}", seen.evidence);
    }
    postgres.run("SELECT n FROM t").await;
}

#[tokio::test]
async fn many_connections_are_a_warning_and_too_many_a_failure() {
    let postgres = Postgres::start().await;
    postgres.run("CREATE ROLE guest LOGIN PASSWORD 'guest'").await;
    let mut looking = Looking::at(kind(&postgres), LIMIT);
    assert_eq!(looking.look().await.status, Status::Pass);
    let mut guests = Vec::new();
    for _ in 0..10 {
        guests.push(postgres.client().await);
    }
    let seen = looking.look().await;
    assert_eq!(seen.status, Status::Warn, "{}", seen.evidence);
    guests.push(postgres.client().await);
    let seen = look(kind(&postgres), LIMIT).await;
    assert_eq!(seen.status, Status::Fail);
    assert!(seen.evidence.contains("too many connections"), "{}", seen.evidence);
}

#[tokio::test]
async fn events_that_were_given_up_are_red_although_nothing_waits_any_more() {
    let postgres = Postgres::start().await;
    postgres.run(OUTBOX).await;
    let mut looking = Looking::at(outbox(&postgres), LIMIT);
    let seen = looking.look().await;
    assert_eq!((seen.status, seen.evidence.as_str()), (Status::Pass, "nothing waits"));
    assert_eq!(sample(&seen, "pkg_outbox_failed_events", None), Some(0.0), "so that its alert resolves");
    assert_eq!(sample(&seen, "pkg_outbox_depth", None), Some(0.0));

    postgres.run("INSERT INTO outbox (event_type) VALUES ('document'), ('document'), ('chunk')").await;
    let seen = looking.look().await;
    assert_eq!(seen.status, Status::Pass, "{}", seen.evidence);
    assert_eq!(sample(&seen, "pkg_outbox_pending_events", Some("document")), Some(2.0));
    assert_eq!(sample(&seen, "pkg_outbox_pending_events", Some("chunk")), Some(1.0));

    postgres.run("INSERT INTO outbox (event_type) VALUES ('chunk')").await;
    let seen = looking.look().await;
    assert_eq!(seen.status, Status::Warn, "more than three wait: {}", seen.evidence);
    postgres
        .run("DELETE FROM outbox WHERE id > 1; UPDATE outbox SET created_at = now() - interval '400 s'")
        .await;
    let seen = looking.look().await;
    assert_eq!(seen.status, Status::Warn, "{}", seen.evidence);
    assert!(seen.evidence.contains("the oldest for 6 min"), "{}", seen.evidence);

    // Ten tries: the worker gives it up, and depth and age fall to zero.
    postgres.run("UPDATE outbox SET failed = true, attempts = 10, error = 'ConnectionError'").await;
    let seen = looking.look().await;
    assert_eq!(seen.status, Status::Fail, "{}", seen.evidence);
    assert!(seen.evidence.contains("1 given up"), "{}", seen.evidence);
    assert_eq!(sample(&seen, "pkg_outbox_depth", None), Some(0.0));
    assert_eq!(sample(&seen, "pkg_outbox_oldest_pending_seconds", None), Some(0.0));
    assert_eq!(sample(&seen, "pkg_outbox_failed_events", None), Some(1.0));
    assert_eq!(sample(&seen, "pkg_chunks_total", None), None, "there is no such table");

    postgres
        .run("CREATE TABLE chunks (status text); INSERT INTO chunks VALUES ('done'), ('done'), ('failed')")
        .await;
    let seen = looking.look().await;
    assert_eq!(sample(&seen, "pkg_chunks_total", Some("done")), Some(2.0));
    assert_eq!(sample(&seen, "pkg_chunks_total", Some("failed")), Some(1.0));
}

#[tokio::test]
async fn a_table_that_is_not_there_is_a_fact_with_its_name() {
    let postgres = Postgres::start().await;
    let seen = look(outbox(&postgres), LIMIT).await;
    assert_eq!(seen.status, Status::Fail);
    assert!(seen.fact && seen.evidence.contains("\"outbox\" does not exist"), "{}", seen.evidence);
}

#[tokio::test]
async fn a_count_that_falls_to_zero_and_two_stores_that_part_are_seen() {
    let postgres = Postgres::start().await;
    postgres.run("CREATE TABLE documents (id int); CREATE TABLE chunks_of (id int); \
         INSERT INTO documents SELECT generate_series(1, 19); INSERT INTO chunks_of SELECT generate_series(1, 19)").await;
    let documents = || count(&postgres, "SELECT count(*) FROM documents");
    let chunks = || count(&postgres, "SELECT count(*)::numeric FROM chunks_of");
    let mut counting = Looking::at(CheckKind::Count { count: chunks(), collapse: 0.5 }, LIMIT);
    let kind = CheckKind::Equality { left: documents(), right: chunks(), tolerance: 0 };
    let mut comparing = Looking::at(kind, LIMIT);
    assert_eq!(counting.look().await.status, Status::Pass);
    assert_eq!(comparing.look().await.status, Status::Pass);
    postgres.run("TRUNCATE chunks_of").await;
    let seen = counting.look().await;
    assert_eq!(seen.status, Status::Fail);
    assert!(seen.evidence.contains("counted 0; it was 19"), "{}", seen.evidence);
    assert_ne!(comparing.look().await.status, Status::Pass);
}
