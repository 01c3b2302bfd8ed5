//! What a verification finds, and what it must not overlook.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking and measures in real time"
)]

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use steady_backup::Thoroughness;
use steady_model::backup::RestorePoint;
use steady_model::verification::{FindingKind, Slice};
use support::{App, World, take, wal_database, world};

fn filled(world: &World, rows: u32) -> Connection {
    let db = wal_database(&world.data().join("notes.db"));
    db.execute_batch("CREATE TABLE IF NOT EXISTS notes(text)").unwrap();
    for n in 0..rows {
        db.execute("INSERT INTO notes VALUES (?1)", [format!("note {n}")]).unwrap();
    }
    db
}

fn texts(point: &RestorePoint) -> Vec<&str> {
    point.findings.iter().map(|f| f.text.as_str()).collect()
}

#[tokio::test]
async fn an_emptied_table_is_backed_up_and_never_called_verified_until_it_is_accepted() {
    let world = world();
    let db = filled(&world, 40);
    let backups = world.backups();
    let good = take(&backups).await;
    assert!(good.verified.is_some(), "{:?}", good.findings);
    db.execute("DELETE FROM notes", []).unwrap();
    let empty = take(&backups).await;
    assert_eq!(empty.verified, None);
    assert_eq!(texts(&empty), ["notes.db, table notes: 40 rows before, none now"]);
    // The comparison is with the last point that was good, not with the last one.
    let again = take(&backups).await;
    assert_eq!((again.verified, texts(&again).len()), (None, 1));

    let how = Thoroughness { accept_losses: true, ..Thoroughness::default() };
    let accepted = backups.verify_so(&again.id, how, |_| {}).await.unwrap();
    assert!(accepted.verified.is_some() && accepted.findings.is_empty());
    assert!(take(&backups).await.verified.is_some(), "what was accepted is the measure of the next");
}

#[tokio::test]
async fn after_a_restore_the_restored_point_is_the_measure() {
    let world = world();
    let app = App::started(&world.data());
    app.add("one");
    let backups = world.backups();
    let small = take(&backups).await;
    for n in 0..99 {
        app.add(&n.to_string());
    }
    assert!(take(&backups).await.verified.is_some());
    backups.restore(&small.id, &app, |_| {}).await.unwrap();
    let after = take(&backups).await;
    assert!(after.verified.is_some(), "what a person asked for is no collapse: {:?}", after.findings);
}

#[tokio::test]
async fn counts_that_must_be_equal_across_stores_are_judged() {
    let mut world = world();
    world.verify.equal = vec![vec!["notes.db:notes".into(), "vectors.db:vectors".into()]];
    filled(&world, 3);
    let vectors = wal_database(&world.data().join("vectors.db"));
    vectors.execute_batch("CREATE TABLE vectors(v); INSERT INTO vectors VALUES (1), (2)").unwrap();
    let backups = world.backups();
    let point = take(&backups).await;
    assert_eq!(point.verified, None);
    assert_eq!(point.findings[0].kind, FindingKind::Unequal);
    assert!(texts(&point)[0].contains("notes.db:notes has 3 rows, vectors.db:vectors has 2 rows"));
    vectors.execute("INSERT INTO vectors VALUES (3)", []).unwrap();
    assert!(take(&backups).await.verified.is_some());
}

/// The index of a search table is no b-tree of SQLite's: only the table's own check sees it.
#[tokio::test]
async fn a_search_index_that_lost_its_words_is_found() {
    let world = world();
    let db = wal_database(&world.data().join("search.db"));
    db.execute_batch("CREATE VIRTUAL TABLE pages USING fts5(body)").unwrap();
    for n in 0..50 {
        db.execute("INSERT INTO pages VALUES (?1)", [format!("word{n} common")]).unwrap();
    }
    let backups = world.backups();
    assert!(take(&backups).await.verified.is_some());
    db.execute("DELETE FROM pages_data WHERE id > 10", []).unwrap();
    let point = take(&backups).await;
    assert_eq!(point.verified, None, "{:?}", point.stores);
    assert!(texts(&point)[0].starts_with("search.db: "), "{:?}", texts(&point));
}

#[tokio::test]
async fn slices_end_in_a_verified_point_and_go_on_after_a_restart() {
    let world = world();
    filled(&world, 5);
    for n in 0..30 {
        world.write(&format!("vault/{n}.md"), &format!("note {n}"));
    }
    let point = take(&world.backups()).await;
    let before = point.verified.unwrap();
    let mut read = 0;
    for part in [3, 1, 2] {
        // A new one each time, as after a restart of the agent.
        let backups = world.backups();
        let how = Thoroughness { slice: Some(Slice { part, of: 3 }), ..Thoroughness::default() };
        let most = std::sync::atomic::AtomicU64::new(0);
        let on_progress = |p: steady_backup::Progress| {
            most.fetch_max(p.total_bytes, std::sync::atomic::Ordering::Relaxed);
        };
        let now = backups.verify_so(&point.id, how, on_progress).await.unwrap();
        read += most.into_inner();
        assert_eq!(now.verified.unwrap() > before, part == 2, "part {part}");
        assert_eq!(now.reading.is_none(), part == 2);
    }
    assert_eq!(read, point.bytes, "the slices together are the whole point, once");
}

fn packs(repository: &Path, folder: &str) -> Vec<PathBuf> {
    let files = walkdir::WalkDir::new(repository.join(folder)).into_iter().filter_map(Result::ok);
    files.filter(|e| e.file_type().is_file()).map(walkdir::DirEntry::into_path).collect()
}

fn damage(file: &Path) {
    let mut bytes = std::fs::read(file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::set_permissions(file, PermissionsExt::from_mode(0o600)).unwrap();
    std::fs::write(file, bytes).unwrap();
}

#[tokio::test]
async fn a_damaged_pack_names_the_file_that_is_lost_and_the_others_stay_known() {
    let world = world();
    filled(&world, 5);
    let noise: Vec<u8> =
        (0..2_000_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    std::fs::write(world.data().join("big.bin"), noise).unwrap();
    let backups = world.backups();
    let point = take(&backups).await;
    let all = packs(&world.repository(), "data");
    damage(all.iter().max_by_key(|p| p.metadata().unwrap().len()).unwrap());
    let after = backups.verify(&point.id, |_| {}).await.unwrap();
    assert_eq!(after.verified, None);
    let told = texts(&after);
    assert!(told.iter().any(|t| t.starts_with("big.bin: it is lost in this point")), "{told:?}");
    assert!(told.iter().all(|t| t.lines().count() == 1 && t.len() < 400), "{told:?}");
    assert_eq!(backups.catalogue().unwrap()[0].findings, after.findings);
    // Damage that a slice meets counts at once.
    let how = |part| Thoroughness { slice: Some(Slice { part, of: 2 }), ..Thoroughness::default() };
    for part in [1, 2] {
        assert_eq!(backups.verify_so(&point.id, how(part), |_| {}).await.unwrap().verified, None);
    }
}

#[tokio::test]
async fn a_damaged_index_is_said_with_what_to_do_and_no_point_is_called_lost() {
    let world = world();
    world.write("note.md", "x");
    let backups = world.backups();
    let point = take(&backups).await;
    for index in packs(&world.repository(), "index") {
        damage(&index);
    }
    let error = backups.verify(&point.id, |_| {}).await.unwrap_err().to_string();
    assert!(error.contains("no data is lost") && error.contains("rebuild-index"), "{error}");
    assert!(backups.catalogue().unwrap()[0].verified.is_some(), "the point's data were not read");
    assert_eq!(error.lines().count(), 1, "{error}");
}

#[tokio::test]
async fn a_damaged_list_of_files_says_that_the_whole_point_is_lost() {
    let world = world();
    world.write("note.md", "x");
    let backups = world.backups();
    let point = take(&backups).await;
    for pack in packs(&world.repository(), "data") {
        damage(&pack);
    }
    let after = backups.verify(&point.id, |_| {}).await.unwrap();
    assert_eq!(after.verified, None);
    assert!(!after.findings.is_empty(), "{after:?}");
}
