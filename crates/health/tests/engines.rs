//! Promises of the ollama and docker checks, against servers that speak their documented answers.
//!
//! With `STEADY_DOCKER_SOCKET` and `STEADY_DOCKER_PROJECT` also against a real engine: see `scripts/docker-engine`.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the tests wait in real time")]
#![allow(dead_code, reason = "each kind's tests use a part of what they share")]

mod common;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::{LIMIT, Looking, look};
use steady_model::check::Status;
use steady_model::config::CheckKind;

const TIMEOUT: Duration = Duration::from_secs(5);

/// The first line of a request → a body for 200, or silence.
type Answers = fn(&str) -> Option<&'static str>;

fn answer(mut stream: impl Read + Write, answers: Answers, embeds: &AtomicUsize) {
    let mut request = [0; 4096];
    let n = stream.read(&mut request).unwrap_or(0);
    let request = String::from_utf8_lossy(&request[..n]).into_owned();
    if request.starts_with("POST /api/embed ") {
        embeds.fetch_add(1, Ordering::SeqCst);
    }
    match answers(request.lines().next().unwrap_or_default()) {
        Some(body) => {
            let (status, body) = body.strip_prefix("500 ").map_or(("200 OK", body), |b| ("500 Error", b));
            let _ = write!(
                stream,
                "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
        }
        None => thread::sleep(LIMIT),
    }
}

/// Its URL, and how many embeddings it was asked for.
fn ollama(answers: Answers) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let embeds = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&embeds);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let count = Arc::clone(&count);
            thread::spawn(move || answer(stream.unwrap(), answers, &count));
        }
    });
    (url, embeds)
}

fn engine(socket: &Path, answers: Answers) {
    let listener = UnixListener::bind(socket).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            thread::spawn(move || answer(stream.unwrap(), answers, &AtomicUsize::new(0)));
        }
    });
}

fn asked(url: &str, model: &str, embed: bool) -> CheckKind {
    CheckKind::Ollama { url: url.to_owned(), model: Some(model.to_owned()), embed }
}

#[expect(clippy::unnecessary_wraps, reason = "others are silent")]
fn common_answers(line: &str) -> Option<&'static str> {
    Some(match line.split(' ').nth(1).unwrap_or_default() {
        "/api/version" => r#"{"version":"0.12.6"}"#,
        "/api/tags" => r#"{"models":[{"name":"nomic-embed-text:latest","size":274302450}]}"#,
        "/api/ps" => r#"{"models":[]}"#,
        "/api/embed" => r#"{"model":"nomic-embed-text","embeddings":[[0.010071,-0.0017]]}"#,
        _ => "500 {}",
    })
}

/// Looks until the evidence has these words.
async fn until(looking: &mut Looking, words: &str) -> Status {
    let begun = Instant::now();
    loop {
        let seen = looking.look().await;
        if seen.evidence.contains(words) {
            return seen.status;
        }
        assert!(begun.elapsed() < LIMIT, "{}", seen.evidence);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_model_that_was_never_pulled_is_named() {
    let (url, _) = ollama(common_answers);
    let seen = look(asked(&url, "nomic-embed-text", false), TIMEOUT).await;
    assert_eq!((seen.status, seen.evidence.as_str()), (Status::Pass, "Ollama 0.12.6, has nomic-embed-text"));
    let seen = look(asked(&url, "qwen3:8b", false), TIMEOUT).await;
    assert!(
        seen.status == Status::Fail && seen.action.as_deref() == Some("Pull it: `ollama pull qwen3:8b`"),
        "{}",
        seen.evidence
    );
}

#[tokio::test]
async fn a_dead_runner_behind_a_server_that_answers_is_told_and_not_asked_at_each_look() {
    let (url, embeds) = ollama(|line| {
        if line.contains("/api/embed") {
            return Some(r#"500 {"error":"llama runner process has terminated: exit status 2"}"#);
        }
        common_answers(line)
    });
    let mut looking = Looking::at(asked(&url, "nomic-embed-text", true), TIMEOUT);
    assert_eq!(until(&mut looking, "runner process has terminated").await, Status::Fail);
    for _ in 0..5 {
        looking.look().await;
    }
    assert_eq!(embeds.load(Ordering::SeqCst), 1, "retried without a pause");
    looking.end().await;
}

#[tokio::test]
async fn an_embedding_that_hangs_delays_no_look() {
    let (url, _) = ollama(|line| if line.contains("/api/embed") { None } else { common_answers(line) });
    let mut looking = Looking::at(asked(&url, "nomic-embed-text", true), TIMEOUT);
    for _ in 0..3 {
        let seen = looking.look().await;
        assert!(seen.status == Status::Pass && seen.took < Duration::from_secs(3), "{}", seen.evidence);
    }
    looking.end().await;
}

#[tokio::test]
async fn nothing_is_embedded_while_another_model_is_loaded() {
    let (url, embeds) = ollama(|line| {
        if line.contains("/api/ps") {
            Some(r#"{"models":[{"name":"qwen3:8b"}]}"#)
        } else {
            common_answers(line)
        }
    });
    let mut looking = Looking::at(asked(&url, "nomic-embed-text", true), TIMEOUT);
    assert_eq!(until(&mut looking, "qwen3:8b is loaded").await, Status::Pass);
    looking.look().await;
    assert_eq!(embeds.load(Ordering::SeqCst), 0);
    looking.end().await;
}

#[tokio::test]
async fn an_embedding_that_worked_is_told_with_its_age() {
    let (url, embeds) = ollama(common_answers);
    let mut looking = Looking::at(asked(&url, "nomic-embed-text", true), TIMEOUT);
    assert_eq!(until(&mut looking, "embedded").await, Status::Pass);
    assert_eq!(embeds.load(Ordering::SeqCst), 1);
    looking.end().await;
}

fn docker(socket: PathBuf, project: Option<&str>, services: &[&str]) -> CheckKind {
    CheckKind::Docker {
        socket: Some(socket),
        project: project.map(str::to_owned),
        services: services.iter().map(|s| (*s).to_owned()).collect(),
    }
}

async fn seen(kind: CheckKind) -> (Status, String) {
    let seen = look(kind, TIMEOUT).await;
    (seen.status, seen.evidence)
}

#[tokio::test]
async fn an_engine_that_is_not_there_one_that_left_its_socket_and_one_that_hangs_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let (status, why) = seen(docker(at("none"), None, &[])).await;
    assert!(status == Status::Fail && why.contains("is not there"), "{why}");
    drop(UnixListener::bind(at("left")).unwrap());
    let (status, why) = seen(docker(at("left"), None, &[])).await;
    assert!(status == Status::Fail && why.contains("nobody listens"), "{why}");
    engine(&at("hangs"), |_| None);
    let (status, why) = seen(docker(at("hangs"), None, &[])).await;
    assert!(status == Status::Fail && why.contains("hangs"), "{why}");
}

#[tokio::test]
async fn a_projects_services_are_judged_by_what_the_engine_says_of_them() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("docker.sock");
    engine(&socket, |line| {
        let path = line.split(' ').nth(1).unwrap_or_default();
        Some(match path {
            "/_ping" => "OK",
            "/containers/1f/json" => {
                r#"{"Id":"1f","RestartCount":0,"State":{"Status":"running","ExitCode":0,"OOMKilled":false,
                "Health":{"Status":"unhealthy"}},"HostConfig":{"RestartPolicy":{"Name":"unless-stopped"}},
                "Config":{"Labels":{"com.docker.compose.project":"pkg","com.docker.compose.service":"pkg-db"}}}"#
            }
            // Only the labels of the project are asked for.
            _ if path.starts_with("/containers/json?all=true&filters=") && path.contains("project%3Dpkg") => {
                r#"[{"Id":"1f"}]"#
            }
            _ => "500 {\"message\":\"what?\"}",
        })
    });
    let (status, why) = seen(docker(socket.clone(), None, &[])).await;
    assert_eq!(status, Status::Pass, "{why}");
    let (status, why) = seen(docker(socket, Some("pkg"), &["pkg-db", "pkg-graph"])).await;
    assert_eq!(status, Status::Fail);
    assert_eq!(why, "pkg: no container of pkg-graph, pkg-db is unhealthy");
}

/// `scripts/docker-engine` starts an engine with a project `steady-check`: `web` runs, `init` ended with 0, `broken`
/// with 3.
#[tokio::test]
async fn a_real_engine_tells_what_runs_and_what_ended() {
    let Some(socket) = std::env::var_os("STEADY_DOCKER_SOCKET").map(PathBuf::from) else {
        eprintln!("skipped: no STEADY_DOCKER_SOCKET (make test-docker)");
        return;
    };
    let of = |services: &[&str]| docker(socket.clone(), Some("steady-check"), services);
    let (status, why) = seen(of(&["web", "init"])).await;
    assert_eq!((status, why.as_str()), (Status::Pass, "steady-check: init done, web runs"));
    let (status, why) = seen(of(&[])).await;
    assert_eq!((status, why.as_str()), (Status::Fail, "steady-check: broken exited with 3"));
    let (status, why) = seen(of(&["web", "gone"])).await;
    assert_eq!((status, why.as_str()), (Status::Fail, "steady-check: no container of gone"));
}
