//! A real backend kept running, and taken back after the agent died.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a test measures")]

use std::net::TcpListener;
use std::time::Instant;

use steady_e2e::{Stack, alive, kill9};
use steady_model::check::Status;
use steady_model::snapshot::{ServiceStatus, Snapshot};

fn brain(s: &Snapshot) -> (ServiceStatus, Option<u32>) {
    s.services.iter().find(|v| v.name == "brain").map(|v| (v.state, v.pid)).unwrap()
}

#[tokio::test]
async fn a_killed_backend_runs_again_and_the_dot_leaves_green_and_returns() {
    let stack = Stack::green().await;
    let before = Stack::pid_of(&stack.client().snapshot().await.unwrap(), "brain").unwrap();
    let killed = Instant::now();
    kill9(before);
    let down = stack.until("the dot is not green", |s| s.verdict.status != Status::Pass).await;
    assert!(down.verdict.sentence.contains("signal 9 (SIGKILL)"), "{}", down.verdict.sentence);
    stack
        .until(
            "brain serves again",
            |s| matches!(brain(s), (ServiceStatus::Ready, Some(pid)) if pid != before),
        )
        .await;
    println!("kill to serving: {:?}", killed.elapsed());
    assert!(reqwest::get(stack.brain_url("/health")).await.unwrap().status().is_success());
    let after = stack.until("the dot is green again", |s| s.verdict.status == Status::Pass).await;
    let view = after.services.first().unwrap();
    assert_eq!(view.restarts, 1);
    assert!(view.last_exit.as_deref().unwrap().starts_with("signal 9 (SIGKILL)"), "{:?}", view.last_exit);
}

#[tokio::test]
async fn a_killed_agent_leaves_the_backend_running_and_the_next_one_takes_it_back() {
    let stack = Stack::green().await;
    let first = stack.client().snapshot().await.unwrap();
    let pid = Stack::pid_of(&first, "brain").unwrap();
    kill9(first.agent.pid);
    assert!(
        reqwest::get(stack.brain_url("/health")).await.unwrap().status().is_success(),
        "brain went with the agent"
    );
    let out = stack.steady(&["status"]);
    assert_eq!(out.status.code(), Some(3), "a dead agent must never look green");
    stack.up();
    let taken = stack.until("adopted", |s| brain(s).0 == ServiceStatus::Ready).await;
    assert_ne!(taken.agent.pid, first.agent.pid);
    assert_eq!(Stack::pid_of(&taken, "brain"), Some(pid), "the backend was started a second time");
    assert_eq!(taken.services.first().unwrap().restarts, 0);
    // Its end is still seen by the new agent, which is not its parent.
    kill9(pid);
    stack.until("back", |s| matches!(brain(s), (ServiceStatus::Ready, Some(p)) if p != pid)).await;
}

#[tokio::test]
async fn stop_restart_and_start_do_what_they_say_and_wait_for_it() {
    let stack = Stack::green().await;
    let first = Stack::pid_of(&stack.client().snapshot().await.unwrap(), "brain").unwrap();
    let restarted = stack.steady_json(&["restart", "brain"]);
    let second = u32::try_from(restarted[0]["pid"].as_u64().unwrap()).unwrap();
    assert_ne!(first, second);
    assert!(!alive(first));
    let stopped = stack.steady_json(&["stop"]);
    assert_eq!(stopped[0]["state"], "stopped");
    assert!(!alive(second), "stopped means gone");
    assert!(
        TcpListener::bind(("127.0.0.1", stack.brain_port)).is_ok(),
        "stopped means that the port is free"
    );
    assert_eq!(stack.steady_json(&["start"])[0]["state"], "ready");
    let unknown = stack.steady(&["restart", "brian"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("configured: brain"));
}

#[tokio::test]
async fn a_stranger_on_the_port_is_named_and_left_alone_and_the_service_starts_when_it_leaves() {
    let stack = Stack::prepare();
    let stranger = TcpListener::bind(("127.0.0.1", stack.brain_port)).unwrap();
    stack.up();
    let s = stack.until("foreign", |s| brain(s).0 == ServiceStatus::Foreign).await;
    let owner = s.services.first().unwrap().foreign.clone().unwrap();
    assert_eq!(owner.pid, Some(std::process::id()));
    assert!(s.verdict.sentence.contains(&format!("pid {}", std::process::id())), "{}", s.verdict.sentence);
    assert_eq!(s.verdict.status, Status::Fail);
    let health = reqwest::get(format!("http://127.0.0.1:{}/health", stack.panel_port)).await.unwrap();
    assert_eq!(health.status(), 503);
    drop(stranger);
    assert_eq!(stack.steady_json(&["start"])[0]["state"], "ready");
}

#[tokio::test]
async fn a_second_up_attaches_and_starts_nothing() {
    let stack = Stack::green().await;
    let first = stack.client().snapshot().await.unwrap();
    let out = stack.up_output();
    assert!(String::from_utf8_lossy(&out.stdout).contains("was running already"));
    let second = stack.client().snapshot().await.unwrap();
    assert_eq!((first.agent.pid, brain(&first).1), (second.agent.pid, brain(&second).1));
}

#[tokio::test]
async fn logs_go_on_across_a_killed_agent() {
    let stack = Stack::green().await;
    let agent = stack.client().snapshot().await.unwrap().agent.pid;
    kill9(agent);
    // Written while nobody supervises.
    stack.converse("said between two agents").await;
    stack.up();
    stack.until("adopted", |s| brain(s).0 == ServiceStatus::Ready).await;
    stack.converse("said after").await;
    let tail = stack.steady_json(&["logs", "brain"]);
    let lines: Vec<&str> = tail["lines"].as_array().unwrap().iter().map(|l| l.as_str().unwrap()).collect();
    let writes = lines.iter().filter(|l| l.contains("/api/v1/conversations")).count();
    assert!(writes >= 2, "{lines:#?}");
}

#[tokio::test]
async fn the_end_of_the_agent_ends_what_it_started() {
    let stack = Stack::green().await;
    let s = stack.client().snapshot().await.unwrap();
    let pids = [s.agent.pid, Stack::pid_of(&s, "brain").unwrap()];
    assert!(stack.steady(&["down"]).status.success());
    assert!(pids.iter().all(|p| !alive(*p)), "{pids:?}");
    assert_eq!(stack.steady(&["status"]).status.code(), Some(3));
}

#[tokio::test]
async fn a_start_of_what_is_degraded_says_so_at_once() {
    let stack = Stack::with(
        "[service.slow]\ncommand = [\"sleep\", \"600\"]\nready = { http = \"http://127.0.0.1:1/\", timeout = \"1s\" }\n",
    );
    stack.up();
    stack.until("degraded", |s| s.services[0].state == ServiceStatus::Degraded).await;
    let asked = Instant::now();
    let out = stack.steady(&["start", "slow"]);
    assert_eq!(out.status.code(), Some(1));
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(said.contains("not ready after 1 s"), "{said}");
    assert!(asked.elapsed() < steady_e2e::LIMIT, "{:?}", asked.elapsed());
}

#[tokio::test]
async fn a_second_signal_ends_the_agent_at_once_and_leaves_the_services_to_the_next() {
    let stack = Stack::with(
        "[service.stubborn]\ncommand = [\"sh\", \"-c\", \"trap '' TERM; while :; do sleep 1; done\"]\n\
         stop_grace = \"5s\"\n",
    );
    stack.up();
    let up = stack.until("up", |s| s.services[0].state == ServiceStatus::Ready).await;
    let (agent, service) = (up.agent.pid, up.services[0].pid.unwrap());
    let term = || {
        let kill = std::process::Command::new("kill").arg(agent.to_string()).status().unwrap();
        assert!(kill.success());
    };
    term();
    stack.until("stopping in order", |s| s.services[0].state == ServiceStatus::Stopping).await;
    assert!(alive(agent), "it waits for its service");
    term();
    let begun = Instant::now();
    while alive(agent) {
        assert!(begun.elapsed() < steady_e2e::LIMIT, "the second signal did not end it");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert!(alive(service), "it was killed in its grace");
    stack.up();
    let taken = stack.until("taken back", |s| s.services[0].pid == Some(service)).await;
    assert_ne!(taken.agent.pid, agent);
}
