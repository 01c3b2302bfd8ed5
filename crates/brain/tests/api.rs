//! What a person does over HTTP, against the running program.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends where it is surprised"
)]
#![allow(clippy::disallowed_methods, reason = "the tests wait in real time")]

mod common;

use std::fs;

use common::{World, until};
use serde_json::{Value, json};

#[tokio::test]
async fn health_is_ok_with_a_vault_and_error_without_one_and_data_routes_say_503() {
    let world = World::new();
    let brain = world.serve();
    for path in ["/health", "/api/v1/health"] {
        let (status, body) = brain.get(path).await;
        assert_eq!((status, &body["status"], &body["vault"]), (200, &json!("ok"), &json!("ok")), "{body}");
        assert!(
            body["free_disk_gb"].as_f64().unwrap() > 0.0 && body["last_sync_hours_ago"].is_null(),
            "{body}"
        );
    }
    fs::rename(world.vault(), world.dir.path().join("gone")).unwrap();
    let (status, body) = brain.get("/health").await;
    let seen = (status, &body["status"], &body["vault"]);
    assert_eq!(seen, (503, &json!("error"), &json!("not configured or missing")));
    for path in ["/api/v1/search?q=a", "/api/v1/index/stats", "/api/v1/conversations"] {
        let (status, body) = brain.get(path).await;
        assert!(
            status == 503 && body["detail"].as_str().unwrap().contains("vault"),
            "{path}: {status} {body}"
        );
    }
    let (status, _) = brain.post("/api/v1/capture", json!({"text": "kept?"})).await;
    assert_eq!(status, 503);
    assert!(!world.vault().exists(), "a capture must not invent a vault");
    fs::rename(world.dir.path().join("gone"), world.vault()).unwrap();
    assert_eq!(brain.get("/health").await.0, 200, "back again without a restart");
}

#[tokio::test]
async fn a_vault_missing_at_start_is_an_error_in_the_log_and_not_the_end() {
    let world = World::new();
    fs::remove_dir(world.vault()).unwrap();
    let brain = world.serve();
    assert_eq!(brain.get("/health").await.0, 503);
    brain.signal(rustix::process::Signal::TERM);
    let (_, log) = brain.ended().await;
    assert!(log.contains("[ERROR] brain.server: vault path not configured or not found"), "{log}");
}

#[tokio::test]
async fn health_follows_the_markers_by_their_content() {
    let world = World::new();
    let brain = world.serve();
    let mark = |name: &str, text: &str| fs::write(world.data().join(name), text).unwrap();
    let now = now();
    mark(".sync_completed", &now);
    let (_, body) = brain.get("/health").await;
    assert_eq!((&body["status"], &body["last_sync_hours_ago"]), (&json!("ok"), &json!(0.0)), "{body}");
    mark(".sync_failed", "2020-01-01T00:00:00: old trouble");
    assert_eq!(brain.get("/health").await.1["status"], "ok", "an older failure, though written later");
    mark(".sync_completed", "2020-01-02T00:00:00");
    let (status, body) = brain.get("/health").await;
    assert_eq!((status, &body["status"], &body["sync"]), (200, &json!("warning"), &json!("stale")));
    mark(".sync_failed", &format!("{now}: no space"));
    let (status, body) = brain.get("/health").await;
    assert_eq!((status, &body["status"], &body["sync"]), (200, &json!("warning"), &json!("failed")));
    let (_, body) = brain.get("/api/v1/admin/sync-status").await;
    assert_eq!(body["last_sync"], "2020-01-02T00:00:00");
    assert_eq!((&body["status"], &body["error"]), (&json!("failed"), &json!(format!("{now}: no space"))));
}

fn now() -> String {
    jiff::Timestamp::now().to_string()
}

#[tokio::test]
async fn search_finds_a_note_and_no_typed_syntax_is_an_error() {
    let world = World::new();
    world.note(
        "garden/tomatoes.md",
        "---\ntitle: Tomatoes\ntags: [garden]\n---\n# Sowing\nSow [[Tomatoes|them]] in foo and March.",
    );
    world.note("soup.md", "Lentils, onions.");
    let brain = world.serve();
    brain.index().await;
    let (_, body) = brain.get("/api/v1/search?q=march").await;
    assert_eq!((&body["mode"], body.get("degraded")), (&json!("lexical"), None));
    let hit = &body["results"][0];
    assert_eq!(
        (&hit["path"], &hit["title"], &hit["heading"]),
        (&json!("garden/tomatoes.md"), &json!("Tomatoes"), &json!("Sowing"))
    );
    assert!(hit["snippet"].as_str().unwrap().contains("**March**"), "{hit}");
    assert_eq!(brain.search("\"foo AND (").await, ["garden/tomatoes.md"]);
    // Words are found whatever stands around them; nothing is an operator.
    for typed in [
        "onions",
        "\"onions",
        "onions*",
        "onions AND",
        "NOT onions",
        "NEAR(onions",
        "title:onions",
        "-onions",
        "^onions",
        "{body} : onions",
        "onions)",
        "lentils OR onions",
        "onions \0",
        "lentils, + onions",
        "ONIONS",
    ] {
        assert_eq!(brain.search(typed).await.first().map(String::as_str), Some("soup.md"), "{typed:?}");
    }
    for typed in ["*", "-", "\"", "()", "' ; DROP TABLE chunks", "col:umn"] {
        assert!(brain.search(typed).await.is_empty(), "{typed:?}");
    }
    for bad in ["/api/v1/search", "/api/v1/search?q=a&limit=0", "/api/v1/search?q=a&limit=x"] {
        let (status, body) = brain.get(bad).await;
        assert!(status == 400 && body["detail"].is_string(), "{bad}: {status} {body}");
    }
}

#[tokio::test]
async fn a_capture_is_a_note_which_is_found_without_any_sync() {
    let world = World::new();
    let brain = world.serve();
    let (status, body) = brain.post("/api/v1/capture", json!({"text": "Buy quinces\nfor jelly"})).await;
    assert_eq!(status, 201, "{body}");
    let path = body["path"].as_str().unwrap().to_owned();
    let text = fs::read_to_string(world.vault().join(&path)).unwrap();
    assert!(text.contains("title: \"Buy quinces\"") && text.ends_with("Buy quinces\nfor jelly\n"), "{text}");
    until("the capture to be found", async || brain.search("quinces").await == [path.clone()]).await;
    let (_, body) = brain.get("/api/v1/index/stats").await;
    let counts =
        ["lexical_count", "tracked_files", "tracked_chunks", "vector_count"].map(|key| body[key].clone());
    assert_eq!(counts, [json!(1), json!(1), json!(1), json!(0)]);
    assert!(body["last_indexed_at"].is_string(), "{body}");
    let (status, body) = brain.post("/api/v1/capture", json!({"text": " \n "})).await;
    assert!(status == 400 && body["detail"].is_string(), "{body}");
}

#[tokio::test]
async fn captures_of_one_moment_never_replace_each_other() {
    let world = World::new();
    let brain = world.serve();
    let mut captures = tokio::task::JoinSet::new();
    for i in 0..20 {
        let body = json!({"title": "same", "text": format!("t{i}")});
        captures.spawn(brain.http().post(brain.url("/api/v1/capture")).json(&body).send());
    }
    let mut paths = Vec::new();
    while let Some(answer) = captures.join_next().await {
        let answer = answer.unwrap().unwrap();
        assert_eq!(answer.status().as_u16(), 201);
        let body: Value = answer.json().await.unwrap();
        paths.push(body["path"].to_string());
    }
    paths.sort();
    paths.dedup();
    assert_eq!((paths.len(), fs::read_dir(world.vault().join("Inbox")).unwrap().count()), (20, 20));
}

#[tokio::test]
async fn conversations_are_kept_listed_and_deleted() {
    let world = World::new();
    let brain = world.serve();
    let (status, first) = brain.post("/api/v1/conversations", json!({"title": "one", "text": "a"})).await;
    assert_eq!(status, 201, "{first}");
    let (_, second) = brain.post("/api/v1/conversations", json!({"title": "two", "text": "b"})).await;
    let (_, list) = brain.get("/api/v1/conversations").await;
    assert_eq!(list, json!({"conversations": [second, first]}));
    assert_eq!(brain.get("/api/v1/conversations?limit=1").await.1, json!({"conversations": [second]}));
    let path = format!("/api/v1/conversations/{}", second["id"]);
    assert_eq!(brain.delete(&path).await, (204, Value::Null));
    assert_eq!(brain.delete(&path).await.0, 404);
    assert_eq!(brain.get("/api/v1/conversations").await.1, json!({"conversations": [first]}));
}

#[tokio::test]
async fn every_refusal_is_json_and_strangers_are_refused() {
    let world = World::new();
    let brain = world.serve();
    let http = brain.http();
    let capture = brain.url("/api/v1/capture");
    let large = "x".repeat(1_100_000);
    let requests = [
        (404, http.get(brain.url("/nothing"))),
        (405, http.put(brain.url("/health"))),
        (415, http.post(&capture).body("text")),
        (400, http.post(&capture).header("content-type", "application/json").body("{")),
        (422, http.post(&capture).json(&json!({"txt": 1}))),
        (413, http.post(&capture).json(&json!({"text": large}))),
        (400, http.delete(brain.url("/api/v1/conversations/x"))),
        (403, http.post(brain.url("/api/v1/index")).header("origin", "https://evil.example")),
        (403, http.get(brain.url("/health")).header("host", "evil.example")),
    ];
    for (want, request) in requests {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), want, "{answer:?}");
        let body: Value = answer.json().await.unwrap();
        assert!(!body["detail"].as_str().unwrap().is_empty(), "{want}: {body}");
    }
}

#[tokio::test]
async fn the_api_document_names_every_route_that_answers() {
    let world = World::new();
    let brain = world.serve();
    let (status, document) = brain.get("/api/openapi.json").await;
    assert_eq!(status, 200);
    let mut paths: Vec<_> = document["paths"].as_object().unwrap().keys().cloned().collect();
    paths.sort();
    let want = [
        "/",
        "/api/v1/admin/sync-status",
        "/api/v1/capture",
        "/api/v1/conversations",
        "/api/v1/conversations/{id}",
        "/api/v1/health",
        "/api/v1/index",
        "/api/v1/index/stats",
        "/api/v1/note",
        "/api/v1/notes",
        "/api/v1/search",
        "/api/v1/usage",
        "/health",
        "/metrics",
    ];
    assert_eq!(paths, want);
    let limit = document["paths"]["/api/v1/search"]["get"]["parameters"].as_array().unwrap();
    assert!(limit.iter().any(|p| p["name"] == "limit" && p["schema"]["maximum"] == 100), "{limit:?}");
    let (_, identity) = brain.get("/").await;
    assert_eq!(identity["name"], "brain");
}
