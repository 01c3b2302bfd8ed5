//! The verdict follows the world, and `/health` says the same.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a test measures")]

use std::time::Instant;

use serde_json::Value;
use steady_e2e::Stack;
use steady_model::check::Status;
use steady_model::snapshot::Snapshot;

async fn health(stack: &Stack) -> (u16, Value) {
    let answer = reqwest::get(format!("http://127.0.0.1:{}/health", stack.panel_port)).await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

fn sync_is(status: Status) -> impl FnMut(&Snapshot) -> bool {
    move |s| s.jobs.first().is_some_and(|j| j.status == status) && s.verdict.busy.is_none()
}

#[tokio::test]
async fn a_missing_vault_turns_health_to_503_and_back() {
    let stack = Stack::green().await;
    let (code, body) = health(&stack).await;
    assert_eq!(
        (code, body["status"].as_str(), body["vault"].as_str()),
        (200, Some("ok"), Some("ok")),
        "{body}"
    );
    assert!(body["free_disk_gb"].as_f64().unwrap() > 0.0);
    assert!(body["last_sync_hours_ago"].as_f64().is_some(), "{body}");
    std::fs::rename(stack.path("vault"), stack.path("vault-away")).unwrap();
    let s = stack.until("the vault is missed", |s| s.verdict.status == Status::Fail).await;
    assert!(s.verdict.reasons.iter().any(|r| r.sentence.contains("vault")), "{:?}", s.verdict.reasons);
    let (code, body) = health(&stack).await;
    assert_eq!((code, body["status"].as_str()), (503, Some("error")), "{body}");
    assert!(body["vault"].as_str().unwrap().starts_with("error: "), "{body}");
    std::fs::rename(stack.path("vault-away"), stack.path("vault")).unwrap();
    stack.until("green again", |s| s.verdict.status == Status::Pass).await;
    assert_eq!(health(&stack).await.0, 200);
}

#[tokio::test]
async fn markers_on_disk_reach_the_dot() {
    let stack = Stack::green().await;
    let completed = stack.path("data/.sync_completed");
    let failed = stack.path("data/.sync_failed");
    // Records of our own run would outvote an older marker: only the markers speak here.
    let long_ago = "2020-01-01T00:00:00";
    stack.steady(&["stop"]);
    stack.steady(&["down"]);
    std::fs::remove_dir_all(stack.path(".steady/runs")).unwrap();
    let toml = stack.path("steady.toml");
    let by_hand = std::fs::read_to_string(&toml)
        .unwrap()
        .replace("markers = \"data\"\nevery = \"24h\"", "markers = \"data\"");
    std::fs::write(&toml, by_hand).unwrap();
    stack.up();
    stack.until("fresh", sync_is(Status::Pass)).await;

    std::fs::write(&completed, long_ago).unwrap();
    let s = stack.until("stale", sync_is(Status::Fail)).await;
    assert!(s.jobs.first().unwrap().phrase.contains("too long"), "{}", s.jobs.first().unwrap().phrase);

    std::fs::write(&failed, format!("{}: the inbox is on fire", local_now())).unwrap();
    let s = stack.until("failed", |s| s.jobs.first().is_some_and(|j| j.phrase.contains("on fire"))).await;
    assert_ne!(s.verdict.status, Status::Pass);

    let written = Instant::now();
    std::fs::write(&completed, local_now()).unwrap();
    stack.until("fresh again", sync_is(Status::Pass)).await;
    println!("marker to snapshot at the client: {:?}", written.elapsed());

    std::fs::write(&completed, "next Tuesday").unwrap();
    stack.until("an unreadable marker is unknown", sync_is(Status::Unknown)).await;
}

/// Naive local time, as the first users write it; a second later than what is there already.
fn local_now() -> String {
    let out = std::process::Command::new("date")
        .args(["-d", "+1 second", "+%Y-%m-%dT%H:%M:%S.%6N"])
        .output()
        .unwrap();
    String::from_utf8(out.stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn sync_now_runs_the_job_and_leaves_a_record_and_a_marker() {
    let stack = Stack::green().await;
    std::fs::write(stack.path("vault/new-note.md"), "# Quince\n\nA quince is not a pear.\n").unwrap();
    let record = stack.steady_json(&["run", "daily-sync"]);
    assert_eq!(record["result"], "succeeded", "{record}");
    let events: Vec<&str> =
        record["milestones"].as_array().unwrap().iter().map(|m| m["event"].as_str().unwrap()).collect();
    assert!(events.contains(&"reindex_complete") && events.contains(&"sync_complete"), "{events:?}");
    assert!(stack.path("data/.sync_completed").exists());
    let found = reqwest::get(stack.brain_url("/api/v1/search?q=quince")).await.unwrap().text().await.unwrap();
    assert!(found.contains("quince"), "{found}");
    // A run that fails says so, in the marker, the record and the exit code.
    std::fs::rename(stack.path("vault"), stack.path("vault-away")).unwrap();
    let out = stack.steady(&["run", "daily-sync"]);
    assert_eq!(out.status.code(), Some(1), "{}", String::from_utf8_lossy(&out.stdout));
    assert!(stack.path("data/.sync_failed").exists());
    stack
        .until("the job is amber or worse", |s| s.jobs.first().is_some_and(|j| j.status >= Status::Warn))
        .await;
}
