//! Interrupted restores that cannot be ended at once: nothing is taken for ended, started or lost meanwhile.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;

use steady_backup::{BackupError, Moment};
use steady_model::backup::{RestoreOutcome, RestoreStep};
use support::{App, World, take, world};

/// A restore of the note `old` in place of `new`, killed at `step`, with the data on a disk of their own.
async fn interrupted(step: RestoreStep) -> (World, App) {
    let mut world = world();
    let data = world.dir.path().join("disk/data");
    std::fs::create_dir_all(&data).unwrap();
    world.place = Some(data);
    let app = App::started(&world.data());
    app.add("old");
    let id = take(&world.backups()).await.id;
    app.add("new");
    let dies = world.backups().with_fail_point(Arc::new(move |now| now == Moment::Ended(step)));
    let error = dies.restore(&id, &app, |_| {}).await.unwrap_err();
    assert!(matches!(error, BackupError::Interrupted { .. }), "{error}");
    (world, app)
}

#[tokio::test]
async fn a_data_directory_that_is_away_is_waited_for_and_nothing_is_started_without_it() {
    let notes = |old: bool| if old { vec!["old"] } else { vec!["old", "new"] };
    for (step, restored) in [(RestoreStep::Stopped, false), (RestoreStep::Swapped, true)] {
        let (world, app) = interrupted(step).await;
        let (disk, drawer) = (world.dir.path().join("disk"), world.dir.path().join("drawer"));
        std::fs::rename(&disk, &drawer).unwrap();
        // Each start of an agent is one try, and trying does not use up what may be tried.
        for _ in 0..3 {
            let error = world.backups().recover(&app).await.unwrap_err();
            assert!(matches!(error, BackupError::DataGone { .. }), "{step:?}: {error}");
            assert!(!app.is_running() && !disk.exists(), "{step:?}: something was begun without the data");
        }
        let refused = world.backups().prune(|_| {}).await.unwrap_err();
        assert!(matches!(refused, BackupError::Unfinished), "{step:?}: {refused}");
        std::fs::rename(&drawer, &disk).unwrap();
        let record = world.backups().recover(&app).await.unwrap().unwrap();
        assert_eq!(record.outcome == RestoreOutcome::Restored, restored, "{step:?}: {record:?}");
        assert_eq!(app.notes(), notes(restored), "{step:?}");
        assert_eq!(world.backups().recover(&app).await.unwrap(), None, "{step:?}: it is tried again");
    }
}

#[tokio::test]
async fn a_replaced_tree_that_cannot_be_put_away_is_an_error_until_it_can() {
    let (world, app) = interrupted(RestoreStep::Healthy).await;
    // It went to where *Undo* finds it already: as if it had died a moment earlier, with something in the way.
    let kept = |world: &World| {
        let names = std::fs::read_dir(world.dir.path().join("disk")).unwrap();
        let mut paths = names.map(|e| e.unwrap().path());
        paths.find(|p| p.to_string_lossy().contains("data.before-")).unwrap()
    };
    let before = kept(&world);
    let staged = before.to_string_lossy().replace("data.before-", "data.restore-");
    std::fs::rename(&before, &staged).unwrap();
    std::fs::create_dir(&before).unwrap();
    std::fs::write(before.join("in the way"), "").unwrap();
    let error = world.backups().recover(&app).await.unwrap_err();
    assert!(error.to_string().contains("move into place"), "{error}");
    std::fs::remove_dir_all(&before).unwrap();
    let record = world.backups().recover(&app).await.unwrap().unwrap();
    assert!(record.outcome == RestoreOutcome::Restored && record.can_undo, "{record:?}");
    assert_eq!(app.notes(), ["old"]);
    world.backups().undo(&app, |_| {}).await.unwrap();
    assert_eq!(app.notes(), ["old", "new"]);
}
