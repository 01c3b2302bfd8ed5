//! Chroma's folder, taken while it persists.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking and measures in real time"
)]
mod support;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use rusqlite::Connection;
use steady_backup::{BoxFuture, Circumstances, Services};
use steady_model::backup::PointKind;
use support::{World, manifest, take, world};

const INDEX: &str = "chroma/3f2b8c1a-0d4e-4f6a-9b7c-112233445566";

/// A Chroma directory as its program leaves it: `level` is the state of both halves.
fn chroma(data: &Path) -> Connection {
    fs::create_dir_all(data.join(INDEX)).unwrap();
    let db = Connection::open(data.join("chroma/chroma.sqlite3")).unwrap();
    db.execute_batch("PRAGMA journal_mode=delete; PRAGMA synchronous=off; CREATE TABLE max_seq_id(seq INTEGER); INSERT INTO max_seq_id VALUES (0)").unwrap();
    db.busy_timeout(Duration::from_secs(20)).unwrap();
    persist(data, 0, &db);
    db
}

/// The index files one after the other, in place, and then the database: as Chroma persists. It begins by asking
/// the database, so it does not begin while another holds the write lock.
fn persist(data: &Path, level: u64, db: &Connection) {
    db.execute_batch("BEGIN IMMEDIATE; COMMIT").unwrap();
    for name in ["data_level0.bin", "header.bin", "link_lists.bin"] {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(data.join(INDEX).join(name))
            .unwrap();
        for _ in 0..200 {
            file.write_all(&level.to_le_bytes().repeat(200)).unwrap();
        }
    }
    db.execute("UPDATE max_seq_id SET seq = ?1", [i64::try_from(level).unwrap()]).unwrap();
}

/// Every byte of the three index files and the database tell the same level, or the database is one behind it.
fn check_chroma(data: &Path) {
    let db = Connection::open(data.join("chroma/chroma.sqlite3")).unwrap();
    let seq: i64 = db.query_row("SELECT seq FROM max_seq_id", [], |r| r.get(0)).unwrap();
    let mut levels = Vec::new();
    for name in ["data_level0.bin", "header.bin", "link_lists.bin"] {
        let bytes = fs::read(data.join(INDEX).join(name)).unwrap();
        assert_eq!(bytes.len(), 320_000, "{name} is torn");
        levels.extend(bytes.chunks(8).map(|c| u64::from_le_bytes(c.try_into().unwrap())));
    }
    levels.dedup();
    assert_eq!(levels.len(), 1, "the index files are of different moments: {levels:?}");
    let level = i64::try_from(levels[0]).unwrap();
    assert!(seq == level || seq + 1 == level, "the database says {seq}, the index {level}");
}

/// Persists every `pace` until it is dropped.
fn persisting(data: PathBuf, pace: Duration) -> impl Drop {
    struct Stop(Option<std::sync::mpsc::Sender<()>>, Option<std::thread::JoinHandle<u64>>);
    impl Drop for Stop {
        fn drop(&mut self) {
            drop(self.0.take());
            let level = self.1.take().unwrap().join();
            assert!(std::thread::panicking() || level.unwrap() > 3, "nothing was persisted");
        }
    }
    let db = chroma(&data);
    let (stop, told) = channel();
    let thread = std::thread::spawn(move || {
        for level in 1.. {
            persist(&data, level, &db);
            if told.recv_timeout(pace) != Err(RecvTimeoutError::Timeout) {
                return level;
            }
        }
        0
    });
    Stop(Some(stop), Some(thread))
}

#[tokio::test]
async fn chroma_is_taken_whole_while_it_persists_now_and_then() {
    let world = world();
    let _busy = persisting(world.data(), Duration::from_millis(700));
    let backups = world.backups();
    for _ in 0..10 {
        let point = take(&backups).await;
        assert!(point.verified.is_some(), "{:?}", point.missing);
        check_chroma(&world.restic_restore(&point.id));
        let told = manifest(&world, &point.id, "/steady/manifest.json");
        assert_eq!(told["stores"][0]["class"], "chroma");
        assert!(told["files"].as_array().unwrap().iter().all(|f| f["class"] == "index"), "{told}");
    }
}

#[tokio::test]
async fn chroma_that_persists_all_the_time_is_taken_under_its_write_lock() {
    let world = world();
    let _busy = persisting(world.data(), Duration::ZERO);
    let point = take(&world.backups()).await;
    assert!(point.verified.is_some(), "{:?}", point.missing);
    check_chroma(&world.restic_restore(&point.id));
}

/// A program that writes its index whatever a lock says, and ends when it is told.
struct Reckless {
    data: PathBuf,
    writing: std::sync::Mutex<Option<(std::sync::mpsc::Sender<()>, std::thread::JoinHandle<()>)>>,
    stops: bool,
}

impl Reckless {
    fn start(&self) {
        let (stop, told) = channel::<()>();
        // A few bytes in place: a writer of whole files is itself held up, now and then for longer than a copy
        // waits for stillness, when the disk is slow to take what others write.
        let file = OpenOptions::new().write(true).open(self.data.join(INDEX).join("header.bin")).unwrap();
        let thread = std::thread::spawn(move || {
            for level in 0_u64.. {
                file.write_all_at(&level.to_le_bytes(), 0).unwrap();
                if told.recv_timeout(Duration::from_millis(1)) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
            }
        });
        *self.writing.lock().unwrap() = Some((stop, thread));
    }
}

impl Services for Reckless {
    fn stop<'a>(&'a self, names: &'a [String]) -> BoxFuture<'a, Result<(), String>> {
        assert_eq!(names, ["app"]);
        Box::pin(async {
            if !self.stops {
                return Err("app (pid 1) survived SIGKILL".to_owned());
            }
            if let Some((stop, thread)) = self.writing.lock().unwrap().take() {
                drop(stop);
                thread.join().unwrap();
            }
            Ok(())
        })
    }
    fn start_and_wait_healthy<'a>(&'a self, _: &'a [String]) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async {
            if self.writing.lock().unwrap().is_none() {
                self.start();
            }
            Ok(())
        })
    }
}

fn reckless(world: &World, stops: bool) -> std::sync::Arc<Reckless> {
    drop(chroma(&world.data()));
    let app = Reckless { data: world.data(), writing: std::sync::Mutex::default(), stops };
    app.start();
    std::sync::Arc::new(app)
}

#[tokio::test]
async fn files_that_never_stand_still_are_kept_named_and_taken_in_quiet_when_that_is_allowed() {
    let mut world = world();
    let app = reckless(&world, true);
    let services = || Circumstances { notes: Vec::new(), services: Some(app.clone()) };
    let loud = world.backups().take_in(PointKind::Manual, services(), |_| {}).await.unwrap();
    assert_eq!(loud.verified, None, "a copy of different moments was called good");
    assert!(loud.missing[0].contains("backup.quiesce"), "{:?}", loud.missing);
    assert!(app.writing.lock().unwrap().is_some(), "the services were stopped without being allowed to");

    let kept = world.restic(&["ls", &loud.id]);
    assert!(kept.contains("header.bin") && kept.contains("chroma.sqlite3"), "nothing of it was kept: {kept}");

    world.capture.quiesce = true;
    let quiet = world.backups().take_in(PointKind::Manual, services(), |_| {}).await.unwrap();
    assert!(quiet.verified.is_some(), "{:?}", quiet.missing);
    assert!(quiet.notes[0].contains("were stopped while chroma was copied"), "{:?}", quiet.notes);
    assert!(quiet.notes[1].contains("back after"), "{:?}", quiet.notes);
    assert!(app.writing.lock().unwrap().is_some(), "the services were left stopped");
    app.stop(&["app".to_owned()]).await.unwrap();
}

#[tokio::test]
async fn services_that_cannot_be_stopped_for_a_copy_are_told_and_left_running() {
    let mut world = world();
    world.capture.quiesce = true;
    let mut app = reckless(&world, false);
    let services = Circumstances { notes: Vec::new(), services: Some(app.clone()) };
    let point = world.backups().take_in(PointKind::Manual, services, |_| {}).await.unwrap();
    assert_eq!(point.verified, None);
    assert!(point.notes[0].contains("survived SIGKILL"), "{:?}", point.notes);
    assert!(app.writing.lock().unwrap().is_some(), "the services were left stopped");
    std::sync::Arc::get_mut(&mut app).unwrap().stops = true;
    app.stop(&["app".to_owned()]).await.unwrap();
}
