//! What is wanted of a service is remembered by the next agent, and what was under way is finished.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test ends where it fails"
)]
#![allow(clippy::disallowed_methods, reason = "the tests wait in real time")]

mod common;

use std::time::Duration;

use common::{SOON, World, is_alive, ready, wait_for, wait_until};
use steady_model::process::Exit;
use steady_model::service::{State, StopReason};
use steady_supervise::{Deps, hold};

const STUBBORN: &str = r#"trap '' TERM; exec "$0" serve "$1""#;

#[test]
fn a_service_stopped_on_request_stays_stopped_when_the_agent_was_killed() {
    let world = World::new();
    let spec = world.server();
    let mut host = world.host(&spec);
    host.wait_for("Ready");
    host.order("stop");
    host.wait_for("Stopped");
    host.kill();
    let mut host = world.host(&spec);
    let state = host.wait_for("Stopped");
    assert!(state.contains("Requested"), "{state}");
    assert_eq!((world.marked(), world.answer()), (vec![], None));

    // Until it is started, and that is remembered too.
    host.order("start");
    host.wait_for("Ready");
    let pid = world.answer();
    host.kill();
    let mut host = world.host(&spec);
    host.wait_for("Ready");
    assert_eq!(world.answer(), pid);
}

#[test]
fn a_stop_that_a_killed_agent_had_begun_is_finished_by_the_next() {
    let world = World::new();
    let mut spec = world.script(STUBBORN);
    spec.stop_grace = Duration::from_millis(700);
    let mut host = world.host(&spec);
    host.wait_for("Ready");
    let pid = world.answer().unwrap();
    host.order("stop");
    host.wait_for("Stopping");
    host.kill();
    assert!(is_alive(pid), "it was to survive its agent");
    let mut host = world.host(&spec);
    let state = host.wait_for("Stopped");
    assert!(state.contains("Requested"), "{state}");
    assert!(!is_alive(pid));
    assert_eq!(world.marked(), [0; 0]);
}

#[test]
fn a_restart_that_a_killed_agent_had_begun_is_finished_by_the_next() {
    let world = World::new();
    let mut spec = world.script(STUBBORN);
    spec.stop_grace = Duration::from_millis(700);
    let mut host = world.host(&spec);
    host.wait_for("Ready");
    let pid = world.answer().unwrap();
    host.order("restart");
    host.wait_for("Stopping");
    host.kill();
    let mut host = world.host(&spec);
    host.wait_for("Stopping");
    host.wait_for("Ready");
    let anew = world.answer().unwrap();
    assert!(anew != pid && !is_alive(pid));
    // Once.
    host.kill();
    let mut host = world.host(&spec);
    host.wait_for("Ready");
    assert_eq!(world.answer(), Some(anew));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_for_a_shutdown_is_no_wish_and_the_next_agent_starts_the_service() {
    let world = World::new();
    let first = world.supervise(world.server());
    let pid = ready(&first).await;
    first.stop_and_wait(SOON).await.unwrap();
    first.detach().await;
    let second = world.supervise(world.server());
    assert_ne!(ready(&second).await, pid);
    second.stop_and_wait(SOON).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_held_waits_for_its_release_unless_a_person_had_stopped_it() {
    let world = World::new();
    let held = || {
        let (events, mut heard) = tokio::sync::mpsc::channel(16);
        tokio::spawn(async move { while heard.recv().await.is_some() {} });
        hold(world.server(), Deps::new(world.home(), world.sink.clone()), events)
    };
    let waiting = |state: &State| matches!(state, State::Stopped { reason: StopReason::Waiting(_), .. });
    let first = held();
    wait_for(&first, "held", waiting).await;
    first.wait_for("waiting for db").unwrap();
    let for_db = |state: &State| matches!(state, State::Stopped { reason: StopReason::Waiting(on), .. } if on == "waiting for db");
    wait_for(&first, "waiting for db", for_db).await;
    assert_eq!(world.marked(), [0; 0]);
    first.release().unwrap();
    let pid = ready(&first).await;
    first.detach().await;
    // What runs is taken back all the same.
    let second = held();
    assert_eq!(ready(&second).await, pid);
    second.stop().unwrap();
    second.stop_and_wait(SOON).await.unwrap();
    second.detach().await;
    let third = held();
    // What was on its way when a person stopped it must not undo that.
    third.still_waits_for("waiting for db").unwrap();
    third.release().unwrap();
    let requested = |state: &State| matches!(state, State::Stopped { reason: StopReason::Requested, .. });
    wait_for(&third, "stopped", requested).await;
    // A start is their wish, also one that has to wait: the next agent knows it.
    third.wait_for("waiting for db").unwrap();
    wait_for(&third, "waiting for db", for_db).await;
    third.detach().await;
    let fourth = held();
    wait_for(&fourth, "held", waiting).await;
    fourth.release().unwrap();
    ready(&fourth).await;
    fourth.stop_and_wait(SOON).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_one_shot_that_has_done_its_work_does_it_once_also_across_agents() {
    let world = World::new();
    let mut spec = world.quiet("echo done >> done; exit 0");
    spec.oneshot = true;
    let completed =
        |state: &State| matches!(state, State::Stopped { reason: StopReason::Completed(Exit::Code(0)), .. });
    let times = || std::fs::read_to_string(world.home().join("done")).unwrap_or_default().lines().count();
    let first = world.supervise(spec.clone());
    wait_for(&first, "completed", completed).await;
    assert!(world.crashes().is_empty());
    wait_until("written down", || world.journalled().is_some_and(|entry| !entry["completed"].is_null()));
    first.detach().await;
    let second = world.supervise(spec);
    wait_for(&second, "still completed", completed).await;
    assert_eq!(times(), 1);
    second.start().unwrap();
    wait_until("asked for, it works again", || times() == 2);
    wait_for(&second, "completed again", completed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_configuration_counts_without_touching_the_process() {
    let world = World::new();
    let spec = world.script(STUBBORN);
    let service = world.supervise(spec.clone());
    let pid = ready(&service).await;
    let mut changed = spec;
    changed.stop_grace = Duration::from_millis(100);
    changed.env.vars = [("CHANGED".to_owned(), "yes".to_owned())].into();
    changed.log.max_bytes = 123_456;
    service.reconfigure(changed).unwrap();
    assert_eq!(world.answer(), Some(pid));
    let book = || {
        std::fs::read_dir(world.home().join("sink"))
            .unwrap()
            .flatten()
            .any(|file| std::fs::read_to_string(file.path()).is_ok_and(|text| text.contains("123456")))
    };
    wait_until("the sink has the new limits", book);
    let begun = std::time::Instant::now();
    service.restart_and_wait_ready(SOON).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(3), "the old grace of 5 s counted");
    let environ = std::fs::read(format!("/proc/{}/environ", world.answer().unwrap())).unwrap();
    assert!(environ.split(|b| *b == 0).any(|var| var == b"CHANGED=yes"));
    service.stop_and_wait(SOON).await.unwrap();
}
