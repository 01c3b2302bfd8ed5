//! Promises of the schedule after a wake, and of what is none of its tasks.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the tests measure in real time")]

#[allow(dead_code, reason = "each test takes its part")]
mod common;

use std::time::{Duration, Instant};

use steady_model::config::CheckKind;

use common::{HOUR, LIMIT, check, next, start};

#[tokio::test]
async fn after_a_wake_no_check_looks_by_itself_until_things_settled_and_then_each_looks_once() {
    let dir = tempfile::tempdir().unwrap();
    let path =
        |name: &str, interval| check(name, CheckKind::Path { path: dir.path().to_owned() }, interval, LIMIT);
    let (handle, mut events) = start(vec![path("often", Duration::from_millis(20)), path("seldom", HOUR)]);
    let mut first = [next(&mut events).await.name, next(&mut events).await.name];
    first.sort();
    assert_eq!(first, ["often", "seldom"]);
    let quiet = Duration::from_secs(1);
    let woke = Instant::now();
    handle.settle(quiet);
    let mut seldom = 0;
    while seldom == 0 {
        let event = next(&mut events).await;
        let since = woke.elapsed();
        // What was under way, or waited in the channel, is told early.
        assert!(
            since < Duration::from_millis(300) || since >= quiet,
            "{} looked after {since:?}",
            event.name
        );
        seldom += usize::from(event.name == "seldom");
    }
    assert!(woke.elapsed() >= quiet, "it waited for its turn although the machine slept");
    assert_eq!(next(&mut events).await.name, "often", "and it goes on");
}

#[tokio::test]
async fn a_check_that_is_asked_looks_also_while_things_settle() {
    let dir = tempfile::tempdir().unwrap();
    let kind = CheckKind::Path { path: dir.path().to_owned() };
    let (handle, mut events) = start(vec![check("vault", kind, HOUR, LIMIT)]);
    next(&mut events).await;
    handle.settle(HOUR);
    assert!(handle.probe_now("vault"));
    next(&mut events).await;
}

#[tokio::test]
async fn figures_of_a_service_are_no_task_of_the_schedule() {
    let (handle, mut events) =
        start(vec![check("usage", CheckKind::Usage { memory: Some(1), cpu: None }, HOUR, LIMIT)]);
    assert!(!handle.probe_now("usage"));
    assert_eq!(events.recv().await, None, "nobody is left who could tell anything");
}
