//! Ports, and what must never be touched: strangers.

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

use common::{
    FIXTURE, SOON, Stranger, World, answer, boot_id, group_of, is_alive, ready, wait_for, wait_until,
};
use steady_model::process::ProcessId;
use steady_model::service::State;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_taken_by_a_stranger_is_said_and_the_service_starts_when_the_stranger_leaves() {
    let world = World::new();
    let mut stranger = Stranger::new(&[FIXTURE, "serve", &world.port.to_string()]);
    wait_until("the stranger serves", || world.answer().is_some());
    let service = world.supervise(world.server());
    let life = wait_for(&service, "foreign", |state| matches!(state, State::Foreign { .. })).await;
    let State::Foreign { owner, .. } = life.state else { panic!("{:?}", life.state) };
    assert_eq!((owner.port, owner.pid), (world.port, Some(stranger.0.id())));
    let command = owner.command.unwrap();
    assert!(command.ends_with(&format!("serve {}", world.port)), "{command}");
    let age = steady_clock::now().wall.since(owner.since.unwrap()).unwrap_or_default();
    assert!(age.as_secs() < 60, "{age:?}");

    let error = service.start_and_wait_ready(SOON).await.unwrap_err().to_string();
    assert!(error.contains(&format!("taken by pid {}", stranger.0.id())), "{error}");
    service.restart().unwrap();
    wait_for(&service, "still foreign", |state| matches!(state, State::Foreign { .. })).await;
    assert!(stranger.lives());
    assert_eq!(world.answer(), Some(stranger.0.id()));

    stranger.0.kill().unwrap();
    stranger.0.wait().unwrap();
    // By itself.
    let ours = ready(&service).await;
    assert_eq!(world.answer(), Some(ours));
    service.stop_and_wait(SOON).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_who_takes_the_port_while_the_service_stops_is_no_part_of_the_stop() {
    let world = World::new();
    let service = world.supervise(world.server());
    ready(&service).await;
    service.stop_and_wait(SOON).await.unwrap();
    let mut stranger = Stranger::new(&[FIXTURE, "serve", &world.port.to_string()]);
    wait_until("the stranger serves", || answer(world.port) == Some(stranger.0.id()));
    service.start().unwrap();
    wait_for(&service, "foreign", |state| matches!(state, State::Foreign { .. })).await;
    service.stop_and_wait(SOON).await.unwrap();
    assert!(stranger.lives());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recycled_pid_in_the_journal_is_neither_adopted_nor_killed() {
    let world = World::new();
    let mut stranger = Stranger::new(&["sleep", "600"]);
    let id = stranger.id();
    world.write_journal(&ProcessId { started: id.started - 1, ..id.clone() }, &boot_id());
    let service = world.supervise(world.server());
    let pid = ready(&service).await;
    assert_ne!(pid, id.pid);
    service.restart_and_wait_ready(SOON).await.unwrap();
    service.stop_and_wait(SOON).await.unwrap();
    assert!(stranger.lives());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recycled_group_in_the_journal_is_left_alone() {
    let world = World::new();
    // A group of strangers whose leader is dead.
    let mut leader = Stranger::new(&["sh", "-c", "sleep 600 & sleep 600 & exit 0"]);
    let id = leader.id();
    let members = || -> Vec<u32> {
        let all =
            std::fs::read_dir("/proc").unwrap().filter_map(|e| e.ok()?.file_name().to_str()?.parse().ok());
        all.filter(|pid: &u32| group_of(*pid) == Some(id.pid) && is_alive(*pid)).collect()
    };
    leader.0.wait().unwrap();
    assert_eq!(members().len(), 2);
    world.write_journal(&id, &boot_id());
    let service = world.supervise(world.server());
    ready(&service).await;
    service.stop_and_wait(SOON).await.unwrap();
    assert_eq!(members().len(), 2, "strangers were killed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_of_another_boot_adopts_nothing_and_one_of_this_boot_does() {
    let world = World::new();
    let mut stranger = Stranger::new(&["sleep", "600"]);
    let id = stranger.id();
    world.write_journal(&id, "00000000-0000-0000-0000-000000000000");
    let service = world.supervise(world.server());
    assert_ne!(ready(&service).await, id.pid);
    service.stop_and_wait(SOON).await.unwrap();
    service.detach().await;
    assert!(stranger.lives());

    // The same entry with the right boot: the only thing that kept it out was the boot.
    world.write_journal(&id, &boot_id());
    let service = world.supervise(world.server());
    let adopted = |state: &State| matches!(state, State::Starting { process: Some(p), .. } if *p == id);
    wait_for(&service, "adopted", adopted).await;
    service.detach().await;
    assert!(stranger.lives());
}
