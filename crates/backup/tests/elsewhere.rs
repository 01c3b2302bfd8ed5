//! Restores to other places and of chosen files, and the bad days of both.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking and measures in real time"
)]

mod support;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use steady_backup::Moment;
use steady_model::backup::{RestoreOutcome, RestoreStep};
use support::disk::Mounted;
use support::{App, World, notes, take, world};

async fn old_and_new() -> (World, App, String) {
    let world = world();
    let app = App::started(&world.data());
    app.add("old");
    world.write("vault/note.md", "old");
    world.write("vault/deep/other.md", "old");
    let id = take(&world.backups()).await.id;
    app.add("new");
    world.write("vault/note.md", "new");
    world.write("vault/deep/only-now.md", "new");
    (world, app, id)
}

fn only(paths: &[&str]) -> Vec<PathBuf> {
    paths.iter().map(PathBuf::from).collect()
}

#[tokio::test]
async fn a_restore_elsewhere_is_whole_and_touches_neither_data_nor_services() {
    let (world, app, id) = old_and_new().await;
    let backups = world.backups();
    let to = world.dir.path().join("rescued");
    let written = backups.restore_to(&id, &to, &[], |_| {}).await.unwrap();
    assert_eq!(written.files, 3);
    assert_eq!(std::fs::read_to_string(to.join("vault/note.md")).unwrap(), "old");
    let db = rusqlite::Connection::open(to.join("notes.db")).unwrap();
    assert_eq!(notes(&db), ["old"]);
    assert_eq!(app.notes(), ["old", "new"]);
    assert!(app.is_running());
    assert_eq!(backups.last_restore().unwrap(), None);
    let again = backups.restore_to(&id, &to, &[], |_| {}).await.unwrap_err();
    assert!(again.to_string().contains("not empty"), "{again}");
    let inside = backups.restore_to(&id, &world.data().join("x"), &[], |_| {}).await.unwrap_err();
    assert!(inside.to_string().contains("overlaps"), "{inside}");
}

#[tokio::test]
async fn chosen_files_elsewhere_are_those_files_and_no_others() {
    let (world, _app, id) = old_and_new().await;
    let to = world.dir.path().join("rescued");
    let chosen = only(&["vault/deep"]);
    world.backups().restore_to(&id, &to, &chosen, |_| {}).await.unwrap();
    assert_eq!(std::fs::read_to_string(to.join("vault/deep/other.md")).unwrap(), "old");
    assert!(!to.join("vault/note.md").exists() && !to.join("notes.db").exists());
    let error =
        world.backups().restore_to(&id, &to.join("b"), &only(&["nowhere.md"]), |_| {}).await.unwrap_err();
    assert!(error.to_string().contains("nowhere.md is not in restore point"), "{error}");
    assert!(!to.join("b").exists());
    let hidden = std::fs::read_dir(&to).unwrap().filter(|e| e.as_ref().unwrap().file_name() != "vault");
    assert_eq!(hidden.count(), 0, "an unfinished tree stayed");
}

#[tokio::test]
async fn chosen_files_come_back_in_place_and_all_else_stays_as_it_is() {
    let (world, app, id) = old_and_new().await;
    std::os::unix::fs::symlink("note.md", world.data().join("vault/latest")).unwrap();
    let backups = world.backups();
    let chosen = only(&["vault/note.md"]);
    let plan = backups.plan_of(&id, &chosen).await.unwrap();
    assert_eq!(plan.lost, ["vault/note.md has changed since"]);
    let record = backups.restore_only(&id, &chosen, &app, |_| {}).await.unwrap();
    assert_eq!(record.outcome, RestoreOutcome::Restored);
    assert_eq!(record.only, ["vault/note.md"]);
    assert_eq!(world.read("vault/note.md"), "old");
    assert_eq!(world.read("vault/deep/only-now.md"), "new");
    assert_eq!(std::fs::read_link(world.data().join("vault/latest")).unwrap(), Path::new("note.md"));
    assert_eq!(app.notes(), ["old", "new"]);
    app.add("after the restore");
    backups.undo(&app, |_| {}).await.unwrap();
    assert_eq!(world.read("vault/note.md"), "new");
    assert_eq!(
        app.notes(),
        ["old", "new"],
        "undo is the state before, and shares no file with the one after"
    );
}

#[tokio::test]
async fn a_chosen_database_is_the_old_one_and_no_newer_wal_is_replayed_into_it() {
    let (world, app, id) = old_and_new().await;
    let record = world.backups().restore_only(&id, &only(&["notes.db"]), &app, |_| {}).await.unwrap();
    assert_eq!(record.outcome, RestoreOutcome::Restored);
    assert_eq!(app.notes(), ["old"]);
    assert_eq!(world.read("vault/note.md"), "new");
}

#[tokio::test]
async fn the_plan_says_which_rows_and_files_would_be_lost() {
    let (world, _app, id) = old_and_new().await;
    let plan = world.backups().plan(&id).await.unwrap();
    assert_eq!(
        plan.lost,
        [
            "notes.db, table notes: 2 rows now, 1 in the point",
            "vault/deep/only-now.md is new since",
            "vault/note.md has changed since",
        ]
    );
}

#[tokio::test]
async fn undo_is_possible_until_the_second_next_backup() {
    let (world, app, id) = old_and_new().await;
    let backups = world.backups();
    backups.restore(&id, &app, |_| {}).await.unwrap();
    assert!(take(&backups).await.verified.is_some());
    assert!(backups.last_restore().unwrap().unwrap().can_undo);
    assert_eq!(world.beside().len(), 1);
    assert!(take(&backups).await.verified.is_some());
    assert!(!backups.last_restore().unwrap().unwrap().can_undo);
    assert!(world.beside().is_empty(), "{:?}", world.beside());
}

#[tokio::test]
async fn a_disk_that_fills_while_staging_leaves_the_data_untouched_and_is_named() {
    let mut world = world();
    let disk = world.dir.path().join("disk");
    let Some(_disk) = Mounted::small(&disk, 24 << 20) else { return };
    world.place = Some(disk.join("data"));
    std::fs::create_dir(world.data()).unwrap();
    let app = App::started(&world.data());
    let noise: Vec<u8> =
        (0..1_500_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    std::fs::write(world.data().join("big.bin"), noise).unwrap();
    let id = take(&world.backups()).await.id;
    app.add("precious");
    let filler = disk.join("filler");
    // Between the plan and the staging somebody else fills the disk.
    let fills = move |moment| {
        if moment == Moment::Begun(RestoreStep::Staged) {
            let _ = std::fs::write(&filler, vec![0; 24 << 20]);
        }
        false
    };
    let backups = world.backups().with_fail_point(Arc::new(fills));
    let record = backups.restore(&id, &app, |_| {}).await.unwrap();
    match record.outcome {
        RestoreOutcome::Refused { why } => {
            // Files are written side by side: either may be the first that does not fit.
            let named = why.contains("big.bin") || why.contains("notes.db");
            assert!(why.contains("No space left on device") && named, "{why}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(app.notes(), ["precious"]);
    assert!(app.is_running());
    let left: Vec<_> = std::fs::read_dir(&disk).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "the staging folder stayed: {left:?}");
}

#[tokio::test]
async fn a_read_only_place_and_a_wrong_password_are_said_and_leave_nothing() {
    let (world, app, id) = old_and_new().await;
    let disk = world.dir.path().join("disk");
    if let Some(mounted) = Mounted::small(&disk, 8 << 20) {
        mounted.make_read_only();
        let error =
            world.backups().restore_to(&id, &disk.join("x"), &[], |_| {}).await.unwrap_err().to_string();
        assert!(error.contains("Read-only file system") && error.contains("disk"), "{error}");
    }
    std::fs::write(world.home().join("backups/password"), "wrong").unwrap();
    let to = world.dir.path().join("rescued");
    let error = world.backups().restore_to(&id, &to, &[], |_| {}).await.unwrap_err().to_string();
    assert!(error.contains("does not open"), "{error}");
    assert!(!to.exists());
    let record = world.backups().restore(&id, &app, |_| {}).await.unwrap();
    assert!(matches!(record.outcome, RestoreOutcome::Refused { .. }), "{:?}", record.outcome);
    assert_eq!(app.notes(), ["old", "new"]);
}
