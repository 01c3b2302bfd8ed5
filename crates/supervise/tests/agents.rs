//! The agent dies or leaves, the services stay.

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

use std::collections::BTreeSet;
use std::time::Duration;

use common::{FIXTURE, SOON, World, group_of, is_alive, kill, ready, wait_until};
use steady_model::config::{Manager, Readiness, Service};
use steady_model::process::Exit;
use steady_model::service::{End, State};
use steady_supervise::ServiceHandle;

#[test]
fn a_killed_agents_service_runs_on_and_the_next_agent_takes_it_back_without_a_lost_line() {
    let world = World::new();
    let spec = world.server();
    let mut host = world.host(&spec);
    host.wait_for("Ready");
    let pid = world.answer().unwrap();
    assert_eq!(world.journalled_pid(), Some(pid));
    for _ in 0..5 {
        host.kill();
        for _ in 0..10 {
            assert_eq!(world.answer(), Some(pid), "it died with its agent");
        }
        host = world.host(&spec);
        let state = host.wait_for("Ready");
        assert!(state.contains(&format!("pid: {pid}")), "{state}");
    }
    assert_eq!(world.marked(), [pid]);
    let requests = || -> Vec<u64> {
        let log = world.log();
        log.iter().filter_map(|l| l.strip_prefix("request ")?.split(' ').next()?.parse().ok()).collect()
    };
    // 51 of this test and the readiness probes of six agents.
    wait_until("all lines", || requests().len() >= 57);
    let seen = requests();
    assert_eq!(seen, (1..=seen.len() as u64).collect::<Vec<_>>());
}

#[test]
fn an_agent_killed_at_any_moment_of_a_start_never_leads_to_two_copies() {
    let world = World::new();
    // No port that would keep a second copy out.
    let mut spec = world.service(&["sh", "-c", "echo $$ >> pids; exec sleep 600"]);
    spec.port = None;
    let mut pids = BTreeSet::new();
    for round in 0..40 {
        let host = world.host(&spec);
        std::thread::sleep(Duration::from_micros(1500 * round));
        host.kill();
        let marked = world.marked();
        assert!(marked.len() <= 1, "round {round}: {marked:?}");
        pids.extend(marked);
    }
    assert_eq!(pids.len(), 1, "it was started again: {pids:?}");
    let mut host = world.host(&spec);
    host.wait_for("Ready");
    assert_eq!(world.marked(), Vec::from_iter(pids));
    let started = std::fs::read_to_string(world.home().join("pids")).unwrap();
    assert_eq!(started.lines().count(), 1, "{started}");
}

#[test]
fn what_a_dead_wrapper_left_behind_is_ended_before_the_next_start() {
    let world = World::new();
    let spec = world.script(r#""$0" serve "$1" & wait"#);
    let mut host = world.host(&spec);
    host.wait_for("Ready");
    let orphan = world.answer().unwrap();
    let wrapper = world.journalled_pid().unwrap();
    host.kill();
    kill(wrapper);
    wait_until("the wrapper is gone", || !is_alive(wrapper));
    assert_eq!(world.answer(), Some(orphan), "no orphan to test with");

    let mut host = world.host(&spec);
    host.wait_for("Ready");
    assert!(!is_alive(orphan));
    assert!(world.answer().is_some_and(|pid| pid != orphan));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_detached_service_runs_on_and_its_end_is_seen_by_the_one_who_took_it_back() {
    let world = World::new();
    let first = world.supervise(world.server());
    let pid = ready(&first).await;
    first.detach().await;
    assert!(first.start().is_err());
    assert_eq!(world.answer(), Some(pid));

    let second = world.supervise(world.server());
    assert_eq!(ready(&second).await, pid);
    assert_eq!(second.lifecycle().restarts, 0);
    kill(pid);
    let back = common::ready_as_another_than(&second, pid).await;
    assert_eq!(second.lifecycle().last_end.unwrap().0, End::Exited(Exit::Unobserved));
    assert_eq!(world.answer(), Some(back));
    second.stop_and_wait(SOON).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_agent_does_not_begin_the_quick_tries_of_a_crash_loop_anew() {
    let world = World::new();
    let tries = || std::fs::read_to_string(world.home().join("tries")).unwrap_or_default().len();
    let spec = world.quiet("printf x >> tries; exit 3");
    let backs_off = async |service: &ServiceHandle| {
        let waits = |state: &State| matches!(state, State::Backoff { .. });
        let life = common::wait_for(service, "it waits for its next try", waits).await;
        (tries(), life.streak)
    };
    let first = world.supervise(spec.clone());
    assert_eq!(backs_off(&first).await, (2, 2), "at once the first time");
    first.detach().await;

    let second = world.supervise(spec);
    assert_eq!(backs_off(&second).await, (3, 2), "one try, and it waits again");
    // A person who stops it forgives it.
    second.stop_and_wait(SOON).await.unwrap();
    second.start().unwrap();
    assert_eq!(backs_off(&second).await, (5, 2));
    second.stop_and_wait(SOON).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_adopted_service_is_stopped_as_a_group_and_proved_gone() {
    let world = World::new();
    let spec = world.script(r#""$0" serve "$1" & wait"#);
    let first = world.supervise(spec.clone());
    let wrapper = ready(&first).await;
    let child = world.answer().unwrap();
    first.detach().await;
    let second = world.supervise(spec);
    assert_eq!(ready(&second).await, wrapper);
    second.stop_and_wait(SOON).await.unwrap();
    assert!(!is_alive(wrapper) && !is_alive(child));
    assert_eq!(world.marked(), [0; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_without_its_journal_is_found_by_its_mark_also_when_it_runs_another_program_by_now() {
    let world = World::new();
    let mut spec = world.service(&["sh", "-c", "exec sleep 600"]);
    (spec.port, spec.ready) = (None, Readiness::Started);
    let first = world.supervise(spec.clone());
    let pid = ready(&first).await;
    first.detach().await;
    std::fs::remove_file(world.journal()).unwrap();
    let second = world.supervise(spec);
    assert_eq!(ready(&second).await, pid);
    assert_eq!(world.journalled_pid(), Some(pid));
    second.stop_and_wait(SOON).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_was_replaced_meanwhile_runs_on_and_is_told_until_the_restart() {
    let world = World::new();
    let program = world.home().join("server");
    let install = || {
        let fresh = world.home().join("fresh");
        std::fs::copy(FIXTURE, &fresh).unwrap();
        std::fs::rename(&fresh, &program).unwrap();
    };
    install();
    let spec = world.service(&[program.to_str().unwrap(), "serve", &world.port.to_string()]);
    let first = world.supervise(spec.clone());
    let pid = ready(&first).await;
    first.detach().await;
    let same = world.supervise(spec.clone());
    assert_eq!(ready(&same).await, pid);
    assert_eq!(world.warnings(), [], "nothing was replaced");
    same.detach().await;

    install();
    let third = world.supervise(spec);
    assert_eq!(ready(&third).await, pid);
    wait_until("it is told", || world.warnings().len() == 1);
    let told = world.warnings().remove(0).unwrap();
    assert!(told.contains("server was replaced since it started; `steady restart brain`"), "{told}");
    third.restart().unwrap();
    common::ready_as_another_than(&third, pid).await;
    wait_until("it is taken back", || world.warnings().last() == Some(&None));
    third.stop_and_wait(SOON).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_descendant_that_left_the_group_is_never_taken_for_the_service() {
    let world = World::new();
    let mut spec = world.service(&["sh", "-c", "setsid sleep 601 & exec sleep 600"]);
    (spec.port, spec.ready) = (None, Readiness::Started);
    let first = world.supervise(spec.clone());
    let pid = ready(&first).await;
    let left =
        || world.marked().into_iter().find(|marked| *marked != pid && group_of(*marked) == Some(*marked));
    wait_until("its descendant left the group", || left().is_some());
    let descendant = left().unwrap();
    first.detach().await;
    kill(pid);
    wait_until("the service is gone", || !is_alive(pid));
    let second = world.supervise(spec);
    let new = ready(&second).await;
    assert_ne!(new, descendant);
    second.stop_and_wait(SOON).await.unwrap();
    assert!(is_alive(descendant), "it was in no group of ours");
}

/// An agent killed while it starts, stops or restarts: at the next one there is never a second copy, and what was
/// wanted last comes to be.
#[test]
fn an_agent_killed_at_any_moment_of_any_order_leaves_one_copy_or_none() {
    let world = World::new();
    let mut spec = world.service(&["sh", "-c", "exec sleep 600"]);
    spec.port = None;
    let mut dice = fastrand::Rng::with_seed(7);
    for round in 0..60 {
        let mut host = world.host(&spec);
        if round % 3 == 0 {
            // Starting, Stopped or Stopping, as was wanted last.
            host.wait_for("St");
        }
        for _ in 0..dice.usize(1..4) {
            host.order(dice.choice(["start", "stop", "restart"]).unwrap());
            std::thread::sleep(Duration::from_micros(dice.u64(0..12_000)));
        }
        host.kill();
        let marked = world.marked();
        assert!(marked.len() <= 1, "round {round}: {marked:?}");
    }
    let mut host = world.host(&spec);
    host.order("start");
    host.wait_for("Ready");
    // What was taken back may still be restarted, as it was wanted before the last agent died.
    wait_until("one copy runs", || world.marked().len() == 1);
    host.order("stop");
    host.wait_for("Stopped");
    host.kill();
    world.host(&spec).wait_for("Stopped");
    assert_eq!(world.marked(), [0; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_is_given_to_another_manager_does_not_run_on_beside_it() {
    let world = World::new();
    let spec = world.quiet("exec sleep 600");
    let first = world.supervise(spec.clone());
    let pid = ready(&first).await;
    first.detach().await;
    // Wherever this runs, no launchd knows this job.
    let unit = Some("com.example.steady-test.no-such-job".to_owned());
    let second = world.supervise(Service { manager: Manager::Launchd { unit }, ..spec });
    wait_until("the former child is gone", || !is_alive(pid));
    assert_eq!(world.marked(), [0; 0]);
    second.stop_and_wait(SOON).await.unwrap();
}
