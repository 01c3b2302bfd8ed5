//! The vault is followed: what is saved is found, without any sync.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends where it is surprised"
)]
#![allow(clippy::disallowed_methods, reason = "the tests wait in real time")]

mod common;

use std::fs;
use std::time::{Duration, Instant};

use common::{World, until};
use serde_json::json;

#[tokio::test]
async fn saved_moved_and_removed_notes_are_followed_within_two_seconds() {
    let world = World::new();
    world.note("a.md", "apple");
    let brain = world.serve();
    brain.index().await;
    let start = Instant::now();
    world.note("new/deep/b.md", "banana #fruit");
    until("the new note", async || brain.search("banana").await == ["new/deep/b.md"]).await;
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    // As editors save: a new file takes the place of the old one.
    fs::write(world.vault().join("a.md.tmp"), "apricot").unwrap();
    fs::rename(world.vault().join("a.md.tmp"), world.vault().join("a.md")).unwrap();
    until("the changed note", async || brain.search("apricot").await == ["a.md"]).await;
    assert!(brain.search("apple").await.is_empty());
    fs::rename(world.vault().join("new"), world.vault().join("old")).unwrap();
    until("the moved folder", async || brain.search("banana").await == ["old/deep/b.md"]).await;
    let (_, tagged) = brain.get("/api/v1/notes?tag=FRUIT").await;
    assert_eq!(tagged["notes"][0]["path"], "old/deep/b.md", "{tagged}");
    assert_eq!(brain.get("/api/v1/note?path=new/deep/b.md").await.0, 404);
    fs::remove_dir_all(world.vault().join("old")).unwrap();
    until("the removed folder", async || brain.search("banana").await.is_empty()).await;
}

#[tokio::test]
async fn a_vault_that_vanishes_is_503_and_is_followed_again_when_it_is_back() {
    let world = World::new();
    for i in 0..6 {
        world.note(&format!("{i}.md"), "apple");
    }
    let brain = world.serve();
    brain.index().await;
    let away = world.dir.path().join("unmounted");
    fs::rename(world.vault(), &away).unwrap();
    let (status, body) = brain.get("/api/v1/search?q=apple").await;
    assert!(status == 503 && body["detail"].as_str().unwrap().contains("not found"), "{body}");
    assert_eq!(brain.post("/api/v1/capture", json!({"text": "nowhere to go"})).await.0, 503);
    // A mount point without its volume is an empty folder.
    fs::create_dir(world.vault()).unwrap();
    let (status, body) = brain.post("/api/v1/index", json!(null)).await;
    assert!(status == 503 && body["detail"].as_str().unwrap().contains("mounted"), "{status} {body}");
    assert_eq!(brain.search("apple").await.len(), 6, "the index is kept");
    fs::remove_dir(world.vault()).unwrap();
    fs::write(away.join("while-away.md"), "quince").unwrap();
    fs::rename(&away, world.vault()).unwrap();
    until("what was saved while it was away", async || brain.search("quince").await.len() == 1).await;
    world.note("after.md", "medlar");
    until("what is saved afterwards", async || brain.search("medlar").await.len() == 1).await;
    assert_eq!(brain.search("apple").await.len(), 6);
}

#[tokio::test]
async fn another_folder_in_the_place_of_the_vault_is_followed_from_then_on() {
    let world = World::new();
    world.note("a.md", "apple");
    let brain = world.serve();
    brain.index().await;
    // As a restore does: prepared beside it, and put there by renames.
    let restored = world.dir.path().join("restored");
    fs::create_dir(&restored).unwrap();
    fs::write(restored.join("b.md"), "banana").unwrap();
    fs::rename(world.vault(), world.dir.path().join("before")).unwrap();
    fs::rename(&restored, world.vault()).unwrap();
    until("the restored note", async || brain.search("banana").await == ["b.md"]).await;
    assert!(brain.search("apple").await.is_empty());
    world.note("c.md", "cherry");
    until("what is saved afterwards", async || brain.search("cherry").await == ["c.md"]).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_volume_that_is_unmounted_leaves_the_index_whole_and_is_followed_when_it_is_mounted_again() {
    let world = World::new();
    let volume = world.dir.path().join("volume");
    fs::create_dir_all(volume.join("sub")).unwrap();
    for i in 0..6 {
        fs::write(volume.join(format!("sub/{i}.md")), "apple").unwrap();
    }
    let mount = || common::Mount::at(&world.vault(), &["--bind", volume.to_str().unwrap()]);
    let Some(mounted) = mount() else {
        eprintln!("skipped: mounting needs root");
        return;
    };
    let brain = world.serve();
    brain.index().await;
    drop(mounted);
    assert_eq!(fs::read_dir(world.vault()).unwrap().count(), 0);
    let (status, body) = brain.post("/api/v1/index", json!(null)).await;
    assert!(status == 503 && body["detail"].as_str().unwrap().contains("mounted"), "{status} {body}");
    assert_eq!(brain.search("apple").await.len(), 6);
    fs::write(volume.join("sub/while-away.md"), "quince").unwrap();
    let _mounted = mount().unwrap();
    until("what was saved while it was away", async || brain.search("quince").await.len() == 1).await;
    fs::write(world.vault().join("sub/after.md"), "medlar").unwrap();
    until("what is saved afterwards", async || brain.search("medlar").await.len() == 1).await;
    assert_eq!(brain.search("apple").await.len(), 6);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_idle_vault_costs_no_processor_time() {
    let world = World::new();
    for i in 0..300 {
        world.note(&format!("{i}/n.md"), "apple");
    }
    let brain = world.serve();
    brain.index().await;
    let ticks = || -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", brain.child.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    };
    // What the start left to do may still go on for a moment.
    let mut last = ticks();
    let mut quiet_since = Instant::now();
    until("three seconds with at most one tick (10 ms) of work", async || {
        let now = ticks();
        if now > last + 1 {
            (last, quiet_since) = (now, Instant::now());
        }
        quiet_since.elapsed() > Duration::from_secs(3)
    })
    .await;
}
