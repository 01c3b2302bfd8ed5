//! Operations that are cancelled, dropped or killed at several moments: nothing of them runs on, and the next one
//! succeeds at once.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking and measures in real time"
)]

mod support;

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use steady_backup::{
    BackupError, Backups, BoxFuture, Cancel, Circumstances, EngineCommand, Progress, Services,
};
use steady_model::backup::{PointKind, RestoreOutcome};
use steady_model::config::{Keep, PostgresDump, PostgresServer};
use support::copies::{disk, noise, restic};
use support::{App, World, take, world};
use tokio::sync::Notify;

/// Enough that copying and reading back take a while.
const BYTES: usize = 48 << 20;

/// Backups whose engines can be told from all others by `mark`.
fn marked(world: &World) -> (Backups, String) {
    let mark = format!("--mark={}", world.dir.path().display());
    let program = env!("CARGO_BIN_EXE_steady-engine").into();
    let engine = EngineCommand { program, args: vec![mark.clone().into()] };
    (Backups::open(&world.home(), &world.config(), engine).unwrap(), mark)
}

/// Living processes with this in their command line.
fn running(mark: &str) -> Vec<u32> {
    let out = Command::new("ps").args(["-A", "-ww", "-o", "pid=,stat=,command="]).output().unwrap();
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let lines = text.lines().filter(|line| line.contains(mark));
    let fields = lines.map(|line| line.split_whitespace().take(2).collect::<Vec<_>>());
    fields.filter(|f| !f[1].starts_with('Z')).map(|f| f[0].parse().unwrap()).collect()
}

fn full() -> World {
    let world = world();
    let noise =
        (0..BYTES / 8).flat_map(|n: usize| (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
    std::fs::write(world.data().join("noise.bin"), noise.collect::<Vec<u8>>()).unwrap();
    world
}

fn names(folder: &std::path::Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Asks for the end as soon as the work says that it is in `phase`.
fn ask_in(phase: &'static str, cancel: &Cancel) -> impl Fn(Progress) + Send + Sync + use<> {
    let cancel = cancel.clone();
    move |p| {
        if p.phase == phase {
            cancel.ask();
        }
    }
}

async fn cancelled_in(phase: &'static str, backups: &Backups) -> Result<(), BackupError> {
    let cancel = Cancel::default();
    cancel.over(backups.take(PointKind::Manual, ask_in(phase, &cancel))).await.map(drop)
}

#[tokio::test]
async fn a_backup_that_is_cancelled_at_any_moment_leaves_nothing_and_the_next_one_succeeds_at_once() {
    let world = full();
    let app = App::started(&world.data());
    app.add("kept");
    let (backups, mark) = marked(&world);
    let moments = [
        ("opening the repository", 0),
        ("taking a common cut of the databases", 0),
        ("copying the data", 0),
        // What was taken stays; it is not verified.
        ("reading the restore point back", 1),
    ];
    for (phase, points) in moments {
        let known = backups.catalogue().unwrap().len();
        let error = cancelled_in(phase, &backups).await.unwrap_err();
        assert!(matches!(error, BackupError::Cancelled), "{phase}: {error}");
        assert!(running(&mark).is_empty(), "{phase}: an engine runs on");
        let after = backups.catalogue().unwrap();
        assert_eq!(after.len(), known + points, "{phase}");
        assert!(points == 0 || after[0].verified.is_none(), "{phase}: it was not read back");
        let point = take(&backups).await;
        assert!(point.verified.is_some(), "{phase}: {:?}", point.missing);
        std::fs::write(world.data().join("noise.bin"), vec![7; BYTES]).unwrap();
        std::fs::write(world.data().join("more.bin"), phase.repeat(1 << 20)).unwrap();
    }
    assert!(world.restic(&["check", "--read-data"]).contains("no errors were found"));
    assert_eq!(app.notes(), ["kept"], "a live database was touched");
}

#[tokio::test]
async fn what_the_engine_started_is_killed_with_it_also_when_it_does_not_listen() {
    let mut world = full();
    // An ignored TERM stays ignored by the program that follows.
    let mark = format!("{}", 30_000 + std::process::id() % 10_000);
    let script = format!("trap '' TERM; exec sleep {mark}");
    let url = "postgres://ada@127.0.0.1:1/pkg".to_owned();
    let program = vec!["sh".to_owned(), "-c".to_owned(), script];
    let server = PostgresServer { url, password: None };
    world.capture.postgres = [("pkg".to_owned(), PostgresDump { drill: None, server, program })].into();
    let (backups, engines) = marked(&world);
    let (cancel, dump) = (Cancel::default(), format!("sleep {mark}"));
    let asking = async {
        let began = Instant::now();
        while running(&dump).is_empty() {
            assert!(began.elapsed() < Duration::from_secs(30), "the dump never began");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        cancel.ask();
    };
    let (ended, ()) = tokio::join!(cancel.over(backups.take(PointKind::Manual, |_| {})), asking);
    assert!(matches!(ended, Err(BackupError::Cancelled)), "{ended:?}");
    assert!(running(&engines).is_empty() && running(&dump).is_empty());
}

#[tokio::test]
async fn an_engine_that_nobody_waits_for_any_more_keeps_no_other_from_its_work() {
    let world = full();
    let (backups, mark) = marked(&world);
    take(&backups).await;
    for phase in ["opening the repository", "reading the restore point back"] {
        let reached = Arc::new(Notify::new());
        let task = tokio::spawn({
            let (backups, reached) = (backups.clone(), reached.clone());
            async move {
                let seen = move |p: Progress| {
                    if p.phase == phase {
                        reached.notify_one();
                    }
                };
                backups.take(PointKind::Manual, seen).await
            }
        });
        reached.notified().await;
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        let point = take(&backups).await;
        assert!(point.verified.is_some(), "{phase}: {:?}", point.missing);
        assert!(running(&mark).is_empty(), "{phase}: an engine runs on");
    }
}

#[tokio::test]
async fn an_engine_that_is_killed_in_the_middle_costs_nothing_but_time() {
    let world = full();
    let (backups, mark) = marked(&world);
    take(&backups).await;
    for phase in
        ["taking a common cut of the databases", "copying the data", "reading the restore point back"]
    {
        std::fs::write(world.data().join("more.bin"), phase.repeat(1 << 20)).unwrap();
        let (killed, engines) = (Arc::new(AtomicBool::new(false)), mark.clone());
        let kill = move |p: Progress| {
            if p.phase == phase && !killed.swap(true, Ordering::SeqCst) {
                for pid in running(&engines) {
                    assert!(Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
                }
            }
        };
        let error = backups.take(PointKind::Manual, kill).await.unwrap_err();
        assert!(matches!(error, BackupError::EngineDied { .. }), "{phase}: {error}");
        let point = take(&backups).await;
        assert!(point.verified.is_some(), "{phase}: {:?}", point.missing);
        assert!(world.restic(&["check", "--read-data"]).contains("no errors were found"), "{phase}");
    }
}

#[tokio::test]
async fn a_restore_can_be_cancelled_until_the_services_are_stopped_and_not_after() {
    let world = full();
    let app = App::started(&world.data());
    app.add("old");
    let (backups, mark) = marked(&world);
    let id = take(&backups).await.id;
    app.add("new");
    // The safety point's, the staging's and the check's.
    for phase in ["copying the data", "writing the restored data", "checking the restored data"] {
        let cancel = Cancel::default();
        let ended = cancel.over(backups.restore(&id, &app, ask_in(phase, &cancel))).await;
        assert!(matches!(ended, Err(BackupError::Cancelled)), "{phase}: {ended:?}");
        assert!(app.is_running() && running(&mark).is_empty(), "{phase}");
        assert_eq!(app.notes(), ["old", "new"], "{phase}");
        assert!(world.beside().is_empty(), "{phase}: {:?}", world.beside());
        assert_eq!(backups.last_restore().unwrap(), None, "{phase}");
    }
    let (cancel, late) = (Cancel::default(), Arc::new(AtomicBool::new(false)));
    let ask = {
        let (cancel, late) = (cancel.clone(), late.clone());
        move |p: Progress| {
            if p.phase == "stopping what writes to the data" {
                late.store(!cancel.ask(), Ordering::SeqCst);
            }
        }
    };
    let record = cancel.over(backups.restore(&id, &app, ask)).await.unwrap();
    assert!(late.load(Ordering::SeqCst), "it was not told that it is too late");
    assert_eq!((record.outcome, app.notes()), (RestoreOutcome::Restored, vec!["old".to_owned()]));
}

#[tokio::test]
async fn a_restore_to_another_place_that_is_cancelled_leaves_nothing_there() {
    let world = full();
    let (backups, mark) = marked(&world);
    let id = take(&backups).await.id;
    let to = world.dir.path().join("rescued");
    let before = names(world.dir.path());
    for phase in ["opening the repository", "writing the restored data", "checking the restored data"] {
        let cancel = Cancel::default();
        let ended = cancel.over(backups.restore_to(&id, &to, &[], ask_in(phase, &cancel))).await;
        assert!(matches!(ended, Err(BackupError::Cancelled)), "{phase}: {ended:?}");
        assert!(running(&mark).is_empty(), "{phase}: an engine runs on");
        assert_eq!(names(world.dir.path()), before, "{phase}: half a restore stays");
    }
    backups.restore_to(&id, &to, &[], |_| {}).await.unwrap();
    assert_eq!(std::fs::metadata(to.join("noise.bin")).unwrap().len(), BYTES as u64);
}

#[tokio::test]
async fn a_copy_that_is_cancelled_counts_for_nothing_and_the_next_one_succeeds_at_once() {
    let world = full();
    std::fs::write(world.data().join("noise.bin"), noise(BYTES)).unwrap();
    let (backups, mark) = marked(&world);
    let point = take(&backups).await;
    let (copy, at) = disk(&world);
    backups.init_copy(&copy).await.unwrap();
    let listed = || std::fs::read_dir(at.join("snapshots")).map_or(0, Iterator::count);
    for phase in ["copying a restore point", "proving that all of it arrived"] {
        let cancel = Cancel::default();
        let ended = cancel.over(backups.copy(&copy, &point, ask_in(phase, &cancel))).await;
        assert!(matches!(ended, Err(BackupError::Cancelled)), "{phase}: {ended:?}");
        // The engine, and the rclone of this very configuration.
        let rclone = format!("{}", world.dir.path().join("rclone.conf").display());
        assert!(running(&mark).is_empty() && running(&rclone).is_empty(), "{phase}: something runs on");
        let known = backups.copied(&copy).unwrap().unwrap();
        assert!(known.copied.is_empty(), "{phase}: half a copy counts");
        assert!(phase != "copying a restore point" || listed() == 0, "half a point is listed there");
    }
    backups.copy(&copy, &point, |_| {}).await.unwrap();
    assert!(backups.uncopied(&copy).unwrap().is_empty());
    assert_eq!(listed(), 1, "what was cancelled late was sent again");
    assert!(restic(&world, &at, &["check", "--read-data"]).contains("no errors were found"));
}

#[tokio::test]
async fn a_removal_that_is_cancelled_loses_no_point_that_stays_and_is_no_failure() {
    let mut world = full();
    world.keep = Keep { last: 1, hourly: 0, daily: 0, weekly: 0, monthly: 0, ..world.keep };
    let (backups, mark) = marked(&world);
    take(&backups).await;
    std::fs::remove_file(world.data().join("noise.bin")).unwrap();
    world.write("note.md", "kept");
    let newest = take(&backups).await;
    let cancel = Cancel::default();
    let ended = cancel.over(backups.prune(ask_in("opening the repository", &cancel))).await;
    assert!(matches!(ended, Err(BackupError::Cancelled)), "{ended:?}");
    assert!(running(&mark).is_empty());
    assert_eq!(backups.last_prune().unwrap(), None, "it was noted as a failure");
    assert!(backups.catalogue().unwrap().iter().any(|p| p.id == newest.id));
    let record = backups.prune(|_| {}).await.unwrap();
    assert_eq!((record.failed, backups.catalogue().unwrap().len()), (None, 1));
    assert!(world.restic(&["check", "--read-data"]).contains("no errors were found"));
}

/// Services of which a stop is the moment to cancel.
struct Stopping {
    cancel: Cancel,
    down: AtomicBool,
}

impl Services for Stopping {
    fn stop<'a>(&'a self, _: &'a [String]) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async {
            self.down.store(true, Ordering::SeqCst);
            self.cancel.ask();
            Ok(())
        })
    }

    fn start_and_wait_healthy<'a>(&'a self, _: &'a [String]) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async {
            self.down.store(false, Ordering::SeqCst);
            Ok(())
        })
    }
}

#[tokio::test]
async fn services_that_were_stopped_for_a_copy_are_back_when_a_cancelled_backup_has_ended() {
    let mut world = world();
    world.capture.quiesce = true;
    let chroma = world.data().join("chroma");
    let index = chroma.join("3f2b8c1a-0d4e-4f6a-9b7c-112233445566");
    std::fs::create_dir_all(&index).unwrap();
    let db = rusqlite::Connection::open(chroma.join("chroma.sqlite3")).unwrap();
    db.execute_batch("CREATE TABLE t(n)").unwrap();
    drop(db);
    // It never stands still, whatever lock is held.
    let (stop, told) = std::sync::mpsc::channel::<()>();
    let writer = std::thread::spawn(move || {
        // Held up by the load of other tests it would seem to stand still. For root alone.
        let _ = rustix::process::nice(-15);
        let mut n = 0_u64;
        while told.recv_timeout(Duration::from_millis(1)) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            n += 1;
            std::fs::write(index.join("header.bin"), n.to_le_bytes()).unwrap();
        }
    });
    let cancel = Cancel::default();
    let services = Arc::new(Stopping { cancel: cancel.clone(), down: AtomicBool::new(false) });
    let moment = Circumstances { notes: Vec::new(), services: Some(services.clone()) };
    let (backups, mark) = marked(&world);
    let ended = cancel.over(backups.take_in(PointKind::Manual, moment, |_| {})).await;
    assert!(matches!(ended, Err(BackupError::Cancelled)), "{ended:?}");
    assert!(cancel.is_asked(), "they were never stopped");
    assert!(!services.down.load(Ordering::SeqCst), "they were left stopped");
    assert!(running(&mark).is_empty());
    drop(stop);
    writer.join().unwrap();
}
