//! Bad days of the repository's disk, of its key and of the files that are read: what a person is told, and that
//! nothing is lost. Full disks are in `full_disk.rs`, damage in `verification.rs`.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking and measures in real time"
)]

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use steady_backup::{BackupError, Backups, EngineCommand, Progress};
use steady_model::backup::{PointKind, RestoreOutcome};
use steady_model::config::Keep;
use support::copies::target;
use support::disk::Mounted;
use support::{App, sentence, take, world};

/// The files of a repository with what is in them.
fn bytes_of(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = walkdir::WalkDir::new(folder).into_iter().filter_map(Result::ok);
    let files = entries.filter(|e| e.file_type().is_file()).map(walkdir::DirEntry::into_path);
    files.map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

fn refused(record: steady_model::backup::RestoreRecord) -> String {
    match record.outcome {
        RestoreOutcome::Refused { why } => why,
        other => panic!("{other:?}"),
    }
}

/// As the system leaves a disk on which it met errors.
#[tokio::test]
async fn from_a_read_only_repository_all_can_be_read_and_restored_and_nothing_is_lost() {
    let mut world = world();
    world.kept_at = Some(world.dir.path().join("disk/repository"));
    world.keep = Keep { last: 1, hourly: 0, daily: 0, weekly: 0, monthly: 0, ..world.keep };
    let Some(disk) = Mounted::small(&world.dir.path().join("disk"), 64 << 20) else { return };
    let app = App::started(&world.data());
    app.add("old");
    let backups = world.backups();
    let first = take(&backups).await;
    app.add("new");
    let second = take(&backups).await;
    disk.make_read_only();
    let before = bytes_of(&world.repository());

    let place = world.repository().display().to_string();
    let told = |why: String| {
        assert!(why.contains(&place) && why.contains("is read-only"), "{why}");
        assert!(why.contains("make it writable") && why.contains("steady restore ID --to DIR"), "{why}");
    };
    told(sentence(&backups.take(PointKind::Manual, |_| {}).await.unwrap_err()));
    told(sentence(&backups.prune(|_| {}).await.unwrap_err()));
    assert_eq!(backups.catalogue().unwrap().len(), 2, "a removal that failed lost a point");
    // Its safety point would have to go there.
    told(refused(backups.restore(&first.id, &app, |_| {}).await.unwrap()));
    assert_eq!(app.notes(), ["old", "new"]);
    assert!(app.is_running());

    for point in [&first, &second] {
        let again = backups.verify(&point.id, |_| {}).await.unwrap();
        assert!(again.verified > point.verified, "{:?}", again.findings);
    }
    assert!(backups.plan(&first.id).await.unwrap().cautions.iter().all(|c| !c.contains("not known")));
    let to = world.dir.path().join("rescued");
    backups.restore_to(&first.id, &to, &[], |_| {}).await.unwrap();
    let rescued = rusqlite::Connection::open(to.join("notes.db")).unwrap();
    assert_eq!(support::notes(&rescued), ["old"]);
    // And carried away from a disk that may be dying.
    let copy = target(
        "rescue",
        steady_model::config::CopyPlace::Folder { path: world.dir.path().join("copy"), same_volume: true },
    );
    backups.init_copy(&copy).await.unwrap();
    backups.copy(&copy, &second, |_| {}).await.unwrap();
    assert_eq!(bytes_of(&world.repository()), before);

    disk.make_writable();
    let third = take(&backups).await;
    assert!(third.verified.is_some(), "{:?}", third.findings);
    backups.prune(|_| {}).await.unwrap();
    assert_eq!(backups.catalogue().unwrap().len(), 1);
}

#[tokio::test]
async fn a_repository_whose_disk_is_away_is_never_begun_anew_on_its_empty_mount_point() {
    let mut world = world();
    let disk = world.dir.path().join("disk");
    std::fs::create_dir(&disk).unwrap();
    world.kept_at = Some(disk.join("repository"));
    world.write("note.md", "kept");
    let backups = world.backups();
    let first = take(&backups).await;
    let away = world.dir.path().join("away");
    std::fs::rename(&disk, &away).unwrap();
    let why = sentence(&backups.take(PointKind::Manual, |_| {}).await.unwrap_err());
    assert!(why.contains("does not exist; mount the disk"), "{why}");

    std::fs::create_dir(&disk).unwrap();
    let why = sentence(&backups.take(PointKind::Manual, |_| {}).await.unwrap_err());
    assert!(why.contains("disk/repository is not there, and it had restore points (1)"), "{why}");
    assert!(why.contains("attach its disk") && why.contains("catalogue.json away"), "{why}");
    let why = sentence(&backups.verify(&first.id, |_| {}).await.unwrap_err());
    assert!(why.contains("disk/repository"), "{why}");
    assert!(std::fs::read_dir(&disk).unwrap().all(|e| !e.unwrap().path().join("config").exists()));
    assert_eq!(backups.catalogue().unwrap()[0].id, first.id, "what is on the disk was forgotten");

    std::fs::remove_dir_all(&disk).unwrap();
    std::fs::rename(&away, &disk).unwrap();
    assert!(take(&backups).await.verified.is_some());
    assert!(backups.verify(&first.id, |_| {}).await.unwrap().verified.is_some());
}

/// Two homes, as of two people or two machines, with one repository.
#[tokio::test]
async fn of_two_agents_on_one_repository_the_second_is_told_who_has_it_and_both_keep_all_points() {
    let mut world = world();
    world.kept_at = Some(world.dir.path().join("shared/repository"));
    std::fs::create_dir(world.dir.path().join("shared")).unwrap();
    for number in 0..40 {
        world.write(&format!("many/{number}.md"), &format!("{number} ").repeat(200_000));
    }
    let one = world.backups();
    let engine = EngineCommand { program: env!("CARGO_BIN_EXE_steady-engine").into(), args: Vec::new() };
    let home = world.dir.path().join("second-home");
    let two = Backups::open(&home, &world.config(), engine).unwrap();
    let first = take(&one).await;

    // Without the key it neither reads nor writes.
    let before = bytes_of(&world.repository());
    let error = two.take(PointKind::Manual, |_| {}).await.unwrap_err();
    assert!(matches!(error, BackupError::KeyMissing { .. }), "{error}");
    sentence(&error);
    assert_eq!(bytes_of(&world.repository()), before);
    std::fs::copy(world.home().join("backups/password"), home.join("backups/password")).unwrap();

    let (met, told) = tokio::sync::oneshot::channel();
    let met = std::sync::Mutex::new(Some(met));
    world.write("many/new.md", &"new ".repeat(400_000));
    let at_work = |p: Progress| {
        if p.phase == "copying the data"
            && let Some(met) = met.lock().unwrap().take()
        {
            met.send(()).unwrap();
        }
    };
    let second_agent = async {
        told.await.unwrap();
        let seen = sentence(&two.take(PointKind::Manual, |_| {}).await.unwrap_err());
        let removal = sentence(&two.verify(&first.id, |_| {}).await.unwrap_err());
        (seen, removal)
    };
    let (second, (seen, _)) = tokio::join!(one.take(PointKind::Manual, at_work), second_agent);
    let second = second.unwrap();
    assert!(seen.contains("a backup (pid ") && seen.contains("wait for it to end"), "{seen}");

    let third = take(&two).await;
    assert!(third.verified.is_some(), "{:?}", third.findings);
    let ids: Vec<String> = one.rescan().await.unwrap().into_iter().map(|p| p.id).collect();
    assert_eq!(ids, [third.id.clone(), second.id.clone(), first.id.clone()]);
    for id in ids {
        assert!(one.verify(&id, |_| {}).await.unwrap().verified.is_some());
    }
    assert!(world.restic(&["check", "--read-data"]).contains("no errors were found"));
}

#[tokio::test]
async fn a_wrong_key_opens_nothing_changes_nothing_and_is_named_with_its_place() {
    let mut world = world();
    world.keep = Keep { last: 1, hourly: 0, daily: 0, weekly: 0, monthly: 0, ..world.keep };
    let app = App::started(&world.data());
    app.add("old");
    let backups = world.backups();
    let first = take(&backups).await;
    let second = take(&backups).await;
    let (key, before) = (world.home().join("backups/password"), bytes_of(&world.repository()));
    let right = std::fs::read(&key).unwrap();
    std::fs::write(&key, "wrong").unwrap();
    let told = |why: String| {
        assert!(why.contains("backups/password does not open") && why.contains("put back the key"), "{why}");
    };
    told(sentence(&backups.take(PointKind::Manual, |_| {}).await.unwrap_err()));
    told(sentence(&backups.verify(&first.id, |_| {}).await.unwrap_err()));
    told(sentence(&backups.prune(|_| {}).await.unwrap_err()));
    told(sentence(&backups.rescan().await.unwrap_err()));
    told(refused(backups.restore(&first.id, &app, |_| {}).await.unwrap()));
    assert_eq!(app.notes(), ["old"]);
    assert_eq!(bytes_of(&world.repository()), before);
    std::fs::write(&key, right).unwrap();
    // A removal that failed takes no point away.
    let known = backups.rescan().await.unwrap();
    assert_eq!(known.iter().map(|p| &p.id).collect::<Vec<_>>(), [&second.id, &first.id]);
    assert!(backups.verify(&first.id, |_| {}).await.unwrap().verified.is_some());
}

/// A disk that dies gives errors for the files that lie on its bad places, and for no others.
#[tokio::test]
async fn a_file_that_cannot_be_read_to_its_end_is_named_and_all_others_are_in_the_point() {
    let world = world();
    world.write("note.md", "kept");
    let broken = world.data().join("broken.bin");
    let Some(mounted) = Mounted::broken_file(&broken) else { return };
    let backups = world.backups();
    let point = take(&backups).await;
    let [missing] = &point.missing[..] else { panic!("{:?}", point.missing) };
    assert!(missing.starts_with("broken.bin: Input/output error"), "{missing}");
    assert_eq!(point.verified, None, "what could not be read was called good");
    assert_eq!(world.restic(&["dump", &point.id, "/data/note.md"]), "kept");
    drop(mounted);
    std::fs::write(broken, "mended").unwrap();
    assert!(take(&backups).await.verified.is_some());
}

#[tokio::test]
async fn a_data_directory_that_is_not_there_begins_nothing_and_leaves_all_points() {
    let world = world();
    world.write("note.md", "kept");
    let backups = world.backups();
    let first = take(&backups).await;
    std::fs::remove_dir_all(world.data()).unwrap();
    let why = sentence(&backups.take(PointKind::Manual, |_| {}).await.unwrap_err());
    assert!(why.contains("data") && why.contains("correct `backup.source`"), "{why}");
    assert_eq!(backups.catalogue().unwrap().len(), 1);
    // What is away is what restores are for.
    let to = world.dir.path().join("rescued");
    backups.restore_to(&first.id, &to, &[], |_| {}).await.unwrap();
    assert_eq!(std::fs::read_to_string(to.join("note.md")).unwrap(), "kept");
}

/// Pulled out in the middle: what was mounted is gone, and the folder that it was mounted on is there.
#[tokio::test]
async fn a_disk_that_is_pulled_out_while_it_is_read_makes_no_point() {
    let mut world = world();
    let at = world.dir.path().join("data-disk");
    let Some(disk) = Mounted::small(&at, 128 << 20) else { return };
    world.place = Some(at);
    for number in 0..200 {
        world.write(&format!("many/{number:03}.bin"), &format!("{number} ").repeat(60_000));
    }
    let backups = world.backups();
    let (pulled, disk) = (AtomicBool::new(false), std::sync::Mutex::new(Some(disk)));
    let pull = |p: Progress| {
        if p.phase == "copying the data" && !pulled.swap(true, Ordering::SeqCst) {
            drop(disk.lock().unwrap().take());
        }
    };
    let why = sentence(&backups.take(PointKind::Manual, pull).await.unwrap_err());
    assert!(why.contains("vanished") && why.contains("try again when it is back"), "{why}");
    assert!(backups.catalogue().unwrap().is_empty());
}
