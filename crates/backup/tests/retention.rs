//! Points that go, and the repository that is left, as restic sees it.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking and measures in real time"
)]

mod support;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

use steady_backup::{BackupError, Backups, Code};
use steady_model::backup::RestoreOutcome;
use steady_model::config::Keep;
use steady_model::contents::{Change, EntryClass};
use steady_model::retention::{PruneRecord, Rule};
use support::{App, World, take, world};

fn keep_last(last: u32) -> Keep {
    Keep { last, hourly: 0, daily: 0, weekly: 0, monthly: 0, ..Keep::default() }
}

/// Incompressible, and other with each seed.
fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = std::iter::repeat_with(move || {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        x.to_le_bytes()
    });
    next.flatten().take(bytes).collect()
}

/// As restic lists them.
fn snapshots(world: &World) -> BTreeSet<String> {
    let all: Vec<serde_json::Value> = serde_json::from_str(&world.restic(&["snapshots", "--json"])).unwrap();
    all.iter().map(|s| s["id"].as_str().unwrap().to_owned()).collect()
}

fn known(backups: &Backups) -> BTreeSet<String> {
    backups.catalogue().unwrap().into_iter().map(|p| p.id).collect()
}

fn size(folder: &Path) -> u64 {
    let files = walkdir::WalkDir::new(folder).into_iter().filter_map(Result::ok);
    files.filter(|e| e.file_type().is_file()).map(|e| e.metadata().unwrap().len()).sum()
}

/// The lock of an engine that was killed is the kernel's to release.
async fn prune(backups: &Backups) -> PruneRecord {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        match backups.prune(|_| {}).await {
            Err(BackupError::Engine { code: Code::Locked, .. }) if Instant::now() < deadline => {}
            other => return other.unwrap(),
        }
    }
}

#[tokio::test]
async fn what_the_rules_do_not_keep_goes_its_room_comes_back_and_restic_finds_nothing_wrong() {
    let mut world = world();
    world.keep = keep_last(2);
    let backups = world.backups();
    let mut ids = Vec::new();
    for round in 0..4 {
        std::fs::write(world.data().join("changes.bin"), noise(round, 3_000_000)).unwrap();
        world.write("note.md", &format!("round {round}"));
        ids.push(take(&backups).await.id);
    }
    // What a backup that was killed leaves: no index names it.
    let orphan = world.repository().join("data/ab").join(format!("ab{}", "0".repeat(62)));
    std::fs::create_dir_all(orphan.parent().unwrap()).unwrap();
    std::fs::write(&orphan, noise(99, 1_000_000)).unwrap();

    let before = size(&world.repository());
    let plan = backups.prune_plan().await.unwrap();
    let told: Vec<(&str, bool, Rule)> =
        plan.points.iter().map(|f| (f.id.as_str(), f.keep, f.reasons[0].rule)).collect();
    let expected = [
        (ids[3].as_str(), true, Rule::Newest),
        (&ids[2], true, Rule::Last),
        (&ids[1], false, Rule::Aged),
        (&ids[0], false, Rule::Aged),
    ];
    assert_eq!(told, expected);
    assert_eq!(size(&world.repository()), before, "a question changed something");

    let record = backups.prune(|_| {}).await.unwrap();
    assert_eq!((record.removed, record.freed, &record.failed), (2, plan.frees, &None));
    let given = before - size(&world.repository());
    assert!(given > 6_900_000, "only {given} came back");
    let off = given.abs_diff(record.freed);
    assert!(off < 50_000, "{given} came back, and {} was told", record.freed);
    assert!(!orphan.exists());

    assert_eq!(snapshots(&world), ids[2..].iter().cloned().collect());
    assert_eq!(known(&backups), snapshots(&world));
    world.restic(&["check", "--read-data"]);
    let restored = world.restic_restore(&ids[2]);
    assert_eq!(std::fs::read(restored.join("changes.bin")).unwrap(), noise(2, 3_000_000));
    assert_eq!(std::fs::read_to_string(restored.join("note.md")).unwrap(), "round 2");
    let again = backups.prune(|_| {}).await.unwrap();
    assert_eq!((again.removed, again.freed), (0, 0));
    assert_eq!(backups.last_prune().unwrap(), Some(again));
}

/// Kills the removal when the step of this number begins; the step's name.
async fn kill_at(backups: &Backups, step: usize) -> Option<String> {
    let (send, mut begun) = tokio::sync::mpsc::unbounded_channel();
    let steps = Mutex::new(Vec::<String>::new());
    let on_progress = |p: steady_backup::Progress| {
        let mut steps = steps.lock().unwrap();
        if steps.last() != Some(&p.phase) {
            steps.push(p.phase.clone());
            if steps.len() == step + 1 {
                send.send(p.phase).unwrap();
            }
        }
    };
    tokio::select! {
        _ = backups.prune(on_progress) => None,
        step = begun.recv() => step,
    }
}

#[tokio::test]
async fn a_removal_that_is_killed_at_any_step_leaves_all_other_points_whole_and_the_next_one_goes_on() {
    let mut world = world();
    world.keep = keep_last(1);
    let stays = noise(1, 2_000_000);
    std::fs::write(world.data().join("stays.bin"), &stays).unwrap();
    take(&world.backups()).await;
    let mut killed_at = BTreeSet::new();
    for step in 0.. {
        let backups = world.backups();
        // Stored together with what goes, so that it has to be written anew.
        let seed = 100 + step as u64;
        std::fs::write(world.data().join("changes.bin"), noise(seed, 2_000_000)).unwrap();
        std::fs::write(world.data().join("stays.bin"), [&stays[..], &noise(seed, 90_000)].concat()).unwrap();
        let newest = take(&backups).await;
        let Some(killed) = kill_at(&backups, step).await else { break };
        let named = known(&backups);
        assert!(named.contains(&newest.id), "at {killed:?} the newest point was lost");
        assert!(named.is_subset(&snapshots(&world)), "at {killed:?} a point was shown that may be gone");
        world.restic(&["check", "--read-data"]);
        if step % 2 == 0 {
            // A new agent finds it; the killed engine's lock is gone by now, restic took longer.
            let backups = world.backups();
            backups.recover(&App::started(&world.data())).await.unwrap();
            assert_eq!(known(&backups), snapshots(&world), "at {killed:?}");
            let whole = backups.catalogue().unwrap().iter().all(|p| p.verified.is_some());
            assert!(whole, "at {killed:?} a verified point came back as one that is not");
        }
        prune(&backups).await;
        assert_eq!(known(&backups), [newest.id.clone()].into());
        assert_eq!(snapshots(&world), [newest.id.clone()].into());
        killed_at.insert(killed);
    }
    world.restic(&["check", "--read-data"]);
    let backups = world.backups();
    let newest = backups.catalogue().unwrap()[0].id.clone();
    assert!(backups.verify(&newest, |_| {}).await.unwrap().verified.is_some());
    for step in [
        "removing restore points",
        "writing anew what is still needed",
        "removing the old index",
        "giving back room",
    ] {
        assert!(killed_at.contains(step), "it was never killed at {step:?}: {killed_at:?}");
    }
}

#[tokio::test]
async fn while_restic_reads_nothing_is_removed_and_that_is_told() {
    let mut world = world();
    world.keep = keep_last(1);
    let backups = world.backups();
    world.write("note.md", "one");
    take(&backups).await;
    take(&backups).await;
    let before = known(&backups);
    let lock = world.repository().join("locks").join("c".repeat(64));
    std::fs::create_dir_all(lock.parent().unwrap()).unwrap();
    std::fs::write(&lock, "of a restic").unwrap();
    let error = backups.prune(|_| {}).await.unwrap_err().to_string();
    assert!(error.contains("in use by restic") && error.contains("nothing was removed"), "{error}");
    assert_eq!(known(&backups), before);
    assert_eq!(snapshots(&world), before);
    assert!(backups.catalogue().unwrap().iter().all(|p| p.verified.is_some()));
    let record = backups.last_prune().unwrap().unwrap();
    assert_eq!(record.failed, Some(error));
    assert!(!backups.prune_is_due(record.ended).unwrap());
    assert!(backups.prune_is_due(record.ended.after(Duration::from_secs(3600))).unwrap());

    let dead = SystemTime::now() - Duration::from_secs(31 * 60);
    std::fs::File::options().write(true).open(&lock).unwrap().set_modified(dead).unwrap();
    assert_eq!(prune(&backups).await.removed, 1);
    assert!(!backups.prune_is_due(record.ended.after(Duration::from_secs(3600))).unwrap());
}

#[tokio::test]
async fn a_point_that_an_undo_or_a_comparison_needs_stays_until_it_does_not() {
    let mut world = world();
    world.keep = keep_last(1);
    let app = App::started(&world.data());
    let backups = world.backups();
    app.add("old");
    let old = take(&backups).await.id;
    app.add("new");
    take(&backups).await;
    let record = backups.restore(&old, &app, |_| {}).await.unwrap();
    assert_eq!(record.outcome, RestoreOutcome::Restored);
    let safety = backups.catalogue().unwrap()[0].id.clone();
    prune(&backups).await;
    assert!(known(&backups).contains(&old), "the next backup is compared with it");
    assert!(known(&backups).contains(&safety));
    take(&backups).await;
    prune(&backups).await;
    assert!(known(&backups).contains(&safety), "the restore can still be undone");
    assert!(!known(&backups).contains(&old));
    let newest = take(&backups).await.id;
    prune(&backups).await;
    assert_eq!(known(&backups), [newest].into());
}

#[tokio::test]
async fn two_points_are_compared_by_files_and_by_rows() {
    let world = world();
    let app = App::started(&world.data());
    let backups = world.backups();
    app.add("one");
    for (name, text) in [("vault/gone.md", "x"), ("vault/other.md", "1"), ("vault/same.md", "s")] {
        world.write(name, text);
    }
    let before = take(&backups).await.id;
    app.add("two");
    app.add("three");
    std::fs::remove_file(world.data().join("vault/gone.md")).unwrap();
    world.write("vault/other.md", "22");
    world.write("vault/new.md", "n");
    let after = take(&backups).await.id;
    let diff = backups.diff(&before[..8], &after[..8]).await.unwrap();
    assert_eq!((diff.before.as_str(), diff.after.as_str()), (before.as_str(), after.as_str()));
    let files: Vec<_> =
        diff.files.iter().map(|f| (f.path.as_str(), f.change, f.bytes_before, f.bytes_after)).collect();
    let expected = [
        ("vault/gone.md", Change::Removed, Some(1), None),
        ("vault/new.md", Change::Added, None, Some(1)),
        ("vault/other.md", Change::Changed, Some(1), Some(2)),
    ];
    assert_eq!(files, expected);
    let store = &diff.stores[0];
    assert_eq!((diff.stores.len(), store.path.as_str(), store.change), (1, "notes.db", Change::Changed));
    let table = &store.tables[0];
    assert_eq!((table.table.as_str(), table.rows_before, table.rows_after), ("notes", Some(1), Some(3)));
    assert_eq!(diff.unchanged, 1);
    let same = backups.diff(&after, &after).await.unwrap();
    assert!(same.files.is_empty() && same.stores.is_empty());
    assert_eq!(same.unchanged, 4);
    let error = backups.diff("ffffffff", &after).await.unwrap_err();
    assert!(matches!(error, BackupError::NoSuchPoint { .. }), "{error}");
}

#[tokio::test]
async fn a_point_is_looked_into_folder_by_folder() {
    let world = world();
    let _app = App::started(&world.data());
    world.write("vault/deep/a.md", "aa");
    world.write("vault/b.md", "b");
    world.write("queries.jsonl", "{}\n");
    let backups = world.backups();
    let id = take(&backups).await.id;
    let list = |folder: steady_model::contents::PointFolder| -> Vec<(String, EntryClass, u64, u64)> {
        folder.entries.iter().map(|e| (e.name.clone(), e.class, e.bytes, e.files)).collect()
    };
    let root = backups.files(&id, Path::new("")).await.unwrap();
    let written = std::fs::metadata(world.data().join("queries.jsonl")).unwrap().modified().unwrap();
    let told = root.entries.iter().find(|e| e.name == "queries.jsonl").unwrap().modified.unwrap();
    assert_eq!(SystemTime::from(told.0), written);
    let database = root.entries.iter().find(|e| e.name == "notes.db").unwrap();
    assert_eq!((database.class, database.bytes), (EntryClass::Database, 8192));
    let vault = ("vault".to_owned(), EntryClass::Folder, 3, 2);
    let log = ("queries.jsonl".to_owned(), EntryClass::Log, 3, 1);
    let listed = list(root);
    assert_eq!((&listed[0], listed.contains(&log), listed.len()), (&vault, true, 3));

    let inside =
        [("deep".to_owned(), EntryClass::Folder, 2, 1), ("b.md".to_owned(), EntryClass::Plain, 1, 1)];
    assert_eq!(list(backups.files(&id, Path::new("vault/")).await.unwrap()), inside);
    let absolute = world.data().join("vault/deep");
    let file = ("a.md".to_owned(), EntryClass::Plain, 2, 1);
    assert_eq!(list(backups.files(&id, &absolute).await.unwrap()), std::slice::from_ref(&file));
    assert_eq!(list(backups.files(&id, Path::new("vault/deep/a.md")).await.unwrap()), [file]);
    for wrong in ["vault/none", "../x", "/etc"] {
        assert!(backups.files(&id, Path::new(wrong)).await.is_err(), "{wrong}");
    }
}
