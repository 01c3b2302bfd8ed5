//! Against real databases, with a live writer.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use common::{HOUR, LIMIT, Looking, look};
use rusqlite::Connection;
use steady_model::check::Status;
use steady_model::config::{CheckKind, Count, Database, SqliteLimits};

fn kind(path: &Path) -> CheckKind {
    CheckKind::Sqlite { path: path.to_owned(), limits: SqliteLimits { max_wal: 1_000_000, deep: HOUR } }
}

fn wal_database(path: &Path) -> Connection {
    let db = Connection::open(path).unwrap();
    let made = "PRAGMA journal_mode = wal; CREATE TABLE chunks (id INTEGER PRIMARY KEY, text TEXT); \
         INSERT INTO chunks (text) VALUES ('a'), ('b')";
    db.execute_batch(made).unwrap();
    db
}

fn files(path: &Path) -> Vec<(PathBuf, Vec<u8>, SystemTime)> {
    let mut all: Vec<_> = fs::read_dir(path.parent().unwrap()).unwrap().map(|f| f.unwrap().path()).collect();
    all.sort();
    let one = |p: PathBuf| (p.clone(), fs::read(&p).unwrap(), fs::metadata(&p).unwrap().modified().unwrap());
    all.into_iter().map(one).collect()
}

#[tokio::test]
async fn a_hundred_looks_leave_every_byte_and_time_of_a_live_database() {
    let dir = tempfile::tempdir().unwrap();
    for mode in ["wal", "delete"] {
        let path = dir.path().join(mode).join("live.db");
        fs::create_dir(path.parent().unwrap()).unwrap();
        // In another process, as it is: reading the files here would drop the locks of a connection of ours.
        let mut writer = std::process::Command::new("python3")
            .args(["-c", WRITER, path.to_str().unwrap(), mode])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        std::io::BufRead::read_line(
            &mut std::io::BufReader::new(writer.stdout.as_mut().unwrap()),
            &mut ready,
        )
        .unwrap();
        let before = files(&path);
        assert_eq!(before.len(), if mode == "wal" { 3 } else { 1 });
        let mut looking = Looking::at(kind(&path), LIMIT);
        for _ in 0..100 {
            let seen = looking.look().await;
            assert_eq!(seen.status, Status::Pass, "{}", seen.evidence);
            assert!(seen.evidence.contains("1 table,"), "{}", seen.evidence);
        }
        looking.end().await;
        assert!(files(&path) == before, "{mode}: a look changed a file");
        drop(writer.stdin.take());
        assert!(writer.wait().unwrap().success(), "the writer could not go on");
    }
}

const WRITER: &str = "import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute('PRAGMA journal_mode = ' + sys.argv[2])
db.execute('CREATE TABLE t (x)')
db.execute('INSERT INTO t VALUES (1)')
print('ready', flush=True)
sys.stdin.read()
db.execute('INSERT INTO t VALUES (2)')
";

#[tokio::test]
async fn a_closed_database_gets_no_wal_from_being_looked_at() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("closed.db");
    drop(wal_database(&path));
    let before = files(&path);
    assert_eq!(before.len(), 1);
    let seen = look(kind(&path), LIMIT).await;
    assert_eq!(seen.status, Status::Pass, "{}", seen.evidence);
    assert!(seen.evidence.contains("whole"), "{}", seen.evidence);
    assert!(files(&path) == before);
}

#[tokio::test]
async fn a_hot_writer_is_never_kept_waiting() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("hot.db");
    let db = wal_database(&path);
    let (done, commits) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let (over, count) = (Arc::clone(&done), Arc::clone(&commits));
    let writer = std::thread::spawn(move || {
        db.busy_timeout(Duration::ZERO).unwrap();
        while !over.load(Ordering::Relaxed) {
            // Without patience: any lock of a look's would be an error here.
            db.execute("INSERT INTO chunks (text) VALUES (hex(randomblob(200)))", []).unwrap();
            count.fetch_add(1, Ordering::Relaxed);
        }
    });
    let mut looking = Looking::at(kind(&path), LIMIT);
    let (begun, mut looks) = (Instant::now(), 0);
    while looks < 50 || commits.load(Ordering::Relaxed) < 50 {
        assert!(begun.elapsed() < LIMIT, "{looks} looks, {commits:?} commits");
        looks += 1;
        let seen = looking.look().await;
        assert_eq!(seen.status, Status::Pass, "{}", seen.evidence);
    }
    looking.end().await;
    done.store(true, Ordering::Relaxed);
    writer.join().unwrap();
}

#[tokio::test]
async fn missing_foreign_locked_and_empty_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::write(at("text.db"), "not a database, but long enough to be looked at as one. ".repeat(100)).unwrap();
    fs::create_dir(at("dir.db")).unwrap();
    let locked = Connection::open(at("locked.db")).unwrap();
    locked.execute_batch("CREATE TABLE t (x); BEGIN EXCLUSIVE").unwrap();
    // A copy of the file alone, as `cp *.db` makes it: the rows were in the -wal.
    let live = wal_database(&at("live.db"));
    fs::copy(at("live.db"), at("copy.db")).unwrap();
    assert_eq!(fs::metadata(at("copy.db")).unwrap().len(), 4096);
    for (name, status, fact, words) in [
        ("missing.db", Status::Fail, true, "does not exist"),
        ("text.db", Status::Fail, true, "not a database"),
        ("dir.db", Status::Fail, true, "not a file"),
        ("locked.db", Status::Warn, false, "locked by another process"),
        ("copy.db", Status::Warn, false, "may have been in a -wal that is not there any more"),
    ] {
        let seen = look(kind(&at(name)), LIMIT).await;
        assert_eq!((seen.status, seen.fact), (status, fact), "{name}: {}", seen.evidence);
        assert!(seen.evidence.contains(words), "{name}: {}", seen.evidence);
    }
    drop(live);
}

#[tokio::test]
async fn a_database_that_loses_its_tables_fails_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("it.db");
    let db = wal_database(&path);
    let mut looking = Looking::at(kind(&path), LIMIT);
    assert_eq!(looking.look().await.status, Status::Pass);
    db.execute_batch("DROP TABLE chunks").unwrap();
    let seen = looking.look().await;
    assert_eq!((seen.status, seen.fact), (Status::Fail, true), "{}", seen.evidence);
    looking.end().await;
}

#[tokio::test]
async fn a_wal_that_nobody_takes_back_warns_with_its_growth() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("it.db");
    let db = wal_database(&path);
    let mut looking = Looking::at(kind(&path), LIMIT);
    assert_eq!(looking.look().await.status, Status::Pass);
    let reader = Connection::open(&path).unwrap();
    reader.execute_batch("BEGIN; SELECT * FROM chunks").unwrap();
    for _ in 0..30 {
        db.execute("INSERT INTO chunks (text) VALUES (hex(zeroblob(50000)))", []).unwrap();
    }
    let seen = looking.look().await;
    assert_eq!(seen.status, Status::Warn, "{}", seen.evidence);
    assert!(seen.evidence.contains("more than before, beyond 1.0 MB"), "{}", seen.evidence);
    assert!(seen.samples.iter().any(|s| s.metric == "steady_sqlite_wal_bytes" && s.value > 1e6));
    looking.end().await;
}

#[tokio::test]
async fn a_broken_search_index_is_found_by_the_check_of_the_whole() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lexical.db");
    let db = wal_database(&path);
    let made = "CREATE VIRTUAL TABLE f USING fts5(text, content = 'chunks', content_rowid = 'id'); \
         INSERT INTO f(f) VALUES ('rebuild')";
    db.execute_batch(made).unwrap();
    assert_eq!(look(kind(&path), LIMIT).await.status, Status::Pass);
    db.execute_batch("UPDATE f_data SET block = x'00000000ff' WHERE id > 10").unwrap();
    let seen = look(kind(&path), LIMIT).await;
    assert_eq!((seen.status, seen.fact), (Status::Fail, true), "{}", seen.evidence);
    assert!(seen.evidence.contains("damaged"), "{}", seen.evidence);
}

fn count(path: &Path) -> Count {
    Count { database: Database::Sqlite(path.to_owned()), query: "SELECT count(*) FROM chunks".to_owned() }
}

#[tokio::test]
async fn a_count_that_collapses_fails() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("it.db");
    let db = wal_database(&path);
    let mut looking = Looking::at(CheckKind::Count { count: count(&path), collapse: 0.5 }, LIMIT);
    let seen = looking.look().await;
    assert_eq!((seen.status, seen.measure.unwrap().value), (Status::Pass, 2.0));
    db.execute_batch("DELETE FROM chunks").unwrap();
    let seen = looking.look().await;
    assert_eq!((seen.status, seen.evidence.as_str()), (Status::Fail, "counted 0; it was 2"));
    looking.end().await;
}

#[tokio::test]
async fn stores_that_differ_are_told_with_both_numbers_unless_it_passes_within_a_moment() {
    let dir = tempfile::tempdir().unwrap();
    let (left, right) = (dir.path().join("lexical.db"), dir.path().join("chroma.db"));
    let (_left, db) = (wal_database(&left), wal_database(&right));
    let kind = CheckKind::Equality { left: count(&left), right: count(&right), tolerance: 0 };
    assert_eq!(look(kind.clone(), LIMIT).await.status, Status::Pass);
    db.execute_batch("INSERT INTO chunks (text) VALUES ('c')").unwrap();
    let seen = look(kind.clone(), LIMIT).await;
    let told = "lexical 2, chroma 3: differ by 1";
    assert_eq!((seen.status, seen.evidence.as_str()), (Status::Fail, told));
    let begun = Instant::now();
    let looking = tokio::spawn(look(kind, LIMIT));
    tokio::time::sleep(Duration::from_millis(150)).await;
    db.execute_batch("DELETE FROM chunks WHERE text = 'c'").unwrap();
    let seen = looking.await.unwrap();
    assert_eq!(seen.status, Status::Pass, "{} after {:?}", seen.evidence, begun.elapsed());
}
