use std::cmp::Reverse;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use steady_model::time::WallTime;

use super::pages::Pages;
use super::pins::Pin;
use super::{Image, Store, now};
use crate::clock::{Stopwatch, back_off};
use crate::error::BackupError;
use crate::inspect;
use crate::manifest::{Omission, RelPath, StoreClass};
use crate::workers;

/// Waiting for the first lock holds nobody up; with one lock held, every further wait holds its writers.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const NEXT_WAIT: Duration = Duration::from_millis(10);
/// After this the database that was busy last is named as missing, and the others are cut without it.
const PATIENCE: Duration = Duration::from_secs(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

/// All databases at one moment between two commits.
pub(crate) struct Cut {
    pub pinned: Vec<Store>,
    /// By header in WAL mode, but not any more.
    pub not_wal: Vec<RelPath>,
    pub failed: Vec<Omission>,
    pub at: WallTime,
    /// How long the writers were held.
    pub held: Duration,
}

struct Pair {
    path: RelPath,
    /// Takes the write lock and never writes.
    lock: Connection,
    /// Keeps the snapshot.
    pin: Connection,
}

/// Takes the write locks of all databases in sorted order, pins a read transaction on each, and lets go.
pub(crate) fn cut(source: &Path, databases: &[RelPath]) -> Result<Cut, BackupError> {
    let mut cut =
        Cut { pinned: Vec::new(), not_wal: Vec::new(), failed: Vec::new(), at: now(), held: Duration::ZERO };
    let mut pairs = Vec::new();
    for path in databases {
        match Pair::open(source, path) {
            Ok(Some(pair)) => pairs.push(pair),
            Ok(None) => cut.not_wal.push(path.clone()),
            Err(e) => cut.failed.push(Omission::new(path.as_path(), inspect::reason(&e))),
        }
    }
    let mut pause = Duration::from_millis(2);
    let mut patience = Stopwatch::start();
    while !pairs.is_empty() {
        match hold_and_pin(&pairs) {
            Ok((at, held)) => {
                (cut.at, cut.held) = (at, held);
                break;
            }
            Err((index, error)) => {
                let busy = matches!(
                    error.sqlite_error_code(),
                    Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
                );
                if busy && patience.elapsed() < PATIENCE {
                    back_off(pause);
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    continue;
                }
                let pair = pairs.remove(index);
                let why = if busy {
                    format!("it stayed locked by a writer for {} s", PATIENCE.as_secs())
                } else {
                    inspect::reason(&error)
                };
                cut.failed.push(Omission::new(pair.path.as_path(), why));
                patience = Stopwatch::start();
            }
        }
    }
    for (path, store) in stores(source, pairs)? {
        match store {
            Ok(store) => cut.pinned.push(store),
            Err(e) => cut.failed.push(Omission::new(path.as_path(), inspect::reason(&e))),
        }
    }
    Ok(cut)
}

type Counted = (RelPath, rusqlite::Result<Store>);

/// Counts the rows of the pinned databases side by side; the largest first, so that no worker is left with it at the
/// end. Comes back in their order.
fn stores(source: &Path, pairs: Vec<Pair>) -> Result<Vec<Counted>, BackupError> {
    let mut pins: Vec<_> = pairs.into_iter().map(|Pair { path, lock: _, pin }| (path, pin)).collect();
    pins.sort_by_cached_key(|(path, _)| Reverse(path.below(source).metadata().map_or(0, |m| m.len())));
    let counted = workers::share(pins, |queue| {
        Ok(queue.map(|(path, pin)| (path.clone(), into_store(source, path, pin))).collect())
    });
    let counted: Vec<Vec<Counted>> = counted.into_iter().collect::<Result<_, _>>()?;
    let mut all: Vec<_> = counted.into_iter().flatten().collect();
    all.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(all)
}

impl Pair {
    /// `None` when the database is not in WAL mode.
    fn open(source: &Path, path: &RelPath) -> rusqlite::Result<Option<Self>> {
        let file = path.below(source);
        let lock = open_quietly(&file)?;
        let mode: String = lock.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
        if mode != "wal" {
            return Ok(None);
        }
        let pin = open_quietly(&file)?;
        // Loads the schema now, so that nothing is left to do under the locks.
        read_something(&pin)?;
        Ok(Some(Self { path: path.clone(), lock, pin }))
    }

    fn pin(&self) -> rusqlite::Result<()> {
        self.pin.execute_batch("BEGIN")?;
        read_something(&self.pin)
    }

    fn let_go(&self) {
        // Not in a transaction is an error that means there is nothing to let go.
        let _ = self.lock.execute_batch("ROLLBACK");
    }
}

fn read_something(db: &Connection) -> rusqlite::Result<()> {
    db.prepare_cached("SELECT count(*) FROM sqlite_schema")?.query_row([], |_| Ok(()))
}

/// A connection that leaves the user's database as it is: it may lock, and neither checkpoints nor writes.
/// It is opened for writing because SQLite gives the write lock to no other.
pub(crate) fn open_quietly(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    db.busy_timeout(Duration::from_secs(2))?;
    db.pragma_update(None, "wal_autocheckpoint", 0)?;
    Ok(db)
}

/// On failure, which one failed; nothing is held then.
fn hold_and_pin(pairs: &[Pair]) -> Result<(WallTime, Duration), (usize, rusqlite::Error)> {
    let undo = |until: usize| {
        for pair in pairs.iter().take(until) {
            let _ = pair.pin.execute_batch("ROLLBACK");
            pair.let_go();
        }
    };
    let mut held = None;
    for (index, pair) in pairs.iter().enumerate() {
        let wait = if index == 0 { FIRST_WAIT } else { NEXT_WAIT };
        let taken = pair.lock.busy_timeout(wait).and_then(|()| pair.lock.execute_batch("BEGIN IMMEDIATE"));
        if let Err(error) = taken {
            undo(index);
            return Err((index, error));
        }
        held.get_or_insert_with(Stopwatch::start);
    }
    let at = now();
    for (index, pair) in pairs.iter().enumerate() {
        if let Err(error) = pair.pin() {
            undo(pairs.len());
            return Err((index, error));
        }
    }
    pairs.iter().for_each(Pair::let_go);
    Ok((at, held.map_or(Duration::ZERO, Stopwatch::elapsed)))
}

fn into_store(source: &Path, path: RelPath, pin: Connection) -> rusqlite::Result<Store> {
    let facts = inspect::facts(&pin, "wal".to_owned())?;
    let count: u32 = pin.pragma_query_value(None, "page_count", |row| row.get(0))?;
    let bytes = u64::from(facts.page_size) * u64::from(count);
    let pin = Arc::new(Pin::new(pin, &path.below(source)));
    let pages = Pages::new(pin, facts.page_size, count);
    Ok(Store { path, bytes, class: StoreClass::Wal, facts, image: Image::Pinned(pages) })
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    const CUTS: usize = 200;

    fn database(path: &Path) -> Connection {
        let db = Connection::open(path).unwrap();
        db.execute_batch(
            "PRAGMA journal_mode=wal; PRAGMA synchronous=off; CREATE TABLE t(n INTEGER); INSERT INTO t VALUES (0)",
        )
        .unwrap();
        db.busy_timeout(Duration::from_secs(5)).unwrap();
        db
    }

    fn number_in(store: Store, scratch: &Path) -> i64 {
        let Image::Pinned(mut pages) = store.image else { panic!("{} was not pinned", store.path) };
        let mut image = Vec::new();
        pages.read_to_end(&mut image).unwrap();
        assert_eq!(image.len() as u64, store.bytes);
        let copy = scratch.join("image");
        std::fs::write(&copy, image).unwrap();
        inspect::open_image(&copy).unwrap().query_row("SELECT n FROM t", [], |r| r.get(0)).unwrap()
    }

    /// Without the locks this fails within a few cuts: a commit falls between two pins.
    #[test]
    fn no_commit_falls_between_two_databases_of_a_cut() {
        let dir = tempfile::tempdir().unwrap();
        let scratch = tempfile::tempdir().unwrap();
        let names = ["a.db", "b.db", "c.db"].map(|n| RelPath::new(Path::new(n)).unwrap());
        let databases: Vec<Connection> = names.iter().map(|n| database(&n.below(dir.path()))).collect();
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        // As fast as it can: one number after the other, to one database after the other.
        let writer = std::thread::spawn(move || {
            let mut numbers = (1_i64..).take_while(|_| !told.load(Ordering::Relaxed));
            numbers.try_for_each(|n| {
                databases[usize::try_from(n % 3).unwrap()].execute("UPDATE t SET n = ?1", [n]).map(drop)
            })
        });
        for _ in 0..CUTS {
            let cut = cut(dir.path(), &names).unwrap();
            assert_eq!(cut.failed, []);
            let mut numbers: Vec<i64> =
                cut.pinned.into_iter().map(|s| number_in(s, scratch.path())).collect();
            numbers.sort_unstable();
            let begun = numbers[0] > 0;
            assert!(!begun || numbers[2] - numbers[0] == 2, "the cut is of different moments: {numbers:?}");
        }
        stop.store(true, Ordering::Relaxed);
        writer.join().unwrap().unwrap();
    }
}
