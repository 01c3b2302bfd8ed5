//! A restore and its undo on a real data directory, and a crash at each moment of them.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking and measures in real time"
)]

mod support;

use std::sync::Arc;

use steady_backup::{BackupError, FailPoint, Moment};
use steady_model::backup::{PointKind, RestoreOutcome, RestoreStep};
use support::{App, World, take, world};

/// A point with the note `old`, and the note `new` after it.
async fn old_and_new() -> (World, App, String) {
    let world = world();
    let app = App::started(&world.data());
    app.add("old");
    world.write("vault/note.md", "old");
    world.write(".sync_completed", "before the point");
    let id = take(&world.backups()).await.id;
    app.add("new");
    world.write("vault/note.md", "new");
    world.write("vault/only-now.md", "new");
    world.write(".sync_completed", "after the point");
    (world, app, id)
}

fn is_old(world: &World, app: &App) -> bool {
    let old = app.notes() == ["old"];
    assert_eq!(world.read("vault/note.md"), if old { "old" } else { "new" }, "the data is of two states");
    assert_eq!(world.data().join("vault/only-now.md").exists(), !old, "the data is of two states");
    assert_eq!(world.read(".sync_completed"), "after the point", "the sync state was lost");
    if !old {
        assert_eq!(app.notes(), ["old", "new"]);
    }
    old
}

#[tokio::test]
async fn a_restore_brings_back_the_old_data_and_undo_the_new() {
    let (world, app, id) = old_and_new().await;
    let backups = world.backups();
    let record = backups.restore(&id, &app, |_| {}).await.unwrap();
    assert_eq!(record.outcome, RestoreOutcome::Restored);
    assert!(record.can_undo && app.is_running());
    assert!(is_old(&world, &app));
    assert_eq!(backups.last_restore().unwrap(), Some(record.clone()));
    let safety = &backups.catalogue().unwrap()[0];
    assert_eq!(safety.kind, PointKind::Safety);
    assert!(safety.verified.is_some());

    app.add("written after the restore");
    let undone = backups.undo(&app, |_| {}).await.unwrap();
    assert!(!undone.can_undo);
    assert!(!is_old(&world, &app));
    assert!(matches!(backups.undo(&app, |_| {}).await, Err(BackupError::NothingToUndo { .. })));

    // The tree that was undone stays until the next restore, and no longer.
    assert_eq!(world.beside(), [format!("data.undone-{}", record.id)]);
    let next = backups.restore(&id, &app, |_| {}).await.unwrap();
    assert_eq!(world.beside(), [format!("data.before-{}", next.id)]);
}

#[tokio::test]
async fn a_restored_state_that_does_not_become_healthy_is_rolled_back() {
    let world = world();
    let app = App::started(&world.data());
    app.add("from a newer program");
    app.set_schema(9);
    let backups = world.backups();
    let id = take(&backups).await.id;
    app.set_schema(1);
    app.add("today");
    let record = backups.restore(&id, &app, |_| {}).await.unwrap();
    match &record.outcome {
        RestoreOutcome::RolledBack { why } => assert!(why.contains("schema 9 is newer"), "{why}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(app.notes(), ["from a newer program", "today"]);
    assert!(world.beside().is_empty(), "{:?}", world.beside());
    assert_eq!(backups.recover(&app).await.unwrap(), None, "a restore that ended is tried again");
}

#[tokio::test]
async fn services_that_cannot_be_stopped_keep_their_data() {
    let (world, mut app, id) = old_and_new().await;
    app.stops = false;
    let record = world.backups().restore(&id, &app, |_| {}).await.unwrap();
    match &record.outcome {
        RestoreOutcome::RolledBack { why } => assert!(why.contains("survived SIGKILL"), "{why}"),
        other => panic!("{other:?}"),
    }
    assert!(!is_old(&world, &app));
    assert!(world.beside().is_empty(), "{:?}", world.beside());
}

#[tokio::test]
async fn an_unknown_point_is_an_error_and_touches_nothing() {
    let (world, app, _) = old_and_new().await;
    let error = world.backups().restore("ffffffff", &app, |_| {}).await.unwrap_err();
    assert!(matches!(error, BackupError::NoSuchPoint { .. }), "{error}");
    assert!(!is_old(&world, &app));
}

fn dies_at(moment: Moment) -> FailPoint {
    Arc::new(move |now| now == moment)
}

/// Ends a restore at the beginning and at the end of `step`, as a killed agent would, and starts the next agent.
async fn crash_during_restore(step: RestoreStep) {
    let (world, app, id) = old_and_new().await;
    for moment in [Moment::Begun(step), Moment::Ended(step)] {
        let error =
            world.backups().with_fail_point(dies_at(moment)).restore(&id, &app, |_| {}).await.unwrap_err();
        assert!(matches!(error, BackupError::Interrupted { .. }), "{moment:?}: {error}");
        let backups = world.backups();
        assert!(
            matches!(backups.restore(&id, &app, |_| {}).await, Err(BackupError::Unfinished)),
            "{moment:?}"
        );

        let record = backups.recover(&app).await.unwrap().unwrap();
        assert!(app.is_running(), "{moment:?}: the services were left stopped");
        let restored = is_old(&world, &app);
        assert_eq!(record.outcome == RestoreOutcome::Restored, restored, "{moment:?}: {:?}", record.outcome);
        let exchanged = step > RestoreStep::Swapped || moment == Moment::Ended(RestoreStep::Swapped);
        assert_eq!(restored, exchanged, "{moment:?}: {:?}", record.outcome);
        assert_eq!(backups.recover(&app).await.unwrap(), None, "{moment:?}: it is recovered again and again");
        if restored {
            assert!(record.can_undo, "{moment:?}");
            backups.undo(&app, |_| {}).await.unwrap();
            assert!(!is_old(&world, &app), "{moment:?}: the new state was lost");
        }
        assert!(
            world.beside().iter().all(|n| n.starts_with("data.undone-")),
            "{moment:?}: {:?}",
            world.beside()
        );
    }
}

async fn crash_during_undo(step: RestoreStep) {
    let (world, app, id) = old_and_new().await;
    for moment in [Moment::Begun(step), Moment::Ended(step)] {
        world.backups().restore(&id, &app, |_| {}).await.unwrap();
        assert!(is_old(&world, &app));
        let error = world.backups().with_fail_point(dies_at(moment)).undo(&app, |_| {}).await.unwrap_err();
        assert!(matches!(error, BackupError::Interrupted { .. }), "{moment:?}: {error}");

        let backups = world.backups();
        let record = backups.recover(&app).await.unwrap().unwrap();
        assert!(app.is_running(), "{moment:?}: the services were left stopped");
        assert_eq!(record.can_undo, is_old(&world, &app), "{moment:?}: {record:?}");
        if record.can_undo {
            backups.undo(&app, |_| {}).await.unwrap();
        }
        assert!(!is_old(&world, &app), "{moment:?}: the new state was lost");
    }
}

/// One test for each step: each takes its own time.
macro_rules! crashes {
    ($($name:ident: $during:ident $step:ident,)*) => {
        $(#[tokio::test]
        async fn $name() {
            $during(RestoreStep::$step).await;
        })*
    };
}

crashes! {
    a_crash_at_the_plan_leaves_the_data_whole: crash_during_restore Planned,
    a_crash_at_the_safety_point_leaves_the_data_whole: crash_during_restore SafetyPoint,
    a_crash_while_staging_leaves_the_data_whole: crash_during_restore Staged,
    a_crash_while_verifying_leaves_the_data_whole: crash_during_restore Verified,
    a_crash_while_stopping_leaves_the_data_whole_and_served: crash_during_restore Stopped,
    a_crash_at_the_exchange_leaves_one_whole_state: crash_during_restore Swapped,
    a_crash_while_starting_ends_restored: crash_during_restore Started,
    a_crash_at_the_end_of_a_restore_ends_restored: crash_during_restore Healthy,
    a_crash_while_stopping_for_an_undo_loses_neither_state: crash_during_undo Stopped,
    a_crash_at_the_exchange_of_an_undo_loses_neither_state: crash_during_undo Swapped,
    a_crash_while_starting_after_an_undo_loses_neither_state: crash_during_undo Started,
    a_crash_at_the_end_of_an_undo_loses_neither_state: crash_during_undo Healthy,
}

#[tokio::test]
async fn a_recovery_that_crashes_too_goes_back_and_never_loops() {
    let (world, app, id) = old_and_new().await;
    let swapped = Moment::Ended(RestoreStep::Swapped);
    world.backups().with_fail_point(dies_at(swapped)).restore(&id, &app, |_| {}).await.unwrap_err();
    let again = Moment::Begun(RestoreStep::Started);
    world.backups().with_fail_point(dies_at(again)).recover(&app).await.unwrap_err();
    let record = world.backups().recover(&app).await.unwrap().unwrap();
    assert!(matches!(record.outcome, RestoreOutcome::RolledBack { .. }), "{:?}", record.outcome);
    assert!(!is_old(&world, &app));
    assert!(world.beside().is_empty(), "{:?}", world.beside());
}
