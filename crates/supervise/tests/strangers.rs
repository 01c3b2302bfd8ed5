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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_on_the_ipv6_address_is_one_too() {
    let world = World::new();
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        return;
    }
    let mut stranger = Stranger::new(&[FIXTURE, "serve", &format!("[::1]:{}", world.port)]);
    wait_until("the stranger serves", || std::net::TcpStream::connect(("::1", world.port)).is_ok());
    let service = world.supervise(world.server());
    let life = wait_for(&service, "foreign", |state| matches!(state, State::Foreign { .. })).await;
    let State::Foreign { owner, .. } = life.state else { panic!("{:?}", life.state) };
    assert_eq!((owner.pid, owner.ours), (Some(stranger.0.id()), false));
    stranger.0.kill().unwrap();
    stranger.0.wait().unwrap();
    ready(&service).await;
    service.stop_and_wait(SOON).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_services_process_on_the_port_is_a_stranger_too() {
    let world = World::new();
    let first = world.supervise(world.server());
    let pid = ready(&first).await;
    let mut rival = world.server();
    rival.name = "rival".into();
    let second = world.supervise(rival);
    let life = wait_for(&second, "foreign", |state| matches!(state, State::Foreign { .. })).await;
    let State::Foreign { owner, .. } = life.state else { panic!("{:?}", life.state) };
    assert_eq!((owner.pid, owner.ours), (Some(pid), false));
    assert_eq!(world.answer(), Some(pid));
    second.stop_and_wait(SOON).await.unwrap();
    first.stop_and_wait(SOON).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_of_the_port_lives_through_kill_restart_and_stop() {
    let world = World::new();
    let service = world.supervise(world.server());
    let first = ready(&service).await;
    let mut client = Stranger::new(&[FIXTURE, "hold", &world.port.to_string()]);
    let connected = || {
        let sockets = std::fs::read_dir(format!("/proc/{}/fd", client.0.id())).unwrap();
        sockets.flatten().any(|fd| {
            std::fs::read_link(fd.path()).is_ok_and(|to| to.display().to_string().starts_with("socket:"))
        })
    };
    wait_until("the client is connected", connected);
    service.restart_and_wait_ready(SOON).await.unwrap();
    let second = world.answer().unwrap();
    assert_ne!(second, first);
    assert!(client.lives());
    common::kill(second);
    common::ready_as_another_than(&service, second).await;
    assert!(client.lives());
    service.stop_and_wait(SOON).await.unwrap();
    assert!(client.lives());
    assert!(!world.told().iter().any(|life| matches!(life.state, State::Foreign { .. })));
}
