//! What makes a service ready, beyond an answer of its port.

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

use std::path::Path;
use std::time::{Duration, Instant};

use common::{SOON, World, is_alive, kill, ready, ready_as_another_than, wait_for, wait_until};
use steady_model::config::{Readiness, Service};
use steady_model::service::State;

fn when(gate: &Path) -> String {
    format!(r#"until [ -e "{}" ]; do sleep 0.01; done"#, gate.display())
}

fn says(world: &World, script: &str) -> Service {
    let pattern = r"^Uvicorn running on http://\S+".to_owned();
    Service { ready: Readiness::Log { pattern }, ..world.quiet(script) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_of_the_run_before_makes_nothing_ready() {
    let world = World::new();
    let gate = world.home().join("gate");
    let line =
        "echo 'Application startup complete.'; echo 'Uvicorn running on http://127.0.0.1:1'; sleep 600";
    let service = world.supervise(says(&world, &format!("{}; {line}", when(&gate))));
    let starting = |state: &State| matches!(state, State::Starting { process: Some(_), .. });
    wait_for(&service, "starting", starting).await;
    std::fs::write(&gate, "").unwrap();
    let first = ready(&service).await;

    std::fs::remove_file(&gate).unwrap();
    kill(first);
    let again = |state: &State| matches!(state, State::Starting { process: Some(p), .. } if p.pid != first);
    let second = wait_for(&service, "starting again", again).await.process().unwrap().pid;
    // Long enough for a reader that looks back to find the old run's line.
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert!(matches!(service.lifecycle().state, State::Starting { .. }), "an old line counted");
    }
    std::fs::write(&gate, "").unwrap();
    assert_eq!(ready_as_another_than(&service, first).await, second);
    service.stop_and_wait(SOON).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_that_an_earlier_agent_saw_still_counts() {
    let world = World::new();
    let spec = says(&world, "echo 'Uvicorn running on http://127.0.0.1:1'; exec sleep 600");
    let first = world.supervise(spec.clone());
    let pid = ready(&first).await;
    wait_until("written down", || world.journalled().is_some_and(|entry| entry["ready"] == true));
    first.detach().await;
    let second = world.supervise(spec);
    assert_eq!(ready(&second).await, pid);
    second.stop_and_wait(SOON).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_that_came_while_no_agent_lived_counts_and_an_older_one_does_not() {
    let world = World::new();
    let (gate, late) = (world.home().join("gate"), world.home().join("late"));
    let line = "echo 'Uvicorn running on http://127.0.0.1:1'";
    let spec = says(&world, &format!("{}; {line}; {}; {line}; exec sleep 600", when(&gate), when(&late)));
    let starting = |state: &State| matches!(state, State::Starting { process: Some(_), .. });
    // A first run that says it, and a second that does not yet.
    let first = world.supervise(spec.clone());
    wait_for(&first, "starting", starting).await;
    std::fs::write(&gate, "").unwrap();
    ready(&first).await;
    std::fs::remove_file(&gate).unwrap();
    first.restart().unwrap();
    let one = first.lifecycle().process().unwrap().pid;
    let again = |state: &State| matches!(state, State::Starting { process: Some(p), .. } if p.pid != one);
    let pid = wait_for(&first, "starting again", again).await.process().unwrap().pid;
    first.detach().await;
    let second = world.supervise(spec.clone());
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert!(
            !matches!(second.lifecycle().state, State::Ready { .. }),
            "the line of the run before counted"
        );
    }
    second.detach().await;
    std::fs::write(&gate, "").unwrap();
    wait_until("the line", || world.log().iter().filter(|line| line.starts_with("Uvicorn")).count() == 2);
    let third = world.supervise(spec);
    assert_eq!(ready(&third).await, pid);
    third.stop_and_wait(SOON).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_is_asked_in_the_services_directory_and_environment_until_it_ends_well() {
    let world = World::new();
    let mut spec = world.quiet("exec sleep 600");
    spec.env.vars = [("GATE".to_owned(), "gate".to_owned())].into();
    let command = ["sh", "-c", r#"echo asked >> asked; [ -e "$GATE" ]"#].map(str::to_owned).into();
    spec.ready = Readiness::Command { command };
    let asked = world.home().join("asked");
    let service = world.supervise(spec);
    wait_until("asked again", || std::fs::read_to_string(&asked).is_ok_and(|text| text.lines().count() > 2));
    assert!(matches!(service.lifecycle().state, State::Starting { process: Some(_), .. }));
    std::fs::write(world.home().join("gate"), "").unwrap();
    ready(&service).await;
    service.stop_and_wait(SOON).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_hangs_does_not_outlive_the_question() {
    let world = World::new();
    let mut spec = world.quiet("exec sleep 600");
    let command =
        ["sh", "-c", "sleep 600 & echo $! > asked.new; mv asked.new asked; wait"].map(str::to_owned);
    spec.ready = Readiness::Command { command: command.into() };
    let service = world.supervise(spec);
    let asked = world.home().join("asked");
    wait_until("asked", || asked.exists());
    let hangs: u32 = std::fs::read_to_string(&asked).unwrap().trim().parse().unwrap();
    assert!(is_alive(hangs));
    service.stop_and_wait(SOON).await.unwrap();
    wait_until("the question is gone", || !is_alive(hangs));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delay_passes_before_the_service_counts_as_ready() {
    let world = World::new();
    let mut spec = world.quiet("exec sleep 600");
    spec.ready = Readiness::Delay { delay: Duration::from_millis(300) };
    let begun = Instant::now();
    let service = world.supervise(spec);
    ready(&service).await;
    assert!(begun.elapsed() >= Duration::from_millis(300), "{:?}", begun.elapsed());
    service.stop_and_wait(SOON).await.unwrap();
}
