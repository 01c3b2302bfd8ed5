//! What keeps brain in hand, on the real process: health, metrics, request ids, and which pages may read it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends at what does not hold"
)]
#![allow(clippy::disallowed_methods, reason = "the tests wait in real time")]

mod common;

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use common::{Brain, World, until};
use reqwest::Method;
use reqwest::header::{
    ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN,
};
use serde_json::json;

async fn health(brain: &Brain) -> (String, serde_json::Value) {
    let (_, body) = brain.get("/health").await;
    (body["status"].as_str().unwrap().to_owned(), body)
}

async fn serving(world: &World) -> Brain {
    let brain = world.serve();
    brain.index().await;
    brain
}

#[tokio::test]
async fn an_index_of_another_time_or_without_the_vaults_notes_is_not_called_ok() {
    let world = World::new();
    world.note("a.md", "quince");
    let brain = serving(&world).await;
    until("health to be ok", async || health(&brain).await.0 == "ok").await;

    let tracker = rusqlite::Connection::open(world.data().join("index_tracker.db")).unwrap();
    tracker.execute("UPDATE meta SET value = 'of another time' WHERE key = 'generation'", []).unwrap();
    let (status, body) = health(&brain).await;
    assert_eq!((status.as_str(), &body["index"]), ("warning", &json!("inconsistent")), "{body}");
    assert_eq!(brain.get("/api/v1/health").await.1["index"], "inconsistent");

    // What it asks for mends it.
    brain.index().await;
    until("health to be ok again", async || health(&brain).await.0 == "ok").await;
}

#[tokio::test]
async fn captures_that_were_given_up_are_told_by_health_and_metrics() {
    let world = World::new();
    world.note("a.md", "quince");
    let brain = serving(&world).await;
    let outbox = rusqlite::Connection::open(world.data().join("outbox.db")).unwrap();
    outbox
        .execute(
            "INSERT INTO outbox(event_type, payload, created_at, next_attempt_at, failed) VALUES ('x', 'gone.md', 1, 1, 1)",
            [],
        )
        .unwrap();
    let (status, body) = health(&brain).await;
    assert_eq!((status.as_str(), &body["outbox"]), ("warning", &json!("failed")), "{body}");
    let metrics = brain.http().get(brain.url("/metrics")).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("\nbrain_outbox_failed 1.0\n"), "{metrics}");
}

/// Prometheus' own reader; `make test` installs it.
fn promtool(text: &str) -> Result<(), String> {
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool; `make test` installs it");
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let out = promtool.wait_with_output().unwrap();
    if out.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&out.stderr).into_owned()) }
}

#[tokio::test]
async fn metrics_tell_requests_by_route_the_index_the_outbox_and_the_job() {
    let world = World::new();
    world.note("a.md", "quince");
    world.note("b.md", "plum");
    let brain = serving(&world).await;
    brain.search("quince").await;
    brain.get("/api/v1/search").await;
    brain.get("/no/such/page/1").await;
    brain.get("/no/such/page/2").await;
    fs::write(world.data().join(".sync_failed"), "2026-01-01T00:00:00: no reason").unwrap();
    let answer = brain.http().get(brain.url("/metrics")).send().await.unwrap();
    assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("application/openmetrics-text"));
    let text = answer.text().await.unwrap();
    for line in [
        "brain_http_requests_total{method=\"GET\",route=\"/api/v1/search\",status=\"200\"} 1",
        "brain_http_requests_total{method=\"GET\",route=\"/api/v1/search\",status=\"400\"} 1",
        "brain_http_requests_total{method=\"GET\",route=\"none\",status=\"404\"} 2",
        "brain_http_request_duration_seconds_count{route=\"/api/v1/search\"} 2",
        "brain_vault_readable 1.0",
        "brain_notes 2.0",
        "brain_outbox_pending 0.0",
        "brain_sync_state{state=\"failed\"} 1",
        "brain_sync_state{state=\"ok\"} 0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is missing in:\n{text}");
    }
    assert!(text.contains("brain_store_size_bytes{store=\"lexical.db\"}"), "{text}");
    // It reads the older format, in which a type is that of a sample's whole name.
    promtool(&text.replace(" brain_http_requests ", " brain_http_requests_total ")).unwrap();
}

#[tokio::test]
async fn a_request_is_known_by_its_id_in_the_answer_the_error_and_the_log() {
    let world = World::new();
    let brain = Brain::start(world.command("serve").args(["--port", "0", "--log", "debug"]));
    let ask = async |id: Option<&str>| {
        let mut request = brain.http().get(brain.url("/no/such/page"));
        if let Some(id) = id {
            request = request.header("x-request-id", id);
        }
        let answer = request.send().await.unwrap();
        let told = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
        (told, answer.json::<serde_json::Value>().await.unwrap()["request_id"].as_str().unwrap().to_owned())
    };
    assert_eq!(ask(Some("mine-1")).await, ("mine-1".to_owned(), "mine-1".to_owned()));
    let (made, in_error) = ask(None).await;
    assert_eq!(made, in_error);
    // It would be a line of its own in the log, or a page of text.
    for wrong in ["two words", &"x".repeat(65)] {
        let (told, _) = ask(Some(wrong)).await;
        assert_ne!(told, wrong);
    }
    brain.signal(rustix::process::Signal::TERM);
    let (_, log) = brain.ended().await;
    assert!(log.contains("mine-1") && log.contains(&made), "{log}");
}

#[tokio::test]
async fn only_pages_of_the_configured_origins_may_read_answers() {
    let world = World::new();
    let brain =
        Brain::start(world.command("serve").args(["--port", "0", "--cors-origin", "http://localhost:5173"]));
    let asked = async |method: Method, origin: &str| {
        let request = brain.http().request(method.clone(), brain.url("/api/v1/admin/sync-status"));
        let request = request.header(ORIGIN, origin);
        let request = if method == Method::OPTIONS {
            request.header(ACCESS_CONTROL_REQUEST_METHOD, "POST")
        } else {
            request
        };
        let answer = request.send().await.unwrap();
        let told = |name| answer.headers().get(name).map(|value: &_| value.to_str().unwrap().to_owned());
        (answer.status().as_u16(), told(ACCESS_CONTROL_ALLOW_ORIGIN), told(ACCESS_CONTROL_ALLOW_METHODS))
    };
    let (status, origin, _) = asked(Method::GET, "http://localhost:5173").await;
    assert_eq!((status, origin.as_deref()), (200, Some("http://localhost:5173")));
    let (status, origin, methods) = asked(Method::OPTIONS, "http://localhost:5173").await;
    assert_eq!((status, origin.as_deref()), (200, Some("http://localhost:5173")));
    assert!(methods.unwrap().contains("POST"));
    // On this machine, and not configured.
    assert_eq!(asked(Method::GET, "http://localhost:9999").await.1, None);
    for foreign in ["https://evil.example", "null"] {
        for method in [Method::GET, Method::OPTIONS] {
            let (status, origin, _) = asked(method, foreign).await;
            assert_eq!((status, origin), (403, None), "{foreign}");
        }
    }
}

#[test]
fn an_origin_that_is_none_of_this_machine_is_refused_at_the_start() {
    let world = World::new();
    for wrong in ["*", "https://evil.example", "localhost:7860", "http://localhost:7860/path"] {
        let out = world.command("serve").args(["--port", "0", "--cors-origin", wrong]).output().unwrap();
        let said = String::from_utf8(out.stderr).unwrap();
        assert_eq!(out.status.code(), Some(2), "{wrong}: {said}");
        assert!(said.contains("not an origin of this machine"), "{said}");
    }
}

#[tokio::test]
async fn with_a_token_only_those_who_bring_it_are_answered_and_health_stays_open() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new();
    world.note("a.md", "quince");
    let file = world.dir.path().join("token");
    fs::write(&file, "s3cret-word\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let flag = ["--token-file", file.to_str().unwrap()];
    let brain = Brain::start(world.command("serve").args(["--port", "0", "--log", "debug"]).args(flag));
    let search = brain.url("/api/v1/search?q=quince");
    for wrong in [None, Some("Bearer s3cret"), Some("s3cret-word")] {
        let mut request = brain.http().get(&search);
        if let Some(wrong) = wrong {
            request = request.header("authorization", wrong);
        }
        let answer = request.send().await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["www-authenticate"]),
            (401, &"Bearer".parse().unwrap())
        );
    }
    let answer = brain.http().get(&search).bearer_auth("s3cret-word").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    for open in ["/health", "/api/v1/health", "/"] {
        assert_eq!(brain.get(open).await.0, 200, "{open}");
    }
    // The daily job needs it, too.
    let port = brain.port.to_string();
    let (code, log) = world.sync(&["--port", &port], &[]);
    assert!(code == Some(1) && log.contains("asks for its token"), "{log}");
    let (code, log) = world.sync(&["--port", &port, flag[0], flag[1]], &[]);
    assert_eq!(code, Some(0), "{log}");
    brain.signal(rustix::process::Signal::TERM);
    let (_, served) = brain.ended().await;
    assert!(!served.contains("s3cret") && !log.contains("s3cret"), "{served}{log}");

    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let out = world.command("serve").args(["--port", "0"]).args(flag).output().unwrap();
    let said = String::from_utf8(out.stderr).unwrap();
    assert!(out.status.code() == Some(1) && said.contains("chmod 600"), "{said}");
}
