//! The agent is killed again and again, at any moment; what it keeps is never doubled, lost or confused.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a storm strikes at random times")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use steady_e2e::{Stack, alive, bin, kill9};
use steady_model::snapshot::{ServiceStatus, Snapshot};

const KILLS: usize = 200;
/// Every so often the storm pauses, and all must be as it was asked for.
const CALM: usize = 25;

/// Writes numbered lines for ever, into files that are rotated every second or so.
const COUNTER: &str = r#"
[service.counter]
command = ["sh", "-c", "n=0; while :; do n=$((n+1)); echo \"$$ $n\"; sleep 0.005; done"]
log = { max_size = "1 kB", keep = 100000 }
"#;

fn agent(stack: &Stack) -> Child {
    Command::new(bin("steady"))
        .arg("--home")
        .arg(stack.home())
        .args(["agent", "--config"])
        .arg(stack.path("steady.toml"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::options().create(true).append(true).open(stack.path("agents.log")).unwrap())
        .spawn()
        .unwrap()
}

/// Leaders of a process group that carry this stack's mark for a service.
fn copies(stack: &Stack, service: &str) -> Vec<u32> {
    let home = format!("STEADY_HOME={}", stack.home().display());
    let service = format!("STEADY_SERVICE={service}");
    let leads = |pid: &u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let group = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(2)?.parse().ok());
        group == Some(*pid) && alive(*pid)
    };
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            let has = |var: &str| environment.split(|b| *b == 0).any(|found| found == var.as_bytes());
            has(&home) && has(&service)
        })
        .filter(leads)
        .collect()
}

fn ready(s: &Snapshot, name: &str) -> Option<u32> {
    s.services.iter().find(|v| v.name == name && v.state == ServiceStatus::Ready).and_then(|v| v.pid)
}

async fn strike(stack: &Stack, dice: &mut fastrand::Rng) {
    let client = stack.client();
    let order = async {
        match dice.u8(0..8) {
            0 => drop(client.restart("brain").await),
            1 => drop(client.restart("counter").await),
            2 => {
                let _ = client.stop("counter").await;
                let _ = client.start("counter").await;
            }
            3 => drop(client.back_up().await),
            4 => {
                for pid in copies(stack, ["brain", "counter"][dice.usize(0..2)]) {
                    kill9(pid);
                }
            }
            _ => {}
        }
    };
    let _ = tokio::time::timeout(Duration::from_millis(200), order).await;
}

/// Per process that wrote: its lines are numbered from 1 on without a gap or a repetition.
fn no_line_is_lost_or_doubled(stack: &Stack) -> usize {
    let log = steady_lines(stack);
    let mut last: BTreeMap<u64, u64> = BTreeMap::new();
    for line in &log {
        let (pid, n) = line.split_once(' ').unwrap_or_else(|| panic!("torn: {line:?}"));
        let (pid, n): (u64, u64) = (pid.parse().unwrap(), n.parse().unwrap());
        let before = last.insert(pid, n).unwrap_or(0);
        assert_eq!(n, before + 1, "after line {before} of process {pid}");
    }
    log.len()
}

fn steady_lines(stack: &Stack) -> Vec<String> {
    let out = stack.steady(&["logs", "counter", "--no-fold", "-n", "10000000"]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn an_agent_killed_200_times_keeps_one_copy_of_each_service_and_every_line() {
    let seed = std::env::var("STORM_SEED").map_or_else(|_| fastrand::u64(..), |s| s.parse().unwrap());
    println!("STORM_SEED={seed}");
    let mut dice = fastrand::Rng::with_seed(seed);
    let stack = Stack::prepare();
    let config = fs::read_to_string(stack.path("steady.toml")).unwrap();
    fs::write(stack.path("steady.toml"), config + COUNTER).unwrap();
    // Makes the demo's folders.
    stack.up();
    stack.until("both run", |s| ready(s, "brain").is_some() && ready(s, "counter").is_some()).await;
    // It looks like a service of this stack in all but the mark.
    let mut stranger = Command::new("sleep").arg("1000").current_dir(stack.path("")).spawn().unwrap();
    let mut killed = stack.client().snapshot().await.unwrap().agent.pid;
    kill9(killed);

    for round in 1..=KILLS {
        let mut agent = agent(&stack);
        tokio::time::sleep(Duration::from_millis(dice.u64(0..200))).await;
        strike(&stack, &mut dice).await;
        tokio::time::sleep(Duration::from_millis(dice.u64(0..100))).await;
        agent.kill().unwrap();
        agent.wait().unwrap();
        for service in ["brain", "counter"] {
            let found = copies(&stack, service);
            assert!(found.len() <= 1, "round {round}: {found:?} are all {service}");
        }
        if round % CALM == 0 {
            killed = calm(&stack).await;
            assert!(stranger.try_wait().unwrap().is_none(), "a stranger was killed");
        }
    }
    calm(&stack).await;
    stack.up();
    stack.until("both run", |s| ready(s, "brain").is_some() && ready(s, "counter").is_some()).await;
    let lines = no_line_is_lost_or_doubled(&stack);
    println!("{lines} lines, the last agent but one was {killed}");
    assert!(stack.steady(&["down"]).status.success());
    assert_eq!((copies(&stack, "brain"), copies(&stack, "counter")), (vec![], vec![]));
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

/// Nothing strikes: what was asked for holds, also after one more kill. Leaves no agent.
async fn calm(stack: &Stack) -> u32 {
    stack.up();
    // The last order may have been a stop.
    assert!(stack.steady(&["start"]).status.success());
    let up = stack.until("both run", |s| ready(s, "brain").is_some() && ready(s, "counter").is_some()).await;
    no_line_is_lost_or_doubled(stack);
    assert!(stack.steady(&["stop", "counter"]).status.success());
    kill9(up.agent.pid);
    stack.up();
    let looked_at = |s: &Snapshot| s.services.iter().all(|v| v.state != ServiceStatus::Unknown);
    let back = stack.until("brain is taken back", |s| ready(s, "brain").is_some() && looked_at(s)).await;
    assert_eq!(ready(&back, "brain"), ready(&up, "brain"), "what ran was not left alone");
    let counter = back.services.iter().find(|s| s.name == "counter").unwrap();
    assert_eq!((counter.state, counter.pid), (ServiceStatus::Stopped, None), "{}", counter.detail);
    assert!(stack.steady(&["start", "counter"]).status.success());
    kill9(back.agent.pid);
    back.agent.pid
}
