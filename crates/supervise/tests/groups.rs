//! Process groups and what leaves them: wrappers, daemons, bombs, the stopped and the stubborn.

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

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use common::{
    SOON, World, group_of, is_alive, kill, pid_of, ready, ready_as_another_than, signal_group, wait_for,
    wait_until,
};
use rustix::process::{Signal, kill_process};
use steady_model::process::Exit;
use steady_model::service::{End, State, StopReason};

/// A parent that waits and neither forwards a signal nor dies with its child; one that is in the way of its child's
/// own group; one that forwards.
const WRAPPERS: [&str; 3] = [
    r#""$0" serve "$1" & wait"#,
    r#"( ( "$0" serve "$1" & wait ) & wait )"#,
    r#""$0" serve "$1" & child=$!; trap 'kill $child' TERM; wait; wait"#,
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_wrapper_leaves_an_orphan_that_answers_whether_stopped_killed_or_restarted() {
    for wrapper in WRAPPERS {
        let world = World::new();
        let service = world.supervise(world.script(wrapper));
        let first = ready(&service).await;
        let mut answered = vec![world.answer().unwrap()];
        assert_ne!(answered[0], first, "no wrapper: {wrapper}");

        kill(first);
        let second = ready_as_another_than(&service, first).await;
        answered.push(world.answer().unwrap());

        // Like a person with `kill`: what the wrapper does not forward does not stay either.
        kill_process(pid_of(second), Signal::TERM).unwrap();
        let third = ready_as_another_than(&service, second).await;
        answered.push(world.answer().unwrap());

        service.restart_and_wait_ready(SOON).await.unwrap();
        let last = world.answer().unwrap();
        assert!(!is_alive(third), "{wrapper}");
        for old in answered {
            assert!(!is_alive(old), "{old} of {wrapper} is an orphan");
        }
        service.stop_and_wait(SOON).await.unwrap();
        assert!(!is_alive(last), "{wrapper}");
        assert_eq!((world.answer(), world.marked()), (None, vec![]), "{wrapper}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_waits_for_a_request_in_flight_is_gone_after_its_grace() {
    let world = World::new();
    let mut spec = world.script(r#"trap '' TERM; exec "$0" serve "$1""#);
    spec.stop_grace = Duration::from_millis(300);
    let service = world.supervise(spec);
    let pid = ready(&service).await;
    let mut request = TcpStream::connect(("127.0.0.1", world.port)).unwrap();
    request.write_all(b"GET /slow").unwrap();
    let asked = Instant::now();
    service.stop_and_wait(SOON).await.unwrap();
    let took = asked.elapsed();
    assert!(!is_alive(pid) && took >= Duration::from_millis(300), "{took:?}");
    assert!(took < Duration::from_secs(3), "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_left_its_group_and_holds_the_port_does_not_outlive_its_service() {
    let world = World::new();
    let service = world.supervise(world.script(r#"setsid "$0" serve "$1" & wait"#));
    let leader = ready(&service).await;
    let escaped = world.answer().unwrap();
    assert_ne!(group_of(escaped), Some(leader), "it did not leave");
    kill(leader);
    let second = ready_as_another_than(&service, leader).await;
    wait_until("the escaped server is gone", || !is_alive(escaped));
    let answering = world.answer().unwrap();
    assert_ne!(answering, escaped);
    assert!(!world.told().iter().any(|life| matches!(life.state, State::Foreign { .. })), "it was ours");

    service.stop_and_wait(SOON).await.unwrap();
    assert!(!is_alive(second) && !is_alive(answering));
    assert_eq!(world.answer(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_an_earlier_agents_run_left_on_the_port_is_ended_and_the_start_goes_on() {
    let world = World::new();
    let spec = world.script(r#"setsid "$0" serve "$1" & wait"#);
    let first = world.supervise(spec.clone());
    let leader = ready(&first).await;
    let escaped = world.answer().unwrap();
    first.detach().await;
    kill(leader);
    wait_until("the leader is gone", || !is_alive(leader));
    assert_eq!(world.answer(), Some(escaped));

    let second = world.supervise(spec);
    assert_ne!(ready(&second).await, escaped);
    assert!(!is_alive(escaped));
    assert!(!world.told().iter().any(|life| matches!(life.state, State::Foreign { .. })));
    second.stop_and_wait(SOON).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_goes_to_the_background_is_said_and_ended() {
    let world = World::new();
    let service = world.supervise(world.script(r#"(setsid "$0" serve "$1" &) ; exit 0"#));
    let ended = |state: &State| {
        matches!(state, State::Stopped { reason: StopReason::Ended(End::Background { .. }), .. })
    };
    let life = wait_for(&service, "in the background", ended).await;
    let State::Stopped { reason: StopReason::Ended(End::Background { pid }), .. } = life.state else {
        panic!()
    };
    wait_until("the daemon is gone", || !is_alive(pid) && world.marked().is_empty());
    assert_eq!((world.answer(), life.restarts), (None, 0));
    wait_until("a report", || !world.crashes().is_empty());
    assert_eq!(world.crashes()[0].end, End::Background { pid });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_ends_well_and_leaves_nothing_is_started_again() {
    let world = World::new();
    let service = world.supervise(world.quiet("sleep 0.05 & exit 0"));
    let life = wait_for(&service, "backing off", |state| matches!(state, State::Backoff { .. })).await;
    assert_eq!(life.last_end.unwrap().0, End::Exited(Exit::Code(0)));
    service.stop_and_wait(SOON).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fork_bomb_ends_with_its_group() {
    let world = World::new();
    let bomb = r#"trap '' TERM
        i=0; while [ $i -lt 100 ]; do (while :; do (sleep 0.05); done) & i=$((i+1)); done
        : > "$0"; wait"#;
    let lit = world.home().join("lit");
    let mut spec = world.quiet(bomb);
    spec.command[3] = lit.display().to_string();
    spec.stop_grace = Duration::from_millis(100);
    let service = world.supervise(spec);
    let pid = ready(&service).await;
    wait_until("it is lit", || lit.exists());
    assert!(world.marked().len() > 50);
    // Killed from outside: the successor starts after the whole group is gone.
    std::fs::remove_file(&lit).unwrap();
    kill(pid);
    let second = ready_as_another_than(&service, pid).await;
    wait_until("it is lit again", || lit.exists());
    assert!(world.marked().iter().all(|member| group_of(*member).is_none_or(|group| group == second)));
    service.stop_and_wait(SOON).await.unwrap();
    assert_eq!(world.marked(), [0; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_was_stopped_by_a_signal_restarts_and_stops() {
    let world = World::new();
    let mut spec = world.server();
    spec.stop_grace = Duration::from_millis(200);
    let service = world.supervise(spec);
    let first = ready(&service).await;
    signal_group(first, Signal::STOP);
    service.restart_and_wait_ready(SOON).await.unwrap();
    let second = world.answer().unwrap();
    assert!(!is_alive(first) && second != first);
    signal_group(second, Signal::STOP);
    service.stop_and_wait(SOON).await.unwrap();
    assert!(!is_alive(second));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_closes_its_output_runs_on() {
    let world = World::new();
    let service = world.supervise(world.script(r#"echo last words; exec >&- 2>&-; exec "$0" serve "$1""#));
    let pid = ready(&service).await;
    assert_eq!(world.answer(), Some(pid));
    wait_until("what it said before", || world.log() == ["last words"]);
    kill(pid);
    let second = ready_as_another_than(&service, pid).await;
    wait_until("its successor's words", || world.log().len() == 2);
    assert_eq!(world.answer(), Some(second));
    service.stop_and_wait(SOON).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_fails_its_liveness_or_takes_too_much_memory_is_tried_again_like_after_an_exit() {
    let world = World::new();
    let service = world.supervise(world.server());
    let first = ready(&service).await;
    service.liveness_failed("3 failed checks in a row").unwrap();
    let second = ready_as_another_than(&service, first).await;
    let life = service.lifecycle();
    assert_eq!((life.streak, life.restarts), (1, 1));
    assert!(!is_alive(first));

    service.memory_exceeded("2 GB of memory, its limit is 1 GB").unwrap();
    let life = wait_for(&service, "backing off", |state| matches!(state, State::Backoff { .. })).await;
    assert_eq!(life.streak, 2);
    assert!(!is_alive(second));
    wait_until("both reports", || world.crashes().len() == 2);
    let ends: Vec<_> =
        world.crashes().into_iter().map(|crash| (crash.end, crash.pid, crash.streak)).collect();
    let expected = [
        (End::Unresponsive("3 failed checks in a row".into()), Some(first), 1),
        (End::Memory("2 GB of memory, its limit is 1 GB".into()), Some(second), 2),
    ];
    assert_eq!(ends, expected);
    service.start_and_wait_ready(SOON).await.unwrap();
    service.stop_and_wait(SOON).await.unwrap();
}
