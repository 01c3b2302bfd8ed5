//! Promises of the schedule and the http probe, against real sockets.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the tests measure in real time")]

#[allow(dead_code, reason = "each test takes its part")]
mod common;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use steady_model::check::Status;
use steady_model::config::{CheckKind, Free, Predicate};
use tokio::time::timeout;

use common::{HOUR, LIMIT, check, next, start};

/// A server that gives every connection to `answer` on a thread of its own.
struct Server {
    addr: SocketAddr,
    asked: Arc<AtomicUsize>,
}

impl Server {
    fn start(answer: impl Fn(&str, &mut dyn Write) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let addr = listener.local_addr().unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let (count, answer) = (Arc::clone(&asked), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, answer) = (stream.unwrap(), Arc::clone(&answer));
                count.fetch_add(1, Ordering::SeqCst);
                thread::spawn(move || {
                    let mut request = [0; 4096];
                    let n = stream.read(&mut request).unwrap_or(0);
                    answer(&String::from_utf8_lossy(&request[..n]), &mut stream);
                });
            }
        });
        Self { addr, asked }
    }

    fn saying(status: &'static str, body: &'static str) -> Self {
        Self::start(move |_, out| reply(out, status, body))
    }

    fn url(&self) -> String {
        format!("http://{}/health", self.addr)
    }
}

fn reply(out: &mut dyn Write, status: &str, body: &str) {
    let _ =
        write!(out, "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
}

fn http(url: String, rules: &[(&str, &str)]) -> CheckKind {
    let predicate = |v: &str| Predicate { not: false, alternatives: vec![v.to_owned()] };
    let body = rules.iter().map(|(k, v)| ((*k).to_owned(), predicate(v))).collect();
    CheckKind::Http { url, status: vec![200], body, warn_body: BTreeMap::new(), slow: None }
}

/// The first look of one http check.
async fn look(url: String, rules: &[(&str, &str)], limit: Duration) -> (Status, String) {
    let (handle, mut events) = start(vec![check("api", http(url, rules), HOUR, limit)]);
    let seen = next(&mut events).await.observation;
    handle.shutdown().await;
    (seen.status, seen.evidence)
}

const TWO_SECONDS: Duration = Duration::from_secs(2);

#[tokio::test]
async fn a_healthy_answer_passes_with_its_evidence_and_latency() {
    let server = Server::saying("200 OK", r#"{"status":"ok","vault":"ok"}"#);
    let kind = http(server.url(), &[("vault", "ok")]);
    let (handle, mut events) = start(vec![check("api", kind, HOUR, TWO_SECONDS)]);
    let event = next(&mut events).await;
    assert_eq!((event.name.as_str(), event.observation.status), ("api", Status::Pass));
    let evidence = &event.observation.evidence;
    assert!(evidence.starts_with("HTTP 200 in ") && evidence.ends_with(r#", vault "ok""#), "{evidence}");
    let measure = event.observation.measure.unwrap();
    assert_eq!(measure.unit, "seconds");
    assert!(measure.value > 0.0 && measure.value < 2.0);
    handle.shutdown().await;
}

#[tokio::test]
async fn the_request_is_a_get() {
    let server = Server::start(|request, out| {
        let ok = request.starts_with("GET /health HTTP/1.1\r\n");
        reply(out, if ok { "200 OK" } else { "405 Method Not Allowed" }, "");
    });
    assert_eq!(look(server.url(), &[], TWO_SECONDS).await.0, Status::Pass);
}

#[tokio::test]
async fn every_way_to_fail_is_told_apart() {
    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let rules: &[(&str, &str)] = &[("status", "ok")];
    let slow = Server::start(|_, _| thread::park());
    let half = Server::start(|_, out| {
        let _ = out.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{");
        let _ = out.flush();
        thread::park();
    });
    let cut = Server::start(|_, out| {
        let _ = out.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{");
    });
    let huge = Server::start(|_, out| reply(out, "200 OK", &"x".repeat(2 << 20)));
    let short = Duration::from_millis(200);
    for (name, url, limit, words) in [
        ("refused", format!("http://{closed}/"), TWO_SECONDS, "connection refused: nothing listens there"),
        ("hang up", Server::start(|_, _| ()).url(), TWO_SECONDS, "closed before"),
        ("name", "http://no-such-host.invalid/".to_owned(), LIMIT, "its host name cannot be resolved"),
        ("timeout", slow.url(), short, "no answer from http://127.0.0.1:"),
        ("slow body", half.url(), short, "an answer, but not its whole body, from"),
        ("body cut off", cut.url(), TWO_SECONDS, "but its body broke off"),
        ("huge body", huge.url(), TWO_SECONDS, "but its body is larger than 1 MiB"),
        ("no JSON", Server::saying("200 OK", "<html>").url(), TWO_SECONDS, "but its body is not JSON"),
        ("500", Server::saying("500 Oops", "{}").url(), TWO_SECONDS, "HTTP 500 in "),
        ("404", Server::saying("404 Not Found", "{}").url(), TWO_SECONDS, "expected 200"),
        ("redirect", Server::saying("302 Found", "").url(), TWO_SECONDS, "HTTP 302 in "),
    ] {
        let (status, evidence) = look(url, rules, limit).await;
        assert_eq!(status, Status::Fail, "{name}: {evidence}");
        assert!(evidence.contains(words), "{name}: {evidence}");
    }
}

#[tokio::test]
async fn a_url_that_cannot_be_asked_is_unknown_and_not_red() {
    let (status, evidence) = look("http://".to_owned(), &[], TWO_SECONDS).await;
    assert_eq!(status, Status::Unknown, "{evidence}");
    assert!(evidence.contains("cannot be asked"), "{evidence}");
}

#[tokio::test]
async fn a_body_without_rules_is_not_read() {
    let endless = Server::start(|_, out| {
        let _ = out.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{");
        thread::park();
    });
    assert_eq!(look(endless.url(), &[], TWO_SECONDS).await.0, Status::Pass);
}

#[tokio::test]
async fn a_slow_check_never_delays_a_quick_one() {
    let slow = Server::start(|_, _| thread::park());
    let quick = Server::saying("200 OK", "");
    let (handle, mut events) = start(vec![
        check("slow", http(slow.url(), &[]), Duration::from_millis(100), TWO_SECONDS),
        check("quick", http(quick.url(), &[]), Duration::from_millis(100), TWO_SECONDS),
    ]);
    let begun = Instant::now();
    let (mut gaps, mut last) = (Vec::new(), begun);
    loop {
        let event = next(&mut events).await;
        if event.name == "slow" {
            assert_eq!(event.observation.status, Status::Fail);
            break;
        }
        gaps.push(last.elapsed());
        last = Instant::now();
    }
    let slow_took = begun.elapsed();
    handle.shutdown().await;
    gaps.sort();
    println!("quick looks beside the slow one: {}, widest gap {:?}", gaps.len(), gaps.last().unwrap());
    assert!(gaps.len() >= 10, "only {} looks in {slow_took:?}", gaps.len());
    assert!(*gaps.last().unwrap() < Duration::from_secs(1), "{gaps:?}");
    assert!(slow_took < Duration::from_secs(5), "{slow_took:?}");
}

#[tokio::test]
async fn a_nudged_check_looks_at_once_and_others_do_not() {
    let (a, b) = (Server::saying("200 OK", ""), Server::saying("200 OK", ""));
    let (handle, mut events) = start(vec![
        check("a", http(a.url(), &[]), HOUR, TWO_SECONDS),
        check("b", http(b.url(), &[]), HOUR, TWO_SECONDS),
    ]);
    let mut first = [next(&mut events).await.name, next(&mut events).await.name];
    first.sort();
    assert_eq!(first, ["a", "b"], "each looks at once at the start");
    assert!(handle.probe_now("b"));
    assert!(!handle.probe_now("c"));
    assert_eq!(next(&mut events).await.name, "b");
    handle.probe_all();
    let mut all = [next(&mut events).await.name, next(&mut events).await.name];
    all.sort();
    assert_eq!(all, ["a", "b"]);
    assert_eq!((a.asked.load(Ordering::SeqCst), b.asked.load(Ordering::SeqCst)), (2, 3));
    handle.shutdown().await;
}

#[tokio::test]
async fn a_nudge_during_a_look_is_followed_by_a_fresh_look() {
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    let server = Server::start(move |_, out| {
        let _ = held.lock().unwrap().recv();
        reply(out, "200 OK", "");
    });
    let (handle, mut events) = start(vec![check("a", http(server.url(), &[]), HOUR, LIMIT)]);
    timeout(LIMIT, async {
        while server.asked.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    handle.probe_now("a");
    release.send(()).unwrap();
    release.send(()).unwrap();
    next(&mut events).await;
    next(&mut events).await;
    assert_eq!(server.asked.load(Ordering::SeqCst), 2);
    handle.shutdown().await;
}

#[tokio::test]
async fn a_check_follows_the_world_and_ends_with_its_handle() {
    let dir = tempfile::tempdir().unwrap();
    let vault: PathBuf = dir.path().join("vault");
    let kind = CheckKind::Path { path: vault.clone() };
    let (handle, mut events) = start(vec![check("vault", kind, HOUR, TWO_SECONDS)]);
    let seen = next(&mut events).await.observation;
    assert_eq!((seen.status, seen.fact), (Status::Fail, true));
    std::fs::create_dir(&vault).unwrap();
    std::fs::write(vault.join("note.md"), "x").unwrap();
    handle.probe_now("vault");
    assert_eq!(next(&mut events).await.observation.status, Status::Pass);
    handle.shutdown().await;
    assert_eq!(timeout(LIMIT, events.recv()).await.unwrap(), None, "the tasks are still there");
}

#[tokio::test]
async fn disk_and_path_checks_look_through_the_schedule() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_owned();
    let (handle, mut events) = start(vec![check(
        "disk",
        CheckKind::Disk { path, warn: Free::Bytes(u64::MAX), fail: Free::Bytes(1) },
        HOUR,
        TWO_SECONDS,
    )]);
    let seen = next(&mut events).await.observation;
    assert_eq!((seen.status, seen.fact), (Status::Warn, true), "{}", seen.evidence);
    assert!(seen.measure.unwrap().value > 0.0);
    handle.shutdown().await;
}
