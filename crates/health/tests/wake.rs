//! After a wake checks hold still, then each looks once.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the test measures in real time")]

#[allow(dead_code, reason = "each test takes its part")]
mod common;

use std::time::{Duration, Instant};

use steady_model::config::{Check, CheckKind};

use common::{HOUR, LIMIT, check, next, start};

fn path(name: &str, interval: Duration) -> Check {
    check(name, CheckKind::Path { path: std::env::temp_dir() }, interval, LIMIT)
}

#[tokio::test]
async fn after_a_wake_no_check_looks_by_itself_until_things_settled_and_then_each_looks_once() {
    let (handle, mut events) = start(vec![path("often", Duration::from_millis(20)), path("seldom", HOUR)]);
    while next(&mut events).await.name != "seldom" {}
    let quiet = Duration::from_secs(1);
    let woke = Instant::now();
    handle.settle(quiet);
    loop {
        let event = next(&mut events).await;
        let since = woke.elapsed();
        // What was under way, or waited in the channel, is told early.
        assert!(since < quiet / 2 || since >= quiet, "{} looked after {since:?}", event.name);
        if event.name == "seldom" {
            break;
        }
    }
    assert!(woke.elapsed() >= quiet, "it looked before things settled");
    assert_eq!(next(&mut events).await.name, "often", "and it goes on");
}

#[tokio::test]
async fn a_check_that_is_asked_looks_also_while_things_settle() {
    let (handle, mut events) = start(vec![path("vault", HOUR)]);
    next(&mut events).await;
    handle.settle(HOUR);
    assert!(handle.probe_now("vault"));
    next(&mut events).await;
}

#[tokio::test]
async fn figures_of_a_service_are_no_task_of_the_schedule() {
    let usage = CheckKind::Usage { memory: Some(1), cpu: None };
    let (handle, mut events) = start(vec![check("usage", usage, HOUR, LIMIT)]);
    assert!(!handle.probe_now("usage"));
    assert_eq!(events.recv().await, None, "nobody is left who could tell anything");
}
