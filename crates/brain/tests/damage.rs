//! Bad days: damaged stores, full disks, notes that are none.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends where it is surprised"
)]
#![allow(clippy::disallowed_methods, reason = "the tests wait in real time")]

mod common;

use std::fs::{self, File};

#[cfg(target_os = "linux")]
use common::Mount;
use common::{Brain, World, until};
use rustix::process::Signal;
use serde_json::json;

/// Overwrites what comes after the first pages: the file opens, and reading on finds out.
fn scribble(world: &World, store: &str) {
    let path = world.data().join(store);
    let mut bytes = fs::read(&path).unwrap();
    assert!(bytes.len() > 8192, "{store} has {} bytes", bytes.len());
    bytes[8192..].fill(0xa5);
    fs::write(path, bytes).unwrap();
}

async fn stop(brain: Brain) -> String {
    brain.signal(Signal::TERM);
    let (status, log) = brain.ended().await;
    assert_eq!(status.code(), Some(0), "{log}");
    log
}

fn aside(world: &World) -> Vec<String> {
    let names = fs::read_dir(world.data()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let mut aside: Vec<String> = names.filter(|n| n.contains(".corrupt-")).collect();
    aside.sort();
    aside
}

#[tokio::test]
async fn damaged_stores_that_come_from_the_vault_are_set_aside_and_built_again() {
    let world = World::new();
    for i in 0..50 {
        world.note(&format!("{i}.md"), format!("# Note {i}\n#tag{i} {}", "apple ".repeat(50)));
    }
    let brain = world.serve();
    brain.index().await;
    stop(brain).await;
    // One that does not open at all, one that opens and breaks when it is read, and one that is gone.
    fs::write(world.data().join("index_tracker.db"), "scribbled over by something else").unwrap();
    scribble(&world, "lexical.db");
    fs::remove_file(world.data().join("metadata.db")).unwrap();

    let brain = world.serve();
    until("all notes to be found again", async || {
        let (status, body) = brain.get("/api/v1/search?q=apple&limit=100").await;
        status == 200 && body["count"] == 50 && body.get("degraded").is_none()
    })
    .await;
    assert_eq!(brain.get("/api/v1/notes?tag=tag7").await.1["notes"][0]["path"], "7.md");
    let set_aside = aside(&world);
    let of = |store: &str| set_aside.iter().filter(|name| name.starts_with(store)).count();
    assert!(of("lexical.db") >= 1 && of("index_tracker.db") >= 1, "{set_aside:?}");
    let log = stop(brain).await;
    let errors: Vec<&str> =
        log.lines().filter(|l| l.contains("[ERROR]") && l.contains("set aside")).collect();
    assert_eq!(errors.len(), 2, "{log}");
}

#[tokio::test]
async fn a_store_that_breaks_while_brain_runs_is_mended_without_a_restart() {
    let world = World::new();
    for i in 0..50 {
        world.note(&format!("{i}.md"), "apple ".repeat(50));
    }
    let brain = world.serve();
    brain.index().await;
    stop(brain).await;
    scribble(&world, "metadata.db");
    let brain = world.serve();
    // Nobody asks for it: brain looks by itself.
    until("the damage to be found and mended", async || {
        let (status, body) = brain.get("/api/v1/notes?limit=100").await;
        status == 200 && body["notes"].as_array().unwrap().len() == 50 && !aside(&world).is_empty()
    })
    .await;
    assert_eq!(brain.index().await["notes_processed"], 0);
}

#[tokio::test]
async fn conversations_that_are_damaged_are_refused_with_the_way_out_and_never_replaced() {
    let world = World::new();
    let brain = world.serve();
    for i in 0..20 {
        let body = json!({"title": format!("t{i}"), "text": "x".repeat(2000)});
        assert_eq!(brain.post("/api/v1/conversations", body).await.0, 201);
    }
    stop(brain).await;
    // One page in the middle: the newest rows can be read, and more could be written beside them.
    let path = world.data().join("conversations.db");
    let mut before = fs::read(&path).unwrap();
    let middle = before.len() / 8192 * 4096;
    before[middle..middle + 4096].fill(0xa5);
    fs::write(&path, &before).unwrap();
    let brain = world.serve();
    assert_eq!(brain.get("/api/v1/conversations?limit=1").await.0, 200);
    assert_eq!(brain.get("/api/v1/conversations?limit=100").await.0, 500);
    let (status, body) = brain.post("/api/v1/conversations", json!({"title": "new", "text": "y"})).await;
    assert!(status == 500 && body["detail"].as_str().unwrap().contains("restore it from a backup"), "{body}");
    assert_eq!(brain.get("/api/v1/conversations?limit=1").await.0, 500);
    assert_eq!(brain.get("/api/v1/search?q=x").await.0, 200, "the notes are not concerned");
    stop(brain).await;
    assert!(fs::read(&path).unwrap() == before, "it was written to");

    // Not even openable: the start is refused, and says the same.
    fs::write(&path, "scribbled over by something else").unwrap();
    let out = world.command("serve").args(["--port", "0"]).output().unwrap();
    let log = String::from_utf8(out.stderr).unwrap();
    assert!(out.status.code() == Some(1) && log.contains("restore it from a backup"), "{log}");
    assert!(aside(&world).is_empty());
}

#[tokio::test]
async fn notes_that_are_none_are_skipped_and_cost_neither_memory_nor_the_others() {
    let world = World::new();
    world.note("good.md", "quince");
    world.note("latin.md", b"caf\xe9 quince");
    let huge = File::create(world.vault().join("huge.md")).unwrap();
    huge.set_len(100 * 1024 * 1024).unwrap();
    std::os::unix::fs::symlink(".", world.vault().join("loop")).unwrap();
    std::os::unix::fs::symlink("loop2", world.vault().join("loop2")).unwrap();
    std::os::unix::fs::symlink("nowhere", world.vault().join("dangling.md")).unwrap();
    let brain = world.serve();
    assert_eq!(brain.index().await["notes_skipped"], 2);
    assert_eq!(brain.search("quince").await, ["good.md"]);
    #[cfg(target_os = "linux")]
    {
        let status = fs::read_to_string(format!("/proc/{}/status", brain.child.id())).unwrap();
        let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap();
        let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
        assert!(peak < 60 * 1024, "{peak} kB");
    }
    let log = stop(brain).await;
    for why in ["latin.md: it is not UTF-8", "huge.md: it has 104857600 bytes"] {
        assert!(log.contains(&format!("skipped {why}")), "{why}: {log}");
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_disk_refuses_what_cannot_be_kept_and_loses_nothing_that_was() {
    let world = World::new();
    let options = ["-t", "tmpfs", "-o", "size=6m", "tmpfs"];
    let Some(_disk) = Mount::at(&world.data(), &options) else {
        eprintln!("skipped: mounting a small disk needs root");
        return;
    };
    world.note("kept.md", "quince");
    let brain = world.serve();
    brain.index().await;
    let ballast = world.data().join("ballast");
    let mut file = File::create(&ballast).unwrap();
    while std::io::Write::write_all(&mut file, &[0; 4096]).is_ok() {}

    // New notes do not fit into the index; the old ones are found all the same.
    for i in 0..200 {
        world.note(&format!("{i}.md"), format!("medlar{i} ").repeat(500));
    }
    let (status, body) = brain.post("/api/v1/index", json!(null)).await;
    assert!(status == 500 && body["detail"].as_str().unwrap().contains("full"), "{status} {body}");
    assert_eq!(brain.search("quince").await, ["kept.md"]);
    // A capture whose row has no room is refused, and no note is left without it.
    let mut refused = false;
    let mut kept = Vec::new();
    for i in 0..200 {
        let (status, body) = brain.post("/api/v1/capture", json!({"text": format!("service{i}")})).await;
        match status {
            201 => kept.push(format!("service{i}")),
            _ => refused |= status == 500 && body["detail"].as_str().unwrap().contains("full"),
        }
    }
    assert!(refused, "no capture was refused: the disk was not full");
    drop(file);
    fs::remove_file(&ballast).unwrap();
    until("all that was kept to be found", async || {
        let mut found = 0;
        for word in kept.iter().chain(["medlar199".to_owned(), "quince".to_owned()].iter()) {
            found += usize::from(brain.search(word).await.len() == 1);
        }
        found == kept.len() + 2
    })
    .await;
    let inbox = fs::read_dir(world.vault().join("Inbox")).map_or(0, Iterator::count);
    assert_eq!(inbox, kept.len(), "a refused capture left its note behind");
}
