//! What thousands of checks cost: `cargo run --release --example many -p steady-health [CHECKS [KIND]]`.
//!
//! Each kind by itself, at an interval of 10 s, for 30 s after the first looks: processor time as a share of one
//! core, and memory. Where somebody must answer, that is another process.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement by hand")]
#![allow(clippy::disallowed_methods, reason = "it measures in real time")]

use std::collections::BTreeMap;
use std::env;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use steady_health::watch;
use steady_model::check::{Severity, Thresholds};
use steady_model::config::{Check, CheckKind, Probe};
use tokio::sync::mpsc;

const INTERVAL: Duration = Duration::from_secs(10);
const MEASURED: Duration = Duration::from_secs(30);

fn main() {
    if env::args().nth(1).as_deref() == Some("serve") {
        return serve();
    }
    let many = env::args().nth(1).map_or(5000, |n| n.parse().unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut server = Command::new(env::current_exe().unwrap())
        .arg("serve")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut port = String::new();
    BufReader::new(server.stdout.as_mut().unwrap()).read_line(&mut port).unwrap();
    let port: u16 = port.trim().parse().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let only = env::args().nth(2);
    for kind in kinds(dir.path(), port).into_iter().filter(|k| only.as_ref().is_none_or(|o| k.name() == o)) {
        runtime.block_on(measure(&kind, many));
    }
    server.kill().unwrap();
    server.wait().unwrap();
}

fn kinds(dir: &Path, port: u16) -> Vec<CheckKind> {
    let file = dir.join("file");
    std::fs::write(&file, steady_clock::now().wall.to_string()).unwrap();
    vec![
        CheckKind::Tcp { address: format!("127.0.0.1:{port}"), slow: None },
        CheckKind::Http {
            url: format!("http://127.0.0.1:{port}/"),
            status: vec![200],
            body: BTreeMap::new(),
            warn_body: BTreeMap::new(),
            slow: None,
        },
        CheckKind::Path { path: dir.to_owned() },
        CheckKind::Marker { path: file.clone(), max_age: Duration::from_secs(3600) },
        CheckKind::Log { path: file, pattern: "ERROR".to_owned(), window: Duration::from_secs(60) },
        CheckKind::Process { pattern: "serve".to_owned() },
        CheckKind::Port { port, process: None },
    ]
}

async fn measure(kind: &CheckKind, many: usize) {
    let check = |n| Check {
        name: format!("check-{n}"),
        probe: Probe { interval: INTERVAL, timeout: Duration::from_secs(9) },
        kind: kind.clone(),
        severity: Severity::Critical,
        thresholds: Thresholds::default(),
        service: None,
        depends_on: Vec::new(),
        warm_up: Duration::ZERO,
    };
    let (send, mut events) = mpsc::channel(64);
    let checks = watch((0..many).map(check).collect(), send);
    let mut other = BTreeMap::<String, usize>::new();
    for _ in 0..many {
        let seen = events.recv().await.unwrap().observation;
        if seen.status != steady_model::check::Status::Pass {
            *other.entry(seen.evidence).or_default() += 1;
        }
    }
    let (begun, used) = (Instant::now(), processor());
    let mut looks = 0;
    while let Ok(event) = tokio::time::timeout_at((begun + MEASURED).into(), events.recv()).await {
        looks += 1;
        let seen = event.unwrap().observation;
        if seen.status != steady_model::check::Status::Pass {
            *other.entry(seen.evidence).or_default() += 1;
        }
    }
    let used = processor().checked_sub(used).unwrap();
    let share = 100.0 * used.as_secs_f64() / begun.elapsed().as_secs_f64();
    let each = used / looks;
    let memory = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let memory = memory.lines().find(|line| line.starts_with("RssAnon")).unwrap_or_default().to_owned();
    println!("{:8} {looks} looks, {each:?} each, {share:.2} % of a core, {memory} {other:?}", kind.name());
    checks.shutdown().await;
}

fn processor() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap())
}

/// Answers each connection, one after another.
fn serve() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("{}", listener.local_addr().unwrap().port());
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let mut request = [0; 1024];
        if matches!(stream.read(&mut request), Ok(1..)) {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
        }
    }
}
