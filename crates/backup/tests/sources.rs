//! What a data directory may hold besides databases in WAL mode, and what of it comes back.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking and measures in real time"
)]

mod support;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use rusqlite::Connection;
use rustix::fs::{XattrFlags, lgetxattr, lsetxattr};
use steady_backup::{BackupError, BoxFuture, Circumstances, Services};
use steady_model::backup::{PointKind, RestoreOutcome};
use steady_model::config::FileClass;
use support::{World, manifest, notes, take, wal_database, world};

/// Data that nobody holds open.
struct Nobody;

impl Services for Nobody {
    fn stop<'a>(&'a self, _: &'a [String]) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async { Ok(()) })
    }
    fn start_and_wait_healthy<'a>(&'a self, _: &'a [String]) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async { Ok(()) })
    }
}

async fn restore(world: &World, id: &str) {
    let record = world.backups().restore(id, &Nobody, |_| {}).await.unwrap();
    assert_eq!(record.outcome, RestoreOutcome::Restored);
}

fn attribute(path: &Path, name: &str) -> Option<Vec<u8>> {
    let mut value = vec![0; 200];
    let size = lgetxattr(path, name, &mut value[..]).ok()?;
    value.truncate(size);
    Some(value)
}

#[tokio::test]
async fn attributes_hard_links_owner_and_set_user_id_come_back() {
    let world = world();
    let data = world.data();
    world.write("tool", "#!/bin/sh\n");
    fs::create_dir(data.join("tagged")).unwrap();
    world.write("read-only.md", "x");
    for name in ["tool", "tagged", "read-only.md"] {
        lsetxattr(data.join(name), "user.steady.tag", b"a\0b\xff", XattrFlags::empty()).unwrap();
    }
    fs::set_permissions(data.join("tool"), PermissionsExt::from_mode(0o4755)).unwrap();
    fs::set_permissions(data.join("read-only.md"), PermissionsExt::from_mode(0o400)).unwrap();
    let root = rustix::process::geteuid().is_root();
    if root {
        std::os::unix::fs::chown(data.join("read-only.md"), Some(12345), Some(54321)).unwrap();
    }
    world.write("a/first.bin", &"one file of two names ".repeat(100_000));
    fs::hard_link(data.join("a/first.bin"), data.join("second.bin")).unwrap();
    world.write("small", "also two");
    fs::hard_link(data.join("small"), data.join("a/small-too")).unwrap();
    world.write("lookalike", "also two");

    let point = take(&world.backups()).await;
    assert!(point.verified.is_some(), "{:?}", point.missing);
    fs::remove_dir_all(&data).unwrap();
    restore(&world, &point.id).await;

    let inode = |name: &str| fs::metadata(data.join(name)).unwrap().ino();
    assert_eq!(inode("a/first.bin"), inode("second.bin"), "two names became two files");
    assert_eq!(inode("small"), inode("a/small-too"), "two names became two files");
    assert_ne!(inode("small"), inode("lookalike"), "two files became one");
    for name in ["tool", "tagged", "read-only.md"] {
        assert_eq!(
            attribute(&data.join(name), "user.steady.tag").as_deref(),
            Some(&b"a\0b\xff"[..]),
            "{name}"
        );
    }
    let mode = |name: &str| fs::metadata(data.join(name)).unwrap().mode() & 0o7777;
    assert_eq!((mode("tool"), mode("read-only.md")), (0o4755, 0o400));
    if root {
        let owned = fs::metadata(data.join("read-only.md")).unwrap();
        assert_eq!((owned.uid(), owned.gid()), (12345, 54321));
    }
    // And as any restic restores it.
    let by_restic = world.restic_restore(&point.id);
    assert_eq!(attribute(&by_restic.join("tool"), "user.steady.tag").as_deref(), Some(&b"a\0b\xff"[..]));
    let inode = |name: &str| fs::metadata(by_restic.join(name)).unwrap().ino();
    assert_eq!(inode("a/first.bin"), inode("second.bin"));
}

#[tokio::test]
async fn a_database_of_two_names_is_read_by_the_live_one_and_both_show_its_last_commit() {
    let world = world();
    let data = world.data();
    // The name that sorts first is not the live one: beside it lies no -wal.
    let db = wal_database(&data.join("z-live.db"));
    db.execute_batch(
        "PRAGMA wal_autocheckpoint=0; CREATE TABLE notes(text); PRAGMA wal_checkpoint(TRUNCATE)",
    )
    .unwrap();
    fs::hard_link(data.join("z-live.db"), data.join("a-other.db")).unwrap();
    db.execute("INSERT INTO notes VALUES ('only in the wal')", []).unwrap();
    let point = take(&world.backups()).await;
    assert!(point.verified.is_some(), "{:?}", point.missing);
    let restored = world.restic_restore(&point.id);
    for name in ["z-live.db", "a-other.db"] {
        assert_eq!(notes(&Connection::open(restored.join(name)).unwrap()), ["only in the wal"], "{name}");
    }
}

#[tokio::test]
async fn what_holds_no_data_is_named_and_a_loop_of_links_is_kept_as_it_is() {
    let world = world();
    let data = world.data();
    world.write("note.md", "safe");
    let make = |program: &str, name: &str, of: &[&str]| {
        Command::new(program).arg(data.join(name)).args(of).output().unwrap().status.success()
    };
    assert!(make("mkfifo", "pipe", &[]));
    let _socket = std::os::unix::net::UnixListener::bind(data.join("socket")).unwrap();
    let mut expected = vec!["pipe", "socket"];
    // For root alone.
    if make("mknod", "device", &["c", "1", "3"]) {
        expected.insert(0, "device");
    }
    fs::create_dir(data.join("a")).unwrap();
    symlink("../a", data.join("a/self")).unwrap();
    symlink("two", data.join("one")).unwrap();
    symlink("one", data.join("two")).unwrap();
    symlink("/", data.join("everything")).unwrap();
    fs::write(data.join(OsStr::from_bytes(b"n\xffme")), "latin").unwrap();
    let point = take(&world.backups()).await;
    assert!(point.verified.is_some(), "{:?}", point.missing);
    let told = manifest(&world, &point.id, "/steady/manifest.json");
    let mut skipped: Vec<&str> =
        told["skipped"].as_array().unwrap().iter().map(|s| s["path"].as_str().unwrap()).collect();
    skipped.sort_unstable();
    assert_eq!(skipped, expected);
    fs::remove_dir_all(&data).unwrap();
    restore(&world, &point.id).await;
    assert_eq!(fs::read_link(data.join("a/self")).unwrap(), Path::new("../a"));
    assert_eq!(fs::read_link(data.join("everything")).unwrap(), Path::new("/"));
    assert_eq!(fs::read(data.join(OsStr::from_bytes(b"n\xffme"))).unwrap(), b"latin");
}

#[tokio::test]
async fn the_first_entry_of_a_point_says_what_was_known_at_the_cut() {
    let world = world();
    let db = wal_database(&world.data().join("notes.db"));
    db.execute_batch("PRAGMA user_version=7; PRAGMA application_id=42; CREATE TABLE notes(text); INSERT INTO notes VALUES ('a'), ('b')").unwrap();
    world.write("events.jsonl", "{}\n");
    let backups = world.backups();
    let circumstances = Circumstances { notes: vec!["The job daily-sync ran.".into()], services: None };
    let point = backups.take_in(PointKind::Manual, circumstances, |_| {}).await.unwrap();
    assert_eq!(point.notes, ["The job daily-sync ran."]);
    assert_eq!(backups.rescan().await.unwrap()[0].notes, point.notes, "a note was forgotten");
    let listed = world.restic(&["ls", &point.id]);
    let names: Vec<&str> = listed.lines().filter(|l| l.starts_with('/')).collect();
    assert_eq!(names[..2], ["/cut", "/cut/manifest.json"], "the manifest is not the first entry");
    let cut = manifest(&world, &point.id, "/cut/manifest.json");
    let whole = manifest(&world, &point.id, "/steady/manifest.json");
    for told in [&cut, &whole] {
        assert_eq!(told["version"], 2);
        let store = &told["stores"][0];
        assert_eq!((&store["path"], &store["class"]), (&"notes.db".into(), &"wal".into()));
        let facts = &store["facts"];
        assert_eq!(
            (&facts["journal_mode"], &facts["user_version"], &facts["application_id"]),
            (&"wal".into(), &7.into(), &42.into())
        );
        assert_eq!(facts["rows"][0]["rows"], 2);
        assert_eq!(told["notes"][0], "The job daily-sync ran.");
        assert_eq!(told["scanned"]["files"], 2);
    }
    assert_eq!(cut["taken"], whole["taken"]);
    assert_eq!(cut["stores"][0]["sha256"], "");
    assert_eq!(whole["stores"][0]["sha256"].as_str().unwrap().len(), 64);
    assert_eq!(whole["files"][0]["class"], "log");
}

#[tokio::test]
async fn a_class_of_the_configuration_counts_and_one_that_cannot_be_read_is_refused() {
    let mut world = world();
    let data = world.data();
    fs::create_dir_all(data.join("index/deep")).unwrap();
    world.write("index/deep/vectors", "v");
    world.write("feed.txt", "a line\n");
    world.capture.classes = [("index".into(), FileClass::Chroma), ("*.txt".into(), FileClass::Log)].into();
    let point = take(&world.backups()).await;
    assert!(point.verified.is_some(), "{:?}", point.missing);
    let told = manifest(&world, &point.id, "/steady/manifest.json");
    let classes: Vec<(&str, &str)> = told["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| (f["path"].as_str().unwrap(), f["class"].as_str().unwrap()))
        .collect();
    assert_eq!(classes, [("feed.txt", "log"), ("index/deep/vectors", "index")]);
    world.capture.classes = [("[a".into(), FileClass::Log)].into();
    let error = world.backups().take(PointKind::Manual, |_| {}).await.unwrap_err();
    assert!(error.to_string().contains("backup.classes"), "{error}");
}

/// As root everything can be read: so as somebody else.
fn as_nobody(world: &World) -> steady_backup::EngineCommand {
    let own = Command::new("chown").args(["-R", "65534:65534"]).arg(world.dir.path()).status().unwrap();
    assert!(own.success());
    let engine = env!("CARGO_BIN_EXE_steady-engine");
    let engine_for_all = world.dir.path().join("engine");
    fs::copy(engine, &engine_for_all).unwrap();
    fs::set_permissions(&engine_for_all, PermissionsExt::from_mode(0o755)).unwrap();
    let args = ["--reuid=65534", "--regid=65534", "--clear-groups"].map(Into::into);
    let args = args.into_iter().chain([engine_for_all.into_os_string()]).collect();
    steady_backup::EngineCommand { program: "setpriv".into(), args }
}

#[tokio::test]
async fn an_unreadable_file_database_or_folder_is_named_and_the_rest_goes_on() {
    let world = world();
    let data = world.data();
    world.write("note.md", "safe");
    world.write("secret.md", "x");
    drop(wal_database(&data.join("locked.db")).execute_batch("CREATE TABLE t(x)"));
    world.write("closed/inside.md", "x");
    fs::create_dir_all(world.home().join("backups")).unwrap();
    let engine = if rustix::process::geteuid().is_root() { Some(as_nobody(&world)) } else { None };
    for name in ["secret.md", "locked.db", "closed"] {
        fs::set_permissions(data.join(name), PermissionsExt::from_mode(0o000)).unwrap();
    }
    let backups = match engine {
        Some(engine) => {
            fs::set_permissions(world.dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
            let backups = steady_backup::Backups::open(&world.home(), &world.config(), engine).unwrap();
            // The password that root wrote is for the engine to read.
            let password = world.home().join("backups/password");
            fs::write(&password, "for a test").unwrap();
            fs::set_permissions(&password, PermissionsExt::from_mode(0o600)).unwrap();
            let all = Command::new("chown").args(["-R", "65534:65534"]).arg(world.home()).status().unwrap();
            assert!(all.success());
            backups
        }
        None => world.backups(),
    };
    let point = take(&backups).await;
    assert_eq!(point.verified, None, "what could not be read was called good");
    let mut named: Vec<&str> = point.missing.iter().map(|m| m.split(':').next().unwrap()).collect();
    named.sort_unstable();
    assert_eq!(named, ["closed", "locked.db", "secret.md"], "{:?}", point.missing);
    assert!(point.missing.iter().all(|m| m.contains("ermission denied")), "{:?}", point.missing);
    assert_eq!(world.restic(&["dump", &point.id, "/data/note.md"]), "safe");
    fs::set_permissions(data.join("closed"), PermissionsExt::from_mode(0o700)).unwrap();
}

#[tokio::test]
async fn a_data_directory_that_vanishes_while_it_is_read_makes_no_point() {
    let world = world();
    for number in 0..400 {
        world.write(&format!("many/{number:04}.bin"), &format!("{number} ").repeat(60_000));
    }
    let backups = world.backups();
    take(&backups).await;
    let (data, moved) = (world.data(), world.dir.path().join("elsewhere"));
    let gone = std::sync::atomic::AtomicBool::new(false);
    let vanish = |p: steady_backup::Progress| {
        if p.phase == "copying the data" && !gone.swap(true, std::sync::atomic::Ordering::SeqCst) {
            fs::rename(&data, &moved).unwrap();
            // An unmounted disk leaves its mount point.
            fs::create_dir(&data).unwrap();
        }
    };
    let error = backups.take(PointKind::Manual, vanish).await.unwrap_err();
    assert!(matches!(&error, BackupError::Engine { message, .. } if message.contains("vanished")), "{error}");
    assert_eq!(backups.catalogue().unwrap().len(), 1);
    fs::remove_dir(&data).unwrap();
    let missing = backups.take(PointKind::Manual, |_| {}).await.unwrap_err().to_string();
    assert!(missing.contains("correct `backup.source`"), "{missing}");
    fs::rename(&moved, &data).unwrap();
    let point = take(&backups).await;
    assert!(point.verified.is_some(), "{:?}", point.missing);
}
