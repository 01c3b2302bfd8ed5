//! The repository as other programs and bad days see it.

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
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use steady_backup::{BackupError, Code};
use steady_model::backup::{PointKind, RestoreOutcome};
use support::{App, take, wal_database, world};

/// Every name, kind, mode, time and byte of a tree.
fn listing(root: &Path) -> String {
    let find = Command::new("find")
        .args([
            ".",
            "-mindepth",
            "1",
            "(",
            "-type",
            "f",
            "-printf",
            "%p %y %m %T@ ",
            "-exec",
            "sha256sum",
            "{}",
            ";",
        ])
        .args(["-o", "-printf", "%p %y %m %T@ %l\\n", ")"])
        .current_dir(root)
        .output()
        .unwrap();
    let mut lines: Vec<String> = String::from_utf8_lossy(&find.stdout).lines().map(str::to_owned).collect();
    lines.sort();
    lines.join("\n")
}

fn many_kinds(data: &Path) {
    std::fs::create_dir_all(data.join("vault/deep")).unwrap();
    std::fs::write(data.join("vault/note.md"), "# note").unwrap();
    std::fs::write(data.join("vault/deep/empty"), "").unwrap();
    std::fs::write(data.join("big.bin"), (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect::<Vec<_>>())
        .unwrap();
    std::fs::set_permissions(data.join("vault/note.md"), PermissionsExt::from_mode(0o640)).unwrap();
    std::fs::set_permissions(data.join("vault/deep"), PermissionsExt::from_mode(0o2750)).unwrap();
    symlink("vault/note.md", data.join("latest")).unwrap();
    symlink("/nowhere", data.join("dangling")).unwrap();
    std::fs::write(data.join(OsStr::from_bytes(b"caf\xe9 \"x\".md")), "latin").unwrap();
    std::fs::write(data.join("caf\u{e9}\n.md"), "utf-8").unwrap();
}

#[tokio::test]
async fn debians_restic_lists_checks_and_restores_the_same_tree() {
    let world = world();
    many_kinds(&world.data());
    let backups = world.backups();
    let first = take(&backups).await;
    world.write("vault/second.md", "later");
    let second = take(&backups).await;
    assert!(second.verified.is_some(), "{:?}", second.missing);
    assert!(second.added < 100_000, "an unchanged 12 MB file was stored again: {}", second.added);

    let listed = world.restic(&["snapshots"]);
    assert!(listed.contains(&first.id[..8]) && listed.contains(&second.id[..8]), "{listed}");
    world.restic(&["check", "--read-data"]);
    let restored = world.restic_restore(&second.id);
    assert_eq!(listing(&restored), listing(&world.data()));
}

/// For data that no service holds open.
struct Nobody;
impl steady_backup::Services for Nobody {
    fn stop<'a>(&'a self, _: &'a [String]) -> steady_backup::BoxFuture<'a, Result<(), String>> {
        Box::pin(async { Ok(()) })
    }
    fn start_and_wait_healthy<'a>(
        &'a self,
        _: &'a [String],
    ) -> steady_backup::BoxFuture<'a, Result<(), String>> {
        Box::pin(async { Ok(()) })
    }
}

#[tokio::test]
async fn a_restore_brings_back_every_name_mode_time_and_link() {
    let world = world();
    many_kinds(&world.data());
    let app = App::started(&world.data());
    let backups = world.backups();
    let point = take(&backups).await;
    steady_backup::Services::stop(&app, &["app".to_owned()]).await.unwrap();
    for sidecar in ["notes.db-wal", "notes.db-shm"] {
        let _ = std::fs::remove_file(world.data().join(sidecar));
    }
    let before = listing(&world.data());
    std::fs::remove_dir_all(world.data()).unwrap();

    let record = backups.restore(&point.id[..8], &Nobody, |_| {}).await.unwrap();
    assert_eq!(
        record.outcome,
        RestoreOutcome::Restored,
        "a data directory that is gone is the case to restore"
    );
    assert!(!record.can_undo);
    // The database is an image of its pages: the same content, and the same times and modes.
    let without_database =
        |text: &str| text.lines().filter(|l| !l.contains("notes.db")).collect::<Vec<_>>().join("\n");
    assert_eq!(without_database(&listing(&world.data())), without_database(&before));
}

#[tokio::test]
async fn a_database_that_cannot_be_opened_is_named_and_the_point_is_never_called_verified() {
    let world = world();
    world.write("note.md", "safe");
    let mut torn = b"SQLite format 3\0".to_vec();
    torn.extend([0x10, 0, 2, 2]);
    torn.resize(8192, 0xaa);
    std::fs::write(world.data().join("torn.db"), torn).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(world.data().join("app.sock")).unwrap();
    let backups = world.backups();
    let point = take(&backups).await;
    assert_eq!(point.missing.len(), 1, "{:?}", point.missing);
    assert!(point.missing[0].starts_with("torn.db: "), "{:?}", point.missing);
    assert_eq!(point.verified, None);
    assert_eq!(backups.catalogue().unwrap()[0].missing, point.missing);
    let plan = backups.plan(&point.id).await.unwrap();
    assert!(plan.cautions.iter().any(|c| c.contains("torn.db")), "{:?}", plan.cautions);
    assert_eq!(std::fs::read_to_string(world.restic_restore(&point.id).join("note.md")).unwrap(), "safe");
}

#[tokio::test]
async fn a_database_that_is_corrupt_inside_is_kept_and_not_called_verified() {
    let world = world();
    let db = wal_database(&world.data().join("notes.db"));
    db.execute_batch("CREATE TABLE notes(text); CREATE INDEX i ON notes(text);").unwrap();
    for n in 0..3000 {
        db.execute("INSERT INTO notes VALUES (?1)", [format!("note {n}")]).unwrap();
    }
    db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    db.close().unwrap();
    let path = world.data().join("notes.db");
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 4096].fill(0x55);
    std::fs::write(&path, bytes).unwrap();
    let point = take(&world.backups()).await;
    assert_eq!(point.verified, None, "a damaged database was called good");
    assert_ne!(point.stores[0].integrity, "ok");
}

fn largest_pack(repository: &Path) -> PathBuf {
    let files = walkdir::WalkDir::new(repository.join("data")).into_iter().filter_map(Result::ok);
    let files = files.filter(|e| e.file_type().is_file());
    files.max_by_key(|e| e.metadata().unwrap().len()).unwrap().into_path()
}

#[tokio::test]
async fn one_flipped_bit_in_the_repository_is_found_and_nothing_is_restored_from_it() {
    let world = world();
    many_kinds(&world.data());
    let app = App::started(&world.data());
    let backups = world.backups();
    let point = take(&backups).await;
    let pack = largest_pack(&world.repository());
    let mut bytes = std::fs::read(&pack).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::set_permissions(&pack, PermissionsExt::from_mode(0o600)).unwrap();
    std::fs::write(&pack, bytes).unwrap();

    app.add("precious");
    let record = backups.restore(&point.id, &app, |_| {}).await.unwrap();
    assert!(matches!(record.outcome, RestoreOutcome::Refused { .. }), "{:?}", record.outcome);
    assert_eq!(app.notes(), ["precious"]);
    assert!(world.beside().is_empty(), "{:?}", world.beside());

    let again = backups.verify(&point.id, |_| {}).await.unwrap();
    assert_eq!(again.verified, None);
    assert!(again.missing.is_empty() && !again.findings.is_empty());
    assert_eq!(backups.catalogue().unwrap().iter().find(|p| p.id == point.id).unwrap().verified, None);
}

#[tokio::test]
async fn a_lost_password_is_said_and_never_replaced() {
    let world = world();
    world.write("note.md", "x");
    let backups = world.backups();
    take(&backups).await;
    let password = world.home().join("backups/password");
    assert_eq!(std::fs::metadata(&password).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::metadata(world.repository()).unwrap().permissions().mode() & 0o777, 0o700);
    std::fs::rename(&password, world.home().join("elsewhere")).unwrap();
    let error = backups.take(PointKind::Manual, |_| {}).await.unwrap_err();
    assert!(matches!(error, BackupError::KeyMissing { .. }), "{error}");
    std::fs::write(&password, "wrong").unwrap();
    let error = backups.take(PointKind::Manual, |_| {}).await.unwrap_err();
    assert!(error.to_string().contains("does not open"), "{error}");
    assert!(error.to_string().lines().count() == 1, "{error}");
}

#[tokio::test]
async fn a_repository_in_use_is_said_with_its_user() {
    let world = world();
    world.write("note.md", "x");
    let backups = world.backups();
    take(&backups).await;
    let holder = steady_disk::Holder { pid: 42, what: "a test".into(), since: "now".into() };
    let lock = world.home().join("backups/repository.lock");
    let held = steady_disk::FileLock::try_acquire(&lock, &holder).unwrap();
    let error = backups.take(PointKind::Manual, |_| {}).await.unwrap_err();
    assert!(matches!(error, BackupError::Engine { code: Code::Locked, .. }), "{error}");
    assert!(error.to_string().contains("a test (pid 42"), "{error}");
    drop(held);
    take(&backups).await;
}

#[tokio::test]
async fn a_lost_catalogue_is_built_anew_from_the_repository() {
    let world = world();
    world.write("note.md", "x");
    let backups = world.backups();
    let first = take(&backups).await;
    std::fs::remove_file(world.home().join("backups/catalogue.json")).unwrap();
    let second = take(&backups).await;
    let ids: Vec<String> = backups.catalogue().unwrap().into_iter().map(|p| p.id).collect();
    assert_eq!(ids, [second.id.clone(), first.id]);
    let points = backups.rescan().await.unwrap();
    assert_eq!(points[0], second, "a verified date was forgotten");
    assert_eq!(points[1].verified, None, "a point that nobody read back was called verified");
}

#[tokio::test]
async fn a_cancelled_backup_ends_its_engine_and_the_next_one_is_whole() {
    let world = world();
    let noise: Vec<u8> =
        std::iter::repeat_with(|| fast_noise().to_le_bytes()).take(15_000_000).flatten().collect();
    std::fs::write(world.data().join("big.bin"), noise).unwrap();
    let backups = world.backups();
    let (send, started) = tokio::sync::oneshot::channel();
    let send = std::sync::Mutex::new(Some(send));
    let on_progress = |p: steady_backup::Progress| {
        if p.done_bytes > 0
            && let Some(send) = send.lock().unwrap().take()
        {
            send.send(()).unwrap();
        }
    };
    tokio::select! {
        _ = backups.take(PointKind::Manual, on_progress) => panic!("it was to be cancelled"),
        told = started => told.unwrap(),
    }
    assert!(backups.catalogue().unwrap().is_empty());
    // The killed engine's lock is the kernel's to release.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    let point = loop {
        match backups.take(PointKind::Manual, |_| {}).await {
            Ok(point) => break point,
            Err(BackupError::Engine { code: Code::Locked, .. }) => {
                assert!(std::time::Instant::now() < deadline);
            }
            Err(error) => panic!("{error}"),
        }
    };
    assert!(point.verified.is_some(), "{:?}", point.missing);
    world.restic(&["check", "--read-data"]);
}

/// Incompressible.
fn fast_noise() -> u64 {
    use std::cell::Cell;
    thread_local!(static STATE: Cell<u64> = const { Cell::new(0x9e37_79b9_7f4a_7c15) });
    STATE.with(|s| {
        let mut x = s.get();
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        s.set(x);
        x
    })
}

#[test]
fn a_repository_inside_the_data_is_refused() {
    let world = world();
    let mut config = world.config();
    config.source = world.dir.path().to_owned();
    let engine = steady_backup::EngineCommand { program: "x".into(), args: Vec::new() };
    let error = steady_backup::Backups::open(&world.home(), &config, engine).err().unwrap();
    assert!(error.to_string().contains("move them out"), "{error}");
}
