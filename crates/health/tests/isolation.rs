//! No check waits for another, and thousands do not crowd.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the test measures in real time")]

#[allow(dead_code, reason = "each test takes its part")]
mod common;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};

use steady_model::check::Status;
use steady_model::config::{Check, CheckKind, Env, Free};

use common::{LIMIT, check, next, start};

const SECOND: Duration = Duration::from_secs(1);

fn command(script: &str) -> CheckKind {
    let command = ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
    CheckKind::Command { command, cwd: std::env::temp_dir(), env: Env::default() }
}

/// One of each kind that looks at this machine alone, each second.
fn each_second(dir: &std::path::Path, listener: &TcpListener) -> Vec<Check> {
    let at = listener.local_addr().unwrap();
    let file = dir.join("file");
    std::fs::write(&file, steady_clock::now().wall.to_string()).unwrap();
    let kinds = [
        CheckKind::Tcp { address: at.to_string(), slow: None },
        CheckKind::Tcp { address: format!("localhost:{}", at.port()), slow: None },
        CheckKind::Process { pattern: "e".to_owned() },
        CheckKind::Port { port: at.port(), process: None },
        CheckKind::Path { path: dir.to_owned() },
        CheckKind::Disk { path: dir.to_owned(), warn: Free::Bytes(0), fail: Free::Bytes(0) },
        CheckKind::Marker { path: file.clone(), max_age: LIMIT * 10 },
        CheckKind::Log { path: file, pattern: "x".to_owned(), window: LIMIT },
        command("echo fine"),
    ];
    let named = |(n, kind): (usize, CheckKind)| check(&format!("{} {n}", kind.name()), kind, SECOND, LIMIT);
    kinds.into_iter().enumerate().map(named).collect()
}

#[tokio::test]
async fn a_look_of_thirty_seconds_and_checks_of_each_second_do_not_delay_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let mut checks = each_second(dir.path(), &listener);
    let quick = checks.len();
    checks.push(check("slow", command("sleep 30; echo slow"), SECOND, LIMIT * 3));
    let (handle, mut events) = start(checks);
    let begun = Instant::now();
    // Looks, the last one, and the widest gap between two.
    let mut seen: BTreeMap<String, (u32, Instant, Duration)> = BTreeMap::new();
    let slow = loop {
        let event = next(&mut events).await;
        if event.name == "slow" {
            break event.observation;
        }
        assert_eq!(event.observation.status, Status::Pass, "{}: {}", event.name, event.observation.evidence);
        let (looks, last, gap) = seen.entry(event.name).or_insert((0, begun, Duration::ZERO));
        (*looks, *gap) = (*looks + 1, (*gap).max(last.elapsed()));
        *last = Instant::now();
    };
    let took = begun.elapsed();
    handle.shutdown().await;
    assert_eq!((slow.status, slow.evidence.as_str()), (Status::Pass, "slow"));
    assert!(took < Duration::from_secs(33), "the slow look was delayed to {took:?}");
    assert_eq!(seen.len(), quick);
    for (name, (looks, _, gap)) in seen {
        println!("{name}: {looks} looks, widest gap {gap:?}");
        assert!(looks >= 27 && gap < 3 * SECOND, "{name}: {looks} looks, widest gap {gap:?}");
    }
}
