//! What a service wrote is in its log, whoever is killed meanwhile and however much it is.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a storm strikes at random times")]

use std::fs;
use std::time::Duration;

use steady_e2e::{Stack, alive, kill9};
use steady_model::snapshot::{ServiceStatus, ServiceView, Snapshot};

fn view<'a>(s: &'a Snapshot, name: &str) -> &'a ServiceView {
    s.services.iter().find(|v| v.name == name).unwrap()
}

fn done(s: &Snapshot, name: &str) -> bool {
    view(s, name).detail == "has done its work"
}

/// The pid that a lock file of the home names, if its holder lives.
fn holder(stack: &Stack, lock: &str) -> Option<u32> {
    let note: serde_json::Value = serde_json::from_slice(&fs::read(stack.home().join(lock)).ok()?).ok()?;
    u32::try_from(note["pid"].as_u64()?).ok().filter(|pid| alive(*pid))
}

/// A million numbered lines, with pauses, so that there is something to strike at. It stays when they are written:
/// nobody sees the end of a service whose agent was killed, and run again its lines would begin anew.
const MILLION: &str = r#"
[service.writer]
command = ["sh", "-c", "awk 'BEGIN { for (n = 1; n <= 1000000; n++) { print n; if (n % 2000 == 0) { fflush(); system(\"sleep 0.01\") } } }'; touch written; exec sleep 1000"]
log = { max_size = "100 kB", keep = 100000 }
"#;

#[tokio::test]
async fn a_million_lines_survive_kills_of_agent_and_sink_in_order() {
    let seed = std::env::var("STORM_SEED").map_or_else(|_| fastrand::u64(..), |s| s.parse().unwrap());
    println!("STORM_SEED={seed}");
    let mut dice = fastrand::Rng::with_seed(seed);
    let stack = Stack::with(MILLION);
    stack.up();
    stack.until("it writes", |s| view(s, "writer").pid.is_some()).await;
    let (mut agents, mut sinks) = (0, 0);
    while !stack.path("written").exists() {
        tokio::time::sleep(Duration::from_millis(dice.u64(0..300))).await;
        if let Some(sink) = holder(&stack, "sink.lock") {
            kill9(sink);
            sinks += 1;
        }
        if dice.u8(0..4) == 0
            && let Some(agent) = holder(&stack, "agent.lock")
        {
            kill9(agent);
            agents += 1;
            stack.up();
        }
    }
    println!("{agents} agents and {sinks} sinks were killed");
    assert!(agents > 0 && sinks > 0, "nothing was struck");
    stack.up();
    let out = stack.steady(&["logs", "writer", "--no-fold", "-n", "2000000"]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8(out.stdout).unwrap();
    let mut expected = 1..=1_000_000;
    for line in text.lines() {
        assert_eq!(Some(line), expected.next().map(|n| n.to_string()).as_deref());
    }
    assert_eq!(expected.next(), None, "lines are missing at the end");
    let files = fs::read_dir(stack.home().join("logs/writer")).unwrap();
    let archives =
        files.filter(|f| f.as_ref().unwrap().file_name().to_str().unwrap().contains(".log")).count();
    assert!(archives >= 50, "only {archives} rotations");
}

const FLOOD: &str = r#"
[service.flood]
command = ["sh", "-c", "yes 'a line like any other, again and again and again' | head -c 1000000000"]
oneshot = true
log = { max_size = "10 MB", keep = 2 }

[service.other]
command = ["sh", "-c", "echo here; exec sleep 1000"]
ready = { log = "^here$" }
"#;

#[tokio::test]
async fn a_gigabyte_of_one_service_does_not_keep_another_from_starting_or_being_heard() {
    let stack = Stack::with(FLOOD);
    stack.up();
    stack.until("the other is up", |s| view(s, "other").state == ServiceStatus::Ready).await;
    stack.client().stop("other").await.unwrap();
    stack.until("the other is down", |s| view(s, "other").state == ServiceStatus::Stopped).await;
    stack.until("the first flood is over", |s| done(s, "flood")).await;
    stack.client().start("flood").await.unwrap();
    stack.until("it floods", |s| view(s, "flood").pid.is_some()).await;
    stack.client().start("other").await.unwrap();
    let both = stack.until("the other is up", |s| view(s, "other").state == ServiceStatus::Ready).await;
    assert!(!done(&both, "flood"), "the other had to wait for the end of the flood");
}
