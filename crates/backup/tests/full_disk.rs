//! Full disks, wherever one may be full: what a person is told, and that nothing is lost by it.

#![cfg(target_os = "linux")]
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking and measures in real time"
)]

mod support;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use steady_backup::{Backups, Progress};
use steady_model::backup::{PointKind, RestoreOutcome, RestorePoint};
use steady_model::config::{CopyPlace, Keep};
use support::copies::{noise, restic, target};
use support::disk::Mounted;
use support::{App, World, sentence, take, wal_database, world};

/// A world with a part of it on a small disk.
fn on(world: &World, at: &str, mebibytes: u64) -> Option<Mounted> {
    Mounted::small(&world.dir.path().join(at), mebibytes << 20)
}

fn file(world: &World, name: &str, mebibytes: usize) {
    std::fs::write(world.data().join(name), noise(mebibytes << 20)).unwrap();
}

async fn failed(backups: &Backups) -> String {
    sentence(&backups.take(PointKind::Manual, |_| {}).await.unwrap_err())
}

/// Nothing that was there before is lost: it is listed, it reads back, and it can be restored.
async fn still_whole(world: &World, backups: &Backups, point: &RestorePoint, name: &str, text: &str) {
    assert!(backups.catalogue().unwrap().iter().any(|p| p.id == point.id), "a point is not listed any more");
    let again = backups.verify(&point.id, |_| {}).await.unwrap();
    assert!(again.verified.is_some(), "{:?}", again.findings);
    let to = world.dir.path().join("rescued");
    backups.restore_to(&point.id, &to, &[], |_| {}).await.unwrap();
    assert_eq!(std::fs::read_to_string(to.join(name)).unwrap(), text);
    std::fs::remove_dir_all(to).unwrap();
}

#[tokio::test]
async fn a_repository_on_a_full_disk_is_named_keeps_its_points_and_takes_new_ones_when_there_is_room() {
    let mut world = world();
    world.kept_at = Some(world.dir.path().join("disk/repository"));
    let Some(disk) = on(&world, "disk", 16) else { return };
    world.write("note.md", "kept");
    let backups = world.backups();
    let first = take(&backups).await;
    file(&world, "big.bin", 40);
    let why = failed(&backups).await;
    let place = world.repository().display().to_string();
    assert!(why.contains(&place) && why.contains("not enough room") && why.contains("B are free"), "{why}");
    assert!(why.contains("steady prune"), "it does not say what to do: {why}");
    assert_eq!(backups.catalogue().unwrap().len(), 1);
    still_whole(&world, &backups, &first, "note.md", "kept").await;
    assert_eq!(std::fs::metadata(world.data().join("big.bin")).unwrap().len(), 40 << 20);

    disk.resize(120 << 20);
    let second = take(&backups).await;
    assert!(second.verified.is_some(), "{:?}", second.findings);
    still_whole(&world, &backups, &first, "note.md", "kept").await;
    assert!(world.restic(&["check", "--read-data"]).contains("no errors were found"));
}

/// As [`still_whole`], with not a byte free; and the removal of old points, which is what gives room back.
#[tokio::test]
async fn with_not_a_byte_free_points_can_be_read_and_restored_and_old_ones_removed() {
    let mut world = world();
    world.kept_at = Some(world.dir.path().join("disk/repository"));
    world.keep = Keep { last: 1, hourly: 0, daily: 0, weekly: 0, monthly: 0, ..world.keep };
    let Some(disk) = on(&world, "disk", 32) else { return };
    let backups = world.backups();
    file(&world, "big.bin", 8);
    take(&backups).await;
    std::fs::remove_file(world.data().join("big.bin")).unwrap();
    world.write("note.md", "kept");
    let newest = take(&backups).await;
    disk.fill(0);
    let why = failed(&backups).await;
    assert!(why.contains("not enough room") && why.contains("steady prune"), "{why}");
    still_whole(&world, &backups, &newest, "note.md", "kept").await;
    let gone = backups.prune(|_| {}).await.unwrap();
    assert!(gone.removed == 1 && gone.freed > 8 << 20, "{gone:?}");
    let next = take(&backups).await;
    assert!(next.verified.is_some(), "{:?}", next.findings);
    still_whole(&world, &backups, &newest, "note.md", "kept").await;
}

#[tokio::test]
async fn a_full_disk_has_no_half_repository_on_it() {
    let mut world = world();
    world.kept_at = Some(world.dir.path().join("disk/repository"));
    let Some(disk) = on(&world, "disk", 8) else { return };
    world.write("note.md", "kept");
    let filler = disk.fill(0);
    let backups = world.backups();
    let why = failed(&backups).await;
    assert!(why.contains("disk/repository") && why.contains("not enough room"), "{why}");
    assert!(!world.repository().exists(), "half a repository stands in its place");
    std::fs::remove_file(filler).unwrap();
    assert!(take(&backups).await.verified.is_some());
}

#[tokio::test]
async fn no_room_for_copies_of_databases_is_told_and_no_point_is_called_damaged_for_it() {
    let mut world = world();
    world.kept_at = Some(world.dir.path().join("repository"));
    let Some(disk) = on(&world, "home", 8) else { return };
    let app = App::started(&world.data());
    app.add("kept");
    world.write("note.md", "kept");
    let backups = world.backups();
    let first = take(&backups).await;
    assert!(first.verified.is_some());
    // In WAL mode it is read in place; in this one it is copied first.
    let old = rusqlite::Connection::open(world.data().join("old.db")).unwrap();
    old.execute_batch("CREATE TABLE t(x); INSERT INTO t VALUES (randomblob(3000000))").unwrap();

    let filler = disk.fill(300 << 10);
    let second = take(&backups).await;
    assert_eq!(second.verified, None);
    let [missing] = &second.missing[..] else { panic!("{:?}", second.missing) };
    assert!(
        missing.starts_with("old.db: there is no room in") && missing.contains("home/backups/scratch"),
        "{missing}"
    );
    assert!(second.findings.is_empty(), "{:?}", second.findings);

    // Nor can a database be copied to be opened: that says nothing of the repository.
    std::fs::remove_file(&filler).unwrap();
    let third = take(&backups).await;
    assert!(third.verified.is_some(), "{:?}", third.missing);
    disk.fill(300 << 10);
    let why = sentence(&backups.verify(&third.id, |_| {}).await.unwrap_err());
    assert!(why.contains("home/backups/scratch") && why.contains("No space left on device"), "{why}");
    let known = backups.catalogue().unwrap().into_iter().find(|p| p.id == third.id).unwrap();
    assert_eq!((known.verified, known.findings), (third.verified, Vec::new()), "it was called damaged");
    std::fs::remove_file(&filler).unwrap();
    still_whole(&world, &backups, &third, "note.md", "kept").await;
    assert_eq!(app.notes(), ["kept"]);
}

#[tokio::test]
async fn a_home_without_any_room_loses_no_point_and_no_restore_is_begun_that_could_not_be_ended() {
    let mut world = world();
    world.kept_at = Some(world.dir.path().join("repository"));
    let Some(disk) = on(&world, "home", 8) else { return };
    let app = App::started(&world.data());
    app.add("old");
    let backups = world.backups();
    let first = take(&backups).await;
    app.add("new");

    let filler = disk.fill(0);
    let why = failed(&backups).await;
    assert!(why.contains("/home/") && why.contains("No space left on device"), "{why}");
    let record = backups.restore(&first.id, &app, |_| {}).await;
    let why = match record {
        Ok(record) => match record.outcome {
            RestoreOutcome::Refused { why } => why,
            other => panic!("{other:?}"),
        },
        Err(error) => sentence(&error),
    };
    assert!(why.contains("/home/") && why.contains("No space left on device"), "{why}");
    assert!(app.is_running());
    assert_eq!(app.notes(), ["old", "new"]);
    assert!(world.beside().is_empty(), "{:?}", world.beside());

    std::fs::remove_file(filler).unwrap();
    // What was stored and could not be noted is found again.
    backups.recover(&app).await.unwrap();
    let points = backups.rescan().await.unwrap();
    assert!(points.iter().any(|p| p.id == first.id && p.verified == first.verified), "{points:?}");
    let next = take(&backups).await;
    assert!(next.verified.is_some(), "{:?}", next.findings);
    let record = backups.restore(&first.id, &app, |_| {}).await.unwrap();
    assert_eq!(record.outcome, RestoreOutcome::Restored);
    assert_eq!(app.notes(), ["old"]);
}

#[tokio::test]
async fn a_place_that_fills_while_it_is_restored_to_is_named_and_left_empty() {
    let world = world();
    let Some(disk) = on(&world, "disk", 40) else { return };
    world.write("note.md", "kept");
    file(&world, "big.bin", 24);
    let backups = world.backups();
    let point = take(&backups).await;
    let (filled, disk_now) = (AtomicBool::new(false), &disk);
    let fill = |p: Progress| {
        // After the question for room and before the first byte.
        if p.phase == "opening the repository" && !filled.swap(true, Ordering::SeqCst) {
            disk_now.fill(1 << 20);
        }
    };
    let to = world.dir.path().join("disk/rescued");
    let why = sentence(&backups.restore_to(&point.id, &to, &[], fill).await.unwrap_err());
    assert!(why.contains("No space left on device") && why.contains("disk/"), "{why}");
    let left: Vec<_> =
        std::fs::read_dir(world.dir.path().join("disk")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["filler"], "what was written stays: {left:?}");
    // With the disk full from the beginning nothing is begun.
    let why = sentence(&backups.restore_to(&point.id, &to, &[], |_| {}).await.unwrap_err());
    assert!(why.contains("are free there and") && why.contains("are needed"), "{why}");
    std::fs::remove_file(world.dir.path().join("disk/filler")).unwrap();
    backups.restore_to(&point.id, &to, &[], |_| {}).await.unwrap();
    assert_eq!(std::fs::read_to_string(to.join("note.md")).unwrap(), "kept");
}

#[tokio::test]
async fn a_copy_on_a_full_or_read_only_disk_is_named_counts_for_nothing_and_goes_on_when_there_is_room() {
    let world = world();
    let Some(disk) = on(&world, "disk", 16) else { return };
    let at = world.dir.path().join("disk/steady");
    let copy = target("usb", CopyPlace::Folder { path: at.clone(), same_volume: false });
    file(&world, "big.bin", 40);
    let backups = world.backups();
    let point = take(&backups).await;
    backups.init_copy(&copy).await.unwrap();
    let place = at.display().to_string();
    let why = sentence(&backups.copy(&copy, &point, |_| {}).await.unwrap_err());
    assert!(why.contains(&place) && why.contains("not enough room") && why.contains("B are free"), "{why}");
    disk.make_read_only();
    let why = sentence(&backups.copy(&copy, &point, |_| {}).await.unwrap_err());
    assert!(why.contains(&place) && why.contains("is read-only"), "{why}");
    assert!(backups.copied(&copy).unwrap().unwrap().copied.is_empty(), "half a copy counts");
    disk.make_writable();
    disk.resize(120 << 20);
    backups.copy(&copy, &point, |_| {}).await.unwrap();
    assert!(restic(&world, &at, &["check", "--read-data"]).contains("no errors were found"));
    assert!(backups.verify(&point.id, |_| {}).await.unwrap().verified.is_some());
}

/// The `-wal` of a database that is being read cannot be reset: it must not grow until its writer fails.
#[tokio::test]
async fn a_writer_on_a_small_disk_goes_on_and_the_database_that_was_let_go_is_named() {
    let mut world = world();
    let Some(_disk) = on(&world, "disk", 192) else { return };
    world.place = Some(world.dir.path().join("disk/data"));
    std::fs::create_dir(world.data()).unwrap();
    let busy = wal_database(&world.data().join("busy.db"));
    // Enough that reading it takes a while.
    busy.execute_batch("CREATE TABLE notes(text); INSERT INTO notes VALUES (zeroblob(64000000))").unwrap();
    busy.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    world.write("note.md", "kept");
    let (begun, busy) = (AtomicBool::new(false), Mutex::new(busy));
    let write = |p: Progress| {
        if p.phase == "copying the data" && !begun.swap(true, Ordering::SeqCst) {
            let busy = busy.lock().unwrap();
            for _ in 0..100 {
                // Each takes 512 KiB of the -wal.
                busy.execute("INSERT INTO notes VALUES (zeroblob(520000))", []).unwrap();
            }
        }
    };
    let backups = world.backups();
    let point = backups.take(PointKind::Manual, write).await.unwrap();
    assert!(begun.into_inner(), "nothing was written meanwhile");
    assert_eq!(point.verified, None);
    let [missing] = &point.missing[..] else { panic!("{:?}", point.missing) };
    assert!(missing.starts_with("busy.db: its -wal grew by"), "{missing}");
    assert!(missing.contains("could fill the disk; free some room"), "{missing}");
    let rows: i64 =
        busy.lock().unwrap().query_row("SELECT count(*) FROM notes", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 101, "a commit was lost");
    let quiet = take(&backups).await;
    assert!(quiet.verified.is_some(), "{:?}", quiet.missing);
}
