//! Many services: all started, all killed, all stopped.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a test measures")]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Instant;

use steady_e2e::{Stack, alive, kill9};
use steady_model::snapshot::{ServiceStatus, Snapshot};

const MANY: usize = 500;

fn ready(s: &Snapshot) -> BTreeMap<String, u32> {
    let ready = s.services.iter().filter(|v| v.state == ServiceStatus::Ready);
    ready.filter_map(|v| Some((v.name.clone(), v.pid?))).collect()
}

#[tokio::test]
async fn five_hundred_services_are_started_killed_and_stopped() {
    let mut config = String::new();
    for n in 0..MANY {
        writeln!(config, "[service.s{n}]\ncommand = [\"sleep\", \"10000\"]").unwrap();
    }
    let stack = Stack::with(&config);
    let begun = Instant::now();
    stack.up();
    let first = ready(&stack.until("all are up", |s| ready(s).len() == MANY).await);
    println!("all up after {:?}", begun.elapsed());
    let killed = Instant::now();
    for pid in first.values() {
        kill9(*pid);
    }
    let again = |s: &Snapshot| {
        let now = ready(s);
        now.len() == MANY && now.iter().all(|(name, pid)| first[name] != *pid)
    };
    let second = ready(&stack.until("all are up again", again).await);
    println!("all killed and up again after {:?}", killed.elapsed());
    let stopping = Instant::now();
    assert!(stack.steady(&["down"]).status.success());
    println!("all stopped after {:?}", stopping.elapsed());
    assert_eq!(second.values().filter(|pid| alive(**pid)).count(), 0);
}
