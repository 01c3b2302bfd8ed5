//! One agent, one service: start, death, stop, and what a service finds around itself.

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

use std::net::TcpListener;
use std::time::{Duration, Instant};

use common::{FIXTURE, SOON, World, is_alive, kill, ready, ready_as_another_than, wait_for, wait_until};
use steady_model::config::Readiness;
use steady_model::process::Exit;
use steady_model::service::{End, RestartPolicy, State, StopReason};
use steady_supervise::SuperviseError;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_service_is_back_as_a_new_process_and_was_seen_not_ready_meanwhile() {
    let world = World::new();
    let service = world.supervise(world.server());
    let old = ready(&service).await;
    assert_eq!(world.answer(), Some(old));

    let killed = Instant::now();
    kill(old);
    wait_until("another process serves", || world.answer().is_some_and(|pid| pid != old));
    let serving = killed.elapsed();
    let new = ready_as_another_than(&service, old).await;
    println!("kill to serving: {serving:?}, to ready: {:?}", killed.elapsed());
    assert_eq!(world.answer(), Some(new));
    let life = service.lifecycle();
    assert_eq!((life.restarts, life.streak), (1, 1));
    assert_eq!(life.last_end.unwrap().0, End::Exited(Exit::Signal(9)));
    let told = world.told();
    let lost = told.iter().find(|life| life.last_end.is_some()).expect("the death was told");
    assert!(matches!(lost.state, State::Starting { process: None, .. }), "{lost:?}");
    let crashes = world.crashes();
    assert_eq!(crashes.len(), 1, "{crashes:?}");
    let crash = &crashes[0];
    assert_eq!(
        (&crash.end, crash.pid, crash.streak, crash.run),
        (&End::Exited(Exit::Signal(9)), Some(old), 1, 1)
    );
    assert!(crash.uptime.unwrap() < SOON && crash.env.contains_key("PATH"), "{crash:?}");
    service.stop_and_wait(SOON).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrapper_that_is_killed_leaves_no_child_that_still_answers() {
    let world = World::new();
    // The wrapper neither forwards signals nor dies with its child.
    let service = world.supervise(world.script(r#""$0" serve "$1" & wait"#));
    let wrapper = ready(&service).await;
    let child = world.answer().unwrap();
    assert_ne!(wrapper, child, "the wrapper is no wrapper");

    kill(wrapper);
    let second = ready_as_another_than(&service, wrapper).await;
    assert!(!is_alive(child), "the orphan runs on");
    let answering = world.answer().unwrap();
    assert_ne!(answering, child);

    service.stop_and_wait(SOON).await.unwrap();
    assert!(!is_alive(answering) && !is_alive(second));
    assert_eq!(world.answer(), None);
    TcpListener::bind(("127.0.0.1", world.port)).expect("the port is free once it is stopped");
    assert_eq!(world.marked(), [0; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrapper_that_dies_of_the_signal_before_its_stubborn_child_is_stopped_only_with_it() {
    let world = World::new();
    let mut spec = world.script(r#"(trap '' TERM; exec "$0" serve "$1") & wait"#);
    spec.stop_grace = Duration::from_millis(300);
    let service = world.supervise(spec);
    let wrapper = ready(&service).await;
    let child = world.answer().unwrap();
    service.stop().unwrap();
    wait_until("the wrapper is gone", || !is_alive(wrapper));
    assert!(matches!(service.lifecycle().state, State::Stopping { .. }));
    service.stop_and_wait(SOON).await.unwrap();
    assert!(!is_alive(child));
    assert_eq!(world.answer(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_ignores_the_stop_signal_is_gone_after_its_grace() {
    let world = World::new();
    let mut spec = world.script(r#"trap '' TERM; exec "$0" serve "$1""#);
    spec.stop_grace = Duration::from_millis(400);
    let service = world.supervise(spec);
    let pid = ready(&service).await;
    let asked = Instant::now();
    service.stop_and_wait(SOON).await.unwrap();
    let took = asked.elapsed();
    assert!(!is_alive(pid));
    assert!(took >= Duration::from_millis(400), "no grace was given: {took:?}");
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_gives_a_new_process_and_a_stopped_service_starts_again() {
    let world = World::new();
    let service = world.supervise(world.server());
    let first = ready(&service).await;
    service.restart_and_wait_ready(SOON).await.unwrap();
    let second = world.answer().unwrap();
    assert_ne!(second, first);
    assert!(!is_alive(first));
    service.stop_and_wait(SOON).await.unwrap();
    assert_eq!(world.answer(), None);
    service.start_and_wait_ready(SOON).await.unwrap();
    assert_ne!(world.answer().unwrap(), second);
    assert_eq!(service.lifecycle().streak, 0, "what was asked for is no crash");
    service.stop_and_wait(SOON).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_ends_is_left_or_restarted_as_its_policy_says() {
    let world = World::new();
    let mut spec = world.service(&["sh", "-c", "exit 3"]);
    (spec.port, spec.ready) = (None, Readiness::Started);
    spec.restart = RestartPolicy::Never;
    let service = world.supervise(spec.clone());
    let ended = |exit| move |state: &State| matches!(state, State::Stopped { reason: StopReason::Ended(End::Exited(how)), .. } if *how == exit);
    wait_for(&service, "ended", ended(Exit::Code(3))).await;
    service.detach().await;

    spec.restart = RestartPolicy::OnFailure;
    let service = world.supervise(spec.clone());
    let life = wait_for(&service, "backing off", |state| matches!(state, State::Backoff { .. })).await;
    assert_eq!((life.streak, life.restarts), (2, 1), "the first respawn comes at once");
    assert!(matches!(life.state, State::Backoff { cause, .. } if cause == "exit code 3"));
    service.stop_and_wait(SOON).await.unwrap();
    service.detach().await;

    spec.success_codes = vec![3];
    let service = world.supervise(spec);
    wait_for(&service, "ended well", ended(Exit::Code(3))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_cannot_be_spawned_says_what_is_wrong_and_with_which_path() {
    let world = World::new();
    for (command, cwd, words) in [
        ("no-such-program-here", "", "no-such-program-here is in none of PATH="),
        ("./missing", "", "missing: No such file"),
        ("/etc/passwd", "", "cannot run /etc/passwd: Permission denied"),
        ("sh", "gone", "gone is not a directory"),
    ] {
        let mut spec = world.service(&[command]);
        spec.cwd = world.home().join(cwd);
        let service = world.supervise(spec);
        let life = wait_for(&service, words, |state| matches!(state, State::Backoff { .. })).await;
        let State::Backoff { cause, .. } = life.state else { panic!("{:?}", life.state) };
        assert!(cause.contains(words), "{cause}");
        service.stop_and_wait(SOON).await.unwrap();
        service.detach().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_gets_a_small_environment_its_directory_and_no_input() {
    let world = World::new();
    let mut spec =
        world.service(&["sh", "-c", "env; pwd; read -r x || echo no input; echo oops >&2; exec sleep 600"]);
    (spec.port, spec.ready) = (None, Readiness::Started);
    spec.cwd = world.home().canonicalize().unwrap().join("work dir");
    std::fs::create_dir(&spec.cwd).unwrap();
    spec.env.vars =
        [("VAULT".to_owned(), "/my vault".to_owned()), ("LANG".to_owned(), "xx".to_owned())].into();
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some(), "the agent's own environment has more");
    let service = world.supervise(spec.clone());
    ready(&service).await;
    wait_until("its last word", || world.log().last().is_some_and(|line| line == "oops"));
    let log = world.log();
    let has = |line: &str| log.iter().any(|l| l == line);
    assert!(has("VAULT=/my vault") && has("LANG=xx") && has("STEADY_SERVICE=brain"), "{log:?}");
    assert!(has(&format!("STEADY_HOME={}", world.home().display())), "{log:?}");
    assert!(has(&spec.cwd.display().to_string()) && has("no input"), "{log:?}");
    assert!(!log.iter().any(|l| l.starts_with("CARGO_")), "{log:?}");
    service.stop_and_wait(SOON).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_is_never_ready_is_degraded_and_becomes_ready_late() {
    let world = World::new();
    let gate = world.home().join("gate");
    let script = format!(r#"until [ -e "{}" ]; do sleep 0.02; done; exec "$0" serve "$1""#, gate.display());
    let mut spec = world.script(&script);
    spec.ready_timeout = Duration::from_millis(200);
    let service = world.supervise(spec);
    let life = wait_for(&service, "degraded", |state| matches!(state, State::Degraded { .. })).await;
    assert!(matches!(life.state, State::Degraded { reason, .. } if reason.starts_with("not ready after")));
    let error = service.start_and_wait_ready(SOON).await.unwrap_err();
    assert!(matches!(error, SuperviseError::NotReady { .. }), "{error}");
    std::fs::write(&gate, "").unwrap();
    ready(&service).await;
    service.stop_and_wait(SOON).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn output_goes_on_in_order_when_the_sink_is_killed() {
    let world = World::new();
    let keeper = tokio::spawn(steady_supervise::keep_sink(world.sink.clone()));
    let service = world.supervise(world.server());
    let pid = ready(&service).await;
    for _ in 0..5 {
        for _ in 0..20 {
            assert_eq!(world.answer(), Some(pid));
        }
        let sink = world.sink_pid();
        kill(sink);
        wait_until("another sink", || world.sink_pid() != sink);
    }
    let last = |log: &[String]| log.iter().filter(|l| l.starts_with("request")).count();
    wait_until("all lines", || last(&world.log()) > 100);
    let numbers: Vec<u64> = world
        .log()
        .iter()
        .filter_map(|line| line.strip_prefix("request ")?.split(' ').next()?.parse().ok())
        .collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
    keeper.abort();
    service.stop_and_wait(SOON).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_beside_this_one_is_found_without_a_path() {
    let world = World::new();
    // Tests run beside their fixtures' directory, so it is linked to where this test is.
    let me = std::env::current_exe().unwrap();
    let name = format!("beside-{}", std::process::id());
    let link = me.with_file_name(&name);
    std::os::unix::fs::symlink(FIXTURE, &link).unwrap();
    let service = world.supervise(world.service(&[&name, "serve", &world.port.to_string()]));
    let found = tokio::time::timeout(SOON, ready(&service)).await;
    std::fs::remove_file(&link).unwrap();
    found.unwrap();
    service.stop_and_wait(SOON).await.unwrap();
}
