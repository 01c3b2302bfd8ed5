//! The scratch data of a drill, and its record.

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

use steady_model::drill::DrillWork;
use support::{App, notes, take, world};

#[tokio::test]
async fn a_point_is_staged_for_a_drill_in_private_opened_and_removed_and_the_data_stay() {
    let world = world();
    let app = App::started(&world.data());
    app.add("old");
    let backups = world.backups();
    let id = take(&backups).await.id;
    app.add("new");
    // What a drill that broke off left is in nobody's way.
    std::fs::create_dir_all(backups.drill_data()).unwrap();
    std::fs::write(backups.drill_data().join("left"), "over").unwrap();

    let written = backups.stage_drill(&id, |_| {}).await.unwrap();
    assert_eq!((written.at.clone(), written.files), (backups.drill_data(), 1));
    let folder = written.at.parent().unwrap();
    assert_eq!(std::fs::metadata(folder).unwrap().permissions().mode() & 0o777, 0o700);
    backups.open_drill(&id, |_| {}).await.unwrap();

    let db = rusqlite::Connection::open(written.at.join("notes.db")).unwrap();
    assert_eq!(notes(&db), ["old"]);
    db.execute("DELETE FROM notes", []).unwrap();
    drop(db);
    let error = backups.open_drill(&id, |_| {}).await.unwrap_err().to_string();
    assert!(error.contains("notes.db"), "{error}");

    backups.clear_drill().await.unwrap();
    assert!(!folder.exists());
    backups.clear_drill().await.unwrap();
    assert_eq!(app.notes(), ["old", "new"]);
    assert!(world.beside().is_empty() && app.is_running());
}

#[tokio::test]
async fn the_record_of_a_drill_of_either_format_is_read_kept_and_a_newer_one_refused() {
    let world = world();
    let backups = world.backups();
    assert_eq!(backups.last_drill().unwrap(), None);
    let file = world.home().join("backups/drills.json");
    let text = include_str!("fixtures/drills-1.json");
    std::fs::write(&file, text).unwrap();
    let last = backups.last_drill().unwrap().unwrap();
    assert_eq!(last.steps[0].what, DrillWork::Restored);
    let failure = last.failure().unwrap();
    assert_eq!(failure, "opening the restored data: notes.db: row 3 missing from index");
    let text = include_str!("fixtures/drills-2.json");
    std::fs::write(&file, text).unwrap();
    let last = backups.last_drill().unwrap().unwrap();
    assert_eq!(last.steps[1].what, DrillWork::Loaded);
    backups.keep_drill(&last).unwrap();
    assert_eq!(std::fs::read_to_string(&file).unwrap().trim(), text.trim(), "the format changed");
    std::fs::write(&file, text.replace("\"version\": 2", "\"version\": 3")).unwrap();
    assert!(backups.last_drill().unwrap_err().to_string().contains("newer Steady"));
}
