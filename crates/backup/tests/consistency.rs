//! What a restore point holds while the data is being written.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking and measures in real time"
)]

mod support;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;
use steady_model::backup::PointKind;
use support::{notes, take, wal_database, world};

const DATABASES: [&str; 3] = ["graph.db", "memory.db", "text.db"];

/// Time between two commits: some hundred a second, as a busy program has.
const PACE: Duration = Duration::from_micros(1200);

/// Does its work again and again until it is dropped.
struct Writer {
    stop: Option<Sender<()>>,
    commits: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    fn start(mut commit: impl FnMut(u64) + Send + 'static) -> Self {
        let (stop, told) = std::sync::mpsc::channel();
        let commits = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&commits);
        let thread = std::thread::spawn(move || {
            for number in 1.. {
                commit(number);
                counted.store(number, Ordering::SeqCst);
                if told.recv_timeout(PACE) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
            }
        });
        Self { stop: Some(stop), commits, thread: Some(thread) }
    }

    fn commits(&self) -> u64 {
        self.commits.load(Ordering::SeqCst)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.thread.take().unwrap().join();
        assert!(ended.is_ok() || std::thread::panicking(), "a writer could not write");
    }
}

/// Commits number after number, to one database after the other: of any moment, the numbers of all databases
/// together have no gap, and the money of each is 5000.
fn three_databases(data: &Path) -> Writer {
    let databases: Vec<Connection> = DATABASES.iter().map(|n| wal_database(&data.join(n))).collect();
    for db in &databases {
        db.execute_batch(
            "CREATE TABLE log(number INTEGER PRIMARY KEY, body BLOB);
             CREATE TABLE account(id INTEGER PRIMARY KEY, money INTEGER);
             WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 50)
             INSERT INTO account SELECT x, 100 FROM c;",
        )
        .unwrap();
    }
    Writer::start(move |number| {
        let db = &databases[usize::try_from(number % 3).unwrap()];
        let (from, to) = (number % 50 + 1, (number * 7 + 3) % 50 + 1);
        db.execute_batch(&format!(
            "BEGIN IMMEDIATE;
             INSERT INTO log VALUES ({number}, randomblob(900));
             UPDATE account SET money = money - 7 WHERE id = {from};
             UPDATE account SET money = money + 7 WHERE id = {to};
             COMMIT"
        ))
        .unwrap();
    })
}

/// The last number of the cut; fails when a database is torn or another one is ahead of it.
fn check_cut(data: &Path) -> u64 {
    let mut last = Vec::new();
    let mut count = 0;
    for name in DATABASES {
        assert!(!data.join(format!("{name}-wal")).exists(), "a sidecar came along");
        let db = Connection::open(data.join(name)).unwrap();
        let integrity: String = db.query_row("PRAGMA integrity_check", [], |r| r.get(0)).unwrap();
        assert_eq!(integrity, "ok");
        let money: i64 = db.query_row("SELECT sum(money) FROM account", [], |r| r.get(0)).unwrap();
        assert_eq!(money, 5000, "half a transaction is in {name}");
        let (numbers, max): (u64, u64) = db
            .query_row("SELECT count(*), coalesce(max(number), 0) FROM log", [], |r| {
                Ok((r.get::<_, i64>(0)?.unsigned_abs(), r.get::<_, i64>(1)?.unsigned_abs()))
            })
            .unwrap();
        count += numbers;
        last.push(max);
    }
    let newest = *last.iter().max().unwrap();
    assert_eq!(count, newest, "the databases are of different moments: {last:?}");
    newest
}

#[tokio::test]
async fn every_point_taken_under_load_is_one_moment_of_all_databases() {
    const POINTS: usize = 12;
    let world = world();
    let writer = three_databases(&world.data());
    let backups = world.backups();
    let clock = std::time::Instant::now();
    let mut points = Vec::new();
    for _ in 0..POINTS {
        let before = writer.commits();
        let point = take(&backups).await;
        assert!(point.verified.is_some(), "{:?}", point.missing);
        points.push((before, point, writer.commits()));
    }
    let took = clock.elapsed();
    let rate = u128::from(writer.commits()) * 1000 / took.as_millis();
    drop(writer);
    eprintln!("{POINTS} points in {took:?} at {rate} commits/s");
    assert!(rate > 100, "the load was no load: {rate} commits/s");
    for (before, point, after) in points {
        let newest = check_cut(&world.restic_restore(&point.id));
        assert!(
            (before..=after).contains(&newest),
            "the point is not of its time: {before} {newest} {after}"
        );
        let told: u64 =
            point.stores.iter().flat_map(|s| &s.rows).filter(|r| r.table == "log").map(|r| r.rows).sum();
        assert_eq!(told, newest, "the catalogue shows other rows than the point has");
    }
}

#[tokio::test]
async fn a_commit_that_touched_only_the_wal_is_in_the_point_and_the_database_is_left_as_it_was() {
    let world = world();
    let path = world.data().join("notes.db");
    let db = wal_database(&path);
    db.execute_batch(
        "PRAGMA wal_autocheckpoint=0; CREATE TABLE notes(text); PRAGMA wal_checkpoint(TRUNCATE)",
    )
    .unwrap();
    let backups = world.backups();
    take(&backups).await;
    let main_file = || std::fs::metadata(&path).map(|m| (m.modified().unwrap(), m.len())).unwrap();
    let wal_file = || std::fs::read(world.data().join("notes.db-wal")).unwrap();
    let before = main_file();
    db.execute("INSERT INTO notes VALUES ('only in the wal')", []).unwrap();
    assert_eq!(main_file(), before, "the test is void: the commit reached the main file");
    let wal = wal_file();
    let point = take(&backups).await;
    assert_eq!((main_file(), wal_file()), (before, wal), "the backup wrote to a user's database");
    let copy = Connection::open(world.restic_restore(&point.id).join("notes.db")).unwrap();
    assert_eq!(notes(&copy), ["only in the wal"]);
    // The writer's locks and snapshot still stand.
    db.execute("INSERT INTO notes VALUES ('later')", []).unwrap();
    assert_eq!(notes(&db).len(), 2);
}

#[tokio::test]
async fn a_database_in_another_journal_mode_is_taken_while_it_is_written() {
    let world = world();
    let path = world.data().join("chroma.sqlite3");
    let db = Connection::open(&path).unwrap();
    db.execute_batch(
        "PRAGMA journal_mode=delete; PRAGMA synchronous=off; CREATE TABLE a(x); CREATE TABLE b(x)",
    )
    .unwrap();
    db.busy_timeout(Duration::from_secs(5)).unwrap();
    let writer = Writer::start(move |_| {
        db.execute_batch("BEGIN; INSERT INTO a VALUES (randomblob(500)); INSERT INTO b VALUES (1); COMMIT")
            .unwrap();
    });
    let backups = world.backups();
    for _ in 0..4 {
        let point = take(&backups).await;
        assert!(point.verified.is_some(), "{:?}", point.missing);
        let rows: Vec<u64> = point.stores[0].rows.iter().map(|r| r.rows).collect();
        assert_eq!(rows[0], rows[1], "half a transaction is in it");
    }
    assert!(writer.commits() > 100, "the load was no load");
}

#[tokio::test]
async fn a_database_locked_for_a_moment_is_waited_for() {
    let world = world();
    let db = wal_database(&world.data().join("notes.db"));
    db.execute_batch(
        "CREATE TABLE notes(text); BEGIN IMMEDIATE; INSERT INTO notes VALUES ('long transaction')",
    )
    .unwrap();
    let backups = world.backups();
    let (send, wait) = std::sync::mpsc::channel::<()>();
    let writer = std::thread::spawn(move || {
        wait.recv_timeout(Duration::from_millis(1500)).unwrap_err();
        db.execute_batch("COMMIT").unwrap();
        db
    });
    let point = take(&backups).await;
    drop(send);
    drop(writer.join().unwrap());
    assert!(point.verified.is_some(), "{:?}", point.missing);
    assert_eq!(point.stores[0].rows[0].rows, 1);
}

#[tokio::test]
async fn search_tables_are_verified_and_only_a_persons_tables_are_counted() {
    let world = world();
    let db = wal_database(&world.data().join("text.db"));
    db.execute_batch(
        "CREATE TABLE \"my \"\"notes\"(text); INSERT INTO \"my \"\"notes\" VALUES ('a'), ('b');
         CREATE VIRTUAL TABLE search USING fts5(text); INSERT INTO search VALUES ('a'), ('b'), ('c');",
    )
    .unwrap();
    let point = world.backups().take(PointKind::Scheduled, |_| {}).await.unwrap();
    let rows: Vec<(&str, u64)> = point.stores[0].rows.iter().map(|r| (r.table.as_str(), r.rows)).collect();
    assert_eq!(rows, [("my \"notes", 2), ("search", 3)]);
    assert_eq!(point.stores[0].integrity, "ok");
}
