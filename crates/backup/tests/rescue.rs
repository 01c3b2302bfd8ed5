//! What is lost here comes back from a copy.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod support;

use steady_backup::BackupError;
use steady_model::backup::{PointKind, RestoreOutcome};
use support::copies::disk;
use support::{App, take, world};

#[tokio::test]
async fn what_is_lost_here_is_restored_straight_from_a_copy_and_can_be_undone() {
    let world = world();
    let (copy, _) = disk(&world);
    let app = App::started(&world.data());
    app.add("kept");
    world.write("vault/a.md", "as it was");
    let backups = world.backups();
    let point = take(&backups).await;
    backups.init_copy(&copy).await.unwrap();
    backups.copy(&copy, &point, |_| {}).await.unwrap();
    drop(backups);

    // All of Steady's own is lost but the key, and the data went on.
    let key = std::fs::read(world.home().join("backups/password")).unwrap();
    std::fs::remove_dir_all(world.home()).unwrap();
    app.add("later");
    world.write("vault/a.md", "spoilt");
    let backups = world.backups();
    let error = backups.open_copy(&copy).await.err().unwrap();
    assert!(error.to_string().contains("backups/password"), "{error}");
    std::fs::write(world.home().join("backups/password"), key).unwrap();

    let there = backups.open_copy(&copy).await.unwrap();
    let [found] = there.points() else { panic!("{:?}", there.points()) };
    assert_eq!((found.taken, found.bytes, found.verified), (point.taken, point.bytes, None));
    let error = there.plan(&"0".repeat(64), None, &[]).await.unwrap_err();
    assert!(matches!(error, BackupError::NoSuchPoint { .. }), "{error}");
    let plan = there.plan(&found.id, None, &[]).await.unwrap();
    assert!(plan.obstacles.is_empty(), "{plan:?}");
    assert!(plan.lost.iter().any(|lost| lost.contains("notes")), "{plan:?}");

    let elsewhere = world.dir.path().join("elsewhere");
    there.restore_to(&found.id, &elsewhere, &["vault".into()], |_| {}).await.unwrap();
    assert_eq!(std::fs::read_to_string(elsewhere.join("vault/a.md")).unwrap(), "as it was");
    assert!(!elsewhere.join("notes.db").exists());

    let record = there.restore(&found.id, &[], &app, |_| {}).await.unwrap();
    assert_eq!(record.outcome, RestoreOutcome::Restored);
    assert_eq!((app.notes(), world.read("vault/a.md").as_str()), (vec!["kept".to_owned()], "as it was"));
    let [safety] = &backups.catalogue().unwrap()[..] else { panic!("{:?}", backups.catalogue()) };
    assert_eq!(safety.kind, PointKind::Safety);
    backups.undo(&app, |_| {}).await.unwrap();
    assert_eq!(app.notes(), ["kept", "later"]);
    assert_eq!(world.read("vault/a.md"), "spoilt");
}

#[tokio::test]
async fn a_repository_that_is_lost_leaves_no_point_in_the_catalogue_that_nobody_can_restore() {
    let world = world();
    world.write("a.md", "a");
    let backups = world.backups();
    let lost = take(&backups).await;
    std::fs::remove_dir_all(world.repository()).unwrap();
    let next = take(&backups).await;
    let listed: Vec<_> = backups.catalogue().unwrap().into_iter().map(|p| p.id).collect();
    assert_eq!(listed, [next.id]);
    assert_ne!(listed, [lost.id]);
}
