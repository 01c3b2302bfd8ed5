//! The client against a real HTTP server on a real Unix socket.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::path::Path;
use std::pin::pin;
use std::time::Duration;

use axum::extract::Path as Segment;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::{Stream, StreamExt};
use serde_json::{Value, json};
use steady_client::{Client, ClientError, Figures, Link, SOCKET, follow};
use steady_model::api::{LogQuery, Problem};
use tempfile::TempDir;
use tokio::net::UnixListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

fn snapshot(version: u64) -> Value {
    json!({
        "version": version, "at": "2026-11-22T10:00:00Z",
        "agent": {"version": "0.1.0", "pid": 1, "started": "2026-11-22T07:00:00Z", "config": "steady.toml", "panel": null},
        "verdict": {"status": "pass", "sentence": "Steady — all well", "reasons": [], "busy": null},
        "services": [], "checks": [], "jobs": [],
        "backup": {"configured": false, "status": "pass", "phrase": "", "points": [], "operation": null,
                   "last_restore": null, "last_error": null, "next": null},
    })
}

fn event(version: u64) -> String {
    format!(
        ": keep-alive\n\nevent: other\ndata: x\n\nevent: snapshot\nid: {version}\ndata: {}\n\n",
        snapshot(version)
    )
}

/// An agent of one home that dies with its handle, as a killed process does: every connection breaks.
fn serve(home: &Path, router: Router) -> JoinHandle<()> {
    let socket = home.join(SOCKET);
    let _ = std::fs::remove_file(&socket);
    let listener = UnixListener::bind(socket).unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() })
}

async fn echo(method: axum::http::Method, uri: axum::http::Uri, body: String) -> Json<Value> {
    Json(json!({"method": method.as_str(), "uri": uri.to_string(), "body": body}))
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), future).await.expect("an answer within 10 s")
}

async fn next(links: &mut (impl Stream<Item = Link> + Unpin)) -> Link {
    soon(links.next()).await.unwrap()
}

fn home() -> (TempDir, Client) {
    let home = tempfile::tempdir().unwrap();
    let client = Client::new(home.path()).unwrap();
    (home, client)
}

#[tokio::test]
async fn an_agent_that_hangs_is_told_within_seconds_and_not_taken_for_one_that_is_not_there() {
    let (home, client) = home();
    let _agent = serve(home.path(), Router::new().fallback(std::future::pending::<()>));
    let error = soon(client.snapshot()).await.unwrap_err();
    let ClientError::AgentGone { why, .. } = &error else { panic!("{error:?}") };
    assert!(why.contains("it hangs or is stopped"), "{why}");
}

#[tokio::test]
async fn a_missing_agent_is_gone_with_the_socket_and_the_reason() {
    let (home, client) = home();
    let error = soon(client.snapshot()).await.unwrap_err();
    let ClientError::AgentGone { socket, why } = &error else { panic!("{error:?}") };
    assert_eq!(socket, &home.path().join(SOCKET));
    assert!(why.contains("No such file"), "{why}");
}

#[tokio::test]
async fn a_refusal_is_told_from_a_loss_and_keeps_its_words() {
    let (home, client) = home();
    let refuse = || async {
        (StatusCode::CONFLICT, Json(Problem { code: "busy".into(), detail: "a restore is under way".into() }))
    };
    let _agent = serve(home.path(), Router::new().route("/api/v1/backups", post(refuse)));
    let error = soon(client.back_up()).await.unwrap_err();
    assert!(matches!(&error, ClientError::Refused(p) if p.code == "busy"), "{error:?}");
    assert_eq!(error.to_string(), "a restore is under way");
    let error = soon(client.undo()).await.unwrap_err();
    assert!(matches!(&error, ClientError::Protocol { .. }), "{error:?}");
}

#[tokio::test]
async fn a_name_with_a_slash_stays_one_segment() {
    let (home, client) = home();
    let route = get(|Segment(name): Segment<String>, uri: axum::http::Uri| async move {
        Json(json!({"service": name, "lines": [uri.query()]}))
    });
    let _agent = serve(home.path(), Router::new().route("/api/v1/services/{name}/logs", route));
    let tail =
        soon(client.logs("a/../b", &LogQuery { lines: Some(7), ..LogQuery::default() })).await.unwrap();
    assert_eq!((tail.service.as_str(), tail.lines), ("a/../b", vec!["lines=7".to_owned()]));
}

#[tokio::test]
async fn an_accepted_command_may_come_without_a_body() {
    let (home, client) = home();
    let router = Router::new()
        .route("/api/v1/services/brain/restart", post(|| async { StatusCode::ACCEPTED }))
        .route("/api/v1/backups", post(|| async { (StatusCode::ACCEPTED, Json(json!({"id": "b1"}))) }));
    let _agent = serve(home.path(), router);
    assert_eq!(soon(client.restart("brain")).await.unwrap().id, None);
    assert_eq!(soon(client.back_up()).await.unwrap().id.as_deref(), Some("b1"));
}

#[tokio::test]
async fn the_panel_reaches_the_api_and_nothing_else() {
    let (home, client) = home();
    let _agent = serve(home.path(), Router::new().fallback(echo));
    let answer =
        soon(client.request("POST", "/api/v1/agent/shutdown?x=1", Some(&json!({"a": 1})))).await.unwrap();
    assert_eq!(answer, json!({"method": "POST", "uri": "/api/v1/agent/shutdown?x=1", "body": "{\"a\":1}"}));
    for path in [
        "/health",
        "/api/v1",
        "/api/v1/../health",
        "/api/v1/%2e%2e/health",
        "/api/v1/..%2fhealth",
        "//evil/api/v1/",
        "http://evil/api/v1/",
    ] {
        let error = soon(client.request("GET", path, None)).await.unwrap_err();
        assert!(matches!(&error, ClientError::Path { .. }), "{path}: {error:?}");
    }
}

#[tokio::test]
async fn the_stream_yields_snapshots_and_its_end_is_a_loss() {
    let (home, client) = home();
    let body = [event(1), event(2)].concat();
    let route = get(|| async { ([(header::CONTENT_TYPE, "text/event-stream")], body).into_response() });
    let _agent = serve(home.path(), Router::new().route("/api/v1/events", route));
    let seen: Vec<_> = soon(client.events(Figures::Often).collect::<Vec<_>>()).await;
    let versions: Vec<_> = seen.iter().map(|e| e.as_ref().ok().map(|s| s.version)).collect();
    assert_eq!(versions, [Some(1), Some(2), None]);
    assert!(matches!(&seen[2], Err(ClientError::AgentGone { .. })), "{:?}", seen[2]);
}

/// An agent that sends one snapshot and then holds the connection until it is killed.
fn holding(version: u64, alive: watch::Receiver<bool>) -> Router {
    Router::new().route(
        "/api/v1/events",
        get(move || {
            let mut alive = alive.clone();
            let first = event(version);
            async move {
                let held = async_stream::stream! {
                    yield Ok(first);
                    let _ = alive.wait_for(|alive| !alive).await;
                    yield Err(std::io::Error::other("killed"));
                };
                ([(header::CONTENT_TYPE, "text/event-stream")], axum::body::Body::from_stream(held))
            }
        }),
    )
}

#[tokio::test]
async fn a_follower_says_at_once_that_the_agent_died_and_takes_up_its_successor() {
    let (home, client) = home();
    let mut links = pin!(follow(client));
    assert!(matches!(next(&mut links).await, Link::Gone { .. }), "before there is an agent");

    let (kill, alive) = watch::channel(true);
    let agent = serve(home.path(), holding(1, alive));
    assert!(matches!(next(&mut links).await, Link::Live(s) if s.version == 1));

    agent.abort();
    std::fs::remove_file(home.path().join(SOCKET)).unwrap();
    kill.send_replace(false);
    assert!(matches!(next(&mut links).await, Link::Gone { .. }), "after its death");

    let (_keep, alive) = watch::channel(true);
    let _agent = serve(home.path(), holding(9, alive));
    loop {
        // Between the two the reason may change: refused, then no such file.
        match next(&mut links).await {
            Link::Live(s) => break assert_eq!(s.version, 9),
            Link::Gone { .. } => {}
        }
    }
}
