//! Many services at once, and how quickly one is back. The figures are printed; the bounds are for a busy machine.

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
use std::time::{Duration, Instant};

use common::{FIXTURE, SOON, World, kill, ready, ready_as_another_than, wait_until};
use steady_model::config::{Readiness, Service};
use steady_model::time::AwakeInstant;
use steady_supervise::{Deps, ServiceHandle, supervise};

fn all(world: &World, count: usize) -> Vec<ServiceHandle> {
    let (events, mut heard) = tokio::sync::mpsc::channel(256);
    tokio::spawn(async move { while heard.recv().await.is_some() {} });
    let deps = Deps::new(world.home(), world.sink.clone());
    let spec = |n| Service::child(format!("s{n}"), vec!["sleep".into(), "600".into()], world.home());
    (0..count).map(|n| supervise(spec(n), deps.clone(), events.clone())).collect()
}

async fn pids(services: &[ServiceHandle]) -> BTreeSet<u32> {
    let mut pids = BTreeSet::new();
    for service in services {
        pids.insert(ready(service).await);
    }
    pids
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_services_are_started_taken_back_killed_and_stopped_at_a_cost_that_does_not_grow() {
    let mut each = Vec::new();
    for count in [25, 250] {
        let world = World::new();
        world.sink.ensure_running().unwrap();
        let begun = Instant::now();
        let services = all(&world, count);
        let first = pids(&services).await;
        let up = begun.elapsed();
        assert_eq!(first.len(), count);

        let begun = Instant::now();
        for pid in &first {
            kill(*pid);
        }
        for service in &services {
            let old = |life: &steady_model::service::Lifecycle| {
                life.restarts == 1 && matches!(life.state, steady_model::service::State::Ready { .. })
            };
            tokio::time::timeout(SOON * 2, service.changes().wait_for(old)).await.unwrap().unwrap();
        }
        let again = begun.elapsed();

        let second = pids(&services).await;
        let begun = Instant::now();
        for service in &services {
            service.detach().await;
        }
        let services = all(&world, count);
        assert_eq!(pids(&services).await, second, "another agent takes all back");
        let back = begun.elapsed();

        let begun = Instant::now();
        let stops = services
            .into_iter()
            .map(|service| tokio::spawn(async move { service.stop_and_wait(SOON).await.unwrap() }));
        for stop in stops.collect::<Vec<_>>() {
            stop.await.unwrap();
        }
        let down = begun.elapsed();
        assert_eq!(world.marked(), [0; 0]);
        println!(
            "{count} services: up {up:?}, killed and back {again:?}, taken back {back:?}, down {down:?}"
        );
        each.push((up + back + again + down) / u32::try_from(count).unwrap());
    }
    assert!(each[1] < each[0] * 5 + Duration::from_millis(5), "the cost of each grows: {each:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_respawn_comes_at_once() {
    let world = World::new();
    let file = world.home().join("stamps");
    let mut spec = world.service(&[FIXTURE, "stamp", file.to_str().unwrap()]);
    (spec.port, spec.ready) = (Some(world.port), Readiness::Started);
    let service = world.supervise(spec);
    let stamps = || std::fs::read_to_string(&file).unwrap_or_default().lines().count();
    let mut took = Vec::new();
    for round in 0..20 {
        service.start_and_wait_ready(SOON).await.unwrap();
        let pid = ready(&service).await;
        wait_until("its first words", || stamps() == 2 * round + 1);
        tokio::time::sleep(Duration::from_millis(30)).await;
        let killed = steady_clock::now().awake.since(AwakeInstant::default());
        kill(pid);
        ready_as_another_than(&service, pid).await;
        wait_until("its successor's", || stamps() == 2 * round + 2);
        let text = std::fs::read_to_string(&file).unwrap();
        let begun: u128 = text.lines().last().unwrap().parse().unwrap();
        took.push(Duration::from_nanos(u64::try_from(begun - killed.as_nanos()).unwrap()));
        service.stop_and_wait(SOON).await.unwrap();
    }
    took.sort();
    println!("kill to first instruction: median {:?}, best {:?}, worst {:?}", took[10], took[0], took[19]);
    assert!(took[10] < Duration::from_millis(250), "{took:?}");
}
