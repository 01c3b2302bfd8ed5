//! Copies that something else made before Steady: whole ones, torn ones, and what is none.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use jiff::tz::TimeZone;
use rusqlite::Connection;
use steady_backup::BackupError;
use steady_model::backup::RestoreOutcome;
use steady_model::config::Keep;
use steady_model::older::taken_at;
use support::{App, World, notes, take, wal_database, world};

const WHOLE: &str = "data-20260114-093000";
const TORN: &str = "data-20260115-093000";

/// As the first users make them: `cp -r data DIR`, while a program has the database open.
fn copied(world: &World, name: &str) -> PathBuf {
    let folder = world.dir.path().join("old");
    std::fs::create_dir_all(&folder).unwrap();
    let to = folder.join(name);
    assert!(Command::new("cp").arg("-r").arg(world.data()).arg(&to).status().unwrap().success());
    to
}

/// Every name, mode, time and byte.
fn listing(root: &Path) -> String {
    let find = Command::new("find")
        .args([
            ".",
            "-printf",
            "%p %y %m %T@ %s %i ",
            "-type",
            "f",
            "-exec",
            "sha256sum",
            "{}",
            ";",
            "-o",
            "-print",
        ])
        .current_dir(root)
        .output()
        .unwrap();
    let mut lines: Vec<String> = String::from_utf8_lossy(&find.stdout).lines().map(str::to_owned).collect();
    lines.sort();
    lines.join("\n")
}

fn overwrite_middle(file: &Path, bytes: usize) {
    let mut content = std::fs::read(file).unwrap();
    let at = content.len() / 2 / 4096 * 4096;
    content[at..at + bytes].fill(0x55);
    std::fs::write(file, content).unwrap();
}

#[tokio::test]
async fn a_whole_copy_with_its_wal_becomes_a_point_of_its_day_that_is_restored_as_any_other() {
    let world = world();
    world.write("vault/note.md", "of january");
    let app = App::started(&world.data());
    app.add("in the wal");
    let old = copied(&world, WHOLE);
    assert!(old.join("notes.db-wal").metadata().unwrap().len() > 0, "nothing is proved without a -wal");
    let before = listing(&old);
    let backups = world.backups();
    let points = backups.import(&[world.dir.path().join("old")], |_| {}).await.unwrap();
    assert_eq!(points.len(), 1);
    let point = &points[0];
    assert_eq!(Some(point.taken), taken_at(WHOLE, &TimeZone::system()));
    assert_eq!(point.imported.as_deref(), Some(old.canonicalize().unwrap().to_str().unwrap()));
    assert_eq!((point.verified, point.missing.len()), (None, 0), "nobody has read it back yet");
    let plan = backups.plan(&point.id).await.unwrap();
    assert!(plan.cautions.iter().any(|c| c.contains("torn")), "{:?}", plan.cautions);
    let verified = backups.verify(&point.id, |_| {}).await.unwrap();
    assert!(verified.verified.is_some(), "{:?}", verified.findings);
    assert_eq!(verified.stores[0].rows[0].rows, 1, "what was only in the -wal is missing");
    assert_eq!(listing(&old), before, "the copy was written to");

    app.add("of today");
    world.write("vault/note.md", "of today");
    let record = backups.restore(&point.id, &app, |_| {}).await.unwrap();
    assert_eq!(record.outcome, RestoreOutcome::Restored);
    assert_eq!(
        (app.notes(), world.read("vault/note.md")),
        (vec!["in the wal".to_owned()], "of january".to_owned())
    );
    let to = world.dir.path().join("elsewhere");
    backups.restore_to(&point.id, &to, &["vault".into()], |_| {}).await.unwrap();
    assert_eq!(std::fs::read_to_string(to.join("vault/note.md")).unwrap(), "of january");
    assert_eq!(listing(&old), before, "the copy was written to");

    // As restic sees it.
    let listed = world.restic(&["snapshots", "--tag", "imported", "--json"]);
    assert!(listed.contains(&point.id) && listed.contains("2026-01-1"), "{listed}");
}

#[tokio::test]
async fn a_copy_with_a_hot_journal_is_as_after_a_crash() {
    let world = world();
    let path = world.data().join("old.db");
    let db = Connection::open(&path).unwrap();
    db.execute_batch("PRAGMA cache_size=1; CREATE TABLE notes(text); INSERT INTO notes VALUES ('kept')")
        .unwrap();
    // In the middle of a transaction that spilled its pages.
    db.execute_batch("BEGIN").unwrap();
    for n in 0..2000 {
        db.execute("INSERT INTO notes VALUES (?1)", [format!("never committed {n}")]).unwrap();
    }
    let old = copied(&world, WHOLE);
    assert!(old.join("old.db-journal").metadata().unwrap().len() > 0, "nothing is proved without a journal");
    db.execute_batch("ROLLBACK").unwrap();
    let backups = world.backups();
    let point = backups.import(std::slice::from_ref(&old), |_| {}).await.unwrap().remove(0);
    let verified = backups.verify(&point.id, |_| {}).await.unwrap();
    assert!(verified.verified.is_some(), "{:?} {:?}", verified.findings, verified.missing);
    let restored = world.restic_restore(&point.id).join("old.db");
    assert_eq!(notes(&Connection::open(restored).unwrap()), ["kept"]);
}

#[tokio::test]
async fn a_torn_copy_is_taken_in_as_not_verified_and_says_which_database_and_the_dot_does_not_mind() {
    let world = world();
    world.write("note.md", "safe");
    for name in ["inside.db", "header.db"] {
        let db = wal_database(&world.data().join(name));
        db.execute_batch("CREATE TABLE notes(text); CREATE INDEX i ON notes(text)").unwrap();
        for n in 0..3000 {
            db.execute("INSERT INTO notes VALUES (?1)", [format!("note {n}")]).unwrap();
        }
        db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    }
    let old = copied(&world, TORN);
    overwrite_middle(&old.join("inside.db"), 4096);
    let mut header = std::fs::read(old.join("header.db")).unwrap();
    header[100..4096].fill(0xaa);
    std::fs::write(old.join("header.db"), header).unwrap();
    let before = listing(&old);
    let backups = world.backups();
    let own = take(&backups).await;
    assert!(own.verified.is_some());
    let point = backups.import(std::slice::from_ref(&old), |_| {}).await.unwrap().remove(0);
    assert_eq!(point.verified, None);
    assert!(point.missing.iter().any(|m| m.starts_with("header.db: ")), "{:?}", point.missing);
    let read = backups.verify(&point.id, |_| {}).await.unwrap();
    assert_eq!(read.verified, None, "a torn database was called good");
    assert!(read.findings.iter().any(|f| f.text.contains("inside.db")), "{:?}", read.findings);
    assert_eq!(std::fs::read_to_string(world.restic_restore(&point.id).join("note.md")).unwrap(), "safe");
    let now = own.taken;
    let (status, phrase) =
        steady_model::backup::judge(&backups.catalogue().unwrap(), std::time::Duration::from_secs(3600), now);
    assert_eq!(status, steady_model::check::Status::Pass, "{phrase}");
    assert_eq!(listing(&old), before);
}

#[tokio::test]
async fn a_second_import_adds_nothing_and_no_rule_removes_what_was_imported() {
    let mut world = world();
    world.keep = Keep { last: 1, hourly: 0, daily: 0, weekly: 0, monthly: 0, ..Keep::default() };
    world.write("note.md", "old");
    let whole = copied(&world, WHOLE);
    copied(&world, TORN);
    let folder = world.dir.path().join("old");
    let backups = world.backups();
    assert_eq!(backups.import(std::slice::from_ref(&whole), |_| {}).await.unwrap().len(), 1);
    let rest = backups.import(std::slice::from_ref(&folder), |_| {}).await.unwrap();
    assert_eq!(rest.len(), 1, "one was there");
    let before = world.restic(&["snapshots", "--json"]);
    assert!(backups.import(std::slice::from_ref(&folder), |_| {}).await.unwrap().is_empty());
    assert_eq!(world.restic(&["snapshots", "--json"]), before);

    world.write("note.md", "new");
    take(&backups).await;
    take(&backups).await;
    let record = backups.prune(|_| {}).await.unwrap();
    assert_eq!(record.removed, 1, "of our own two, one goes");
    let left = backups.catalogue().unwrap();
    assert_eq!(left.iter().filter(|p| p.imported.is_some()).count(), 2);
    // And after the catalogue is lost they are still known for what they are.
    std::fs::remove_file(world.home().join("backups/catalogue.json")).unwrap();
    let points = backups.rescan().await.unwrap();
    assert_eq!(points.iter().filter(|p| p.imported.is_some()).count(), 2);
    world.restic(&["check", "--read-data"]);
}

#[tokio::test]
async fn what_is_no_older_copy_is_refused_with_the_reason() {
    let world = world();
    world.write("note.md", "x");
    let backups = world.backups();
    let refused = async |name: &str| {
        let folder = world.dir.path().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let error = backups.import(&[folder], |_| {}).await.unwrap_err();
        assert!(matches!(error, BackupError::Import { .. }), "{error}");
        error.to_string()
    };
    assert!(refused("notes").await.contains("data-YYYYMMDD-HHMMSS"));
    assert!(refused("data-20261350-990000").await.contains("data-YYYYMMDD-HHMMSS"));
    assert!(refused("data-29990101-000000").await.contains("future"));
    let away = backups.import(&[world.dir.path().join("nowhere")], |_| {}).await.unwrap_err();
    assert!(away.to_string().contains("nowhere"), "{away}");
    assert!(backups.catalogue().unwrap().is_empty());
}
