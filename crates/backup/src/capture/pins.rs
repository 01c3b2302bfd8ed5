use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use rusqlite::Connection;

/// Looked at again after so many bytes of any file.
const BETWEEN_LOOKS: u64 = 8 << 20;
/// The part of the free room that the `-wal` files may take while they cannot be reset.
const PART: u64 = 4;

/// A read transaction that keeps one state of a database, until its last reader is done or it is let go.
pub(crate) struct Pin {
    state: Mutex<State>,
    /// Only ever looked at by name: to open and close it would drop SQLite's locks.
    wal: PathBuf,
    /// The size of the `-wal` when the transaction began.
    began: u64,
}

enum State {
    Held(Connection),
    LetGo(String),
}

impl Pin {
    pub(crate) fn new(connection: Connection, database: &Path) -> Self {
        let mut wal = database.as_os_str().to_owned();
        wal.push("-wal");
        let wal = PathBuf::from(wal);
        let began = size(&wal);
        Self { state: Mutex::new(State::Held(connection)), wal, began }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn read<T>(&self, ask: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> io::Result<T> {
        match &*self.lock() {
            State::Held(connection) => ask(connection).map_err(io::Error::other),
            State::LetGo(why) => Err(io::Error::other(why.clone())),
        }
    }

    fn grown(&self) -> u64 {
        size(&self.wal).saturating_sub(self.began)
    }

    fn let_go(&self, why: String) {
        *self.lock() = State::LetGo(why);
    }
}

fn size(path: &Path) -> u64 {
    std::fs::symlink_metadata(path).map_or(0, |m| m.len())
}

/// Lets pinned databases go before their `-wal` files, which cannot be reset meanwhile, fill the disk.
pub(crate) struct Watch {
    pins: Vec<Weak<Pin>>,
    volume: PathBuf,
    free: fn(&Path) -> Option<u64>,
    read: AtomicU64,
}

impl Watch {
    pub(crate) fn new(volume: &Path, pins: &[Arc<Pin>]) -> Self {
        Self::with(volume, pins, free)
    }

    fn with(volume: &Path, pins: &[Arc<Pin>], free: fn(&Path) -> Option<u64>) -> Self {
        let pins = pins.iter().map(Arc::downgrade).collect();
        Self { pins, volume: volume.to_owned(), free, read: AtomicU64::new(0) }
    }

    /// Some bytes of any file were read.
    pub(crate) fn advance(&self, bytes: u64) {
        let before = self.read.fetch_add(bytes, Ordering::Relaxed);
        if before / BETWEEN_LOOKS != (before + bytes) / BETWEEN_LOOKS {
            self.look();
        }
    }

    fn look(&self) {
        let Some(free) = (self.free)(&self.volume) else { return };
        let mut pins: Vec<(u64, Arc<Pin>)> =
            self.pins.iter().filter_map(Weak::upgrade).map(|pin| (pin.grown(), pin)).collect();
        pins.sort_by_key(|(grown, _)| *grown);
        while let Some((grown, pin)) = pins.pop() {
            let all = grown + pins.iter().map(|(grown, _)| grown).sum::<u64>();
            if grown == 0 || all <= free / PART {
                return;
            }
            pin.let_go(format!(
                "its -wal grew by {grown} bytes while it was read and {free} bytes are free: to read on could fill \
                 the disk; free some room, or back up while less is written"
            ));
        }
    }
}

fn free(volume: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(volume).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pinned(path: &Path) -> (Connection, Arc<Pin>) {
        let writer = Connection::open(path).unwrap();
        writer
            .execute_batch("PRAGMA journal_mode=wal; PRAGMA wal_autocheckpoint=0; CREATE TABLE t(x)")
            .unwrap();
        let reader = Connection::open(path).unwrap();
        reader.execute_batch("BEGIN; SELECT count(*) FROM t").unwrap();
        (writer, Arc::new(Pin::new(reader, path)))
    }

    fn write(db: &Connection, bytes: u32) {
        db.execute("INSERT INTO t VALUES (randomblob(?1))", [bytes]).unwrap();
    }

    fn count(pin: &Pin) -> io::Result<i64> {
        pin.read(|db| db.query_row("SELECT count(*) FROM t", [], |row| row.get(0)))
    }

    /// Without this a long backup of a busy database fills the disk of the very program it protects.
    #[test]
    fn a_pin_whose_wal_grew_over_a_quarter_of_the_free_room_is_let_go_and_the_wal_can_be_reset() {
        let dir = tempfile::tempdir().unwrap();
        let (busy, quiet) = (dir.path().join("busy.db"), dir.path().join("quiet.db"));
        let ((busy_writer, busy_pin), (quiet_writer, quiet_pin)) = (pinned(&busy), pinned(&quiet));
        let watch =
            Watch::with(dir.path(), &[Arc::clone(&busy_pin), Arc::clone(&quiet_pin)], |_| Some(400_000));
        write(&busy_writer, 50_000);
        write(&quiet_writer, 5_000);
        watch.advance(BETWEEN_LOOKS);
        assert_eq!((count(&busy_pin).unwrap(), count(&quiet_pin).unwrap()), (0, 0), "let go too early");
        let checkpoint = |db: &Connection| {
            db.query_row("PRAGMA wal_checkpoint(RESTART)", [], |row| row.get::<_, i64>(0)).unwrap()
        };
        assert_eq!(checkpoint(&busy_writer), 1, "the test is void: the pin does not hold the -wal");

        write(&busy_writer, 60_000);
        watch.advance(1);
        assert_eq!(count(&busy_pin).unwrap(), 0, "looked at more often than needed");
        watch.advance(BETWEEN_LOOKS);
        let why = count(&busy_pin).unwrap_err().to_string();
        assert!(why.contains("could fill the disk"), "{why}");
        assert_eq!(checkpoint(&busy_writer), 0, "the -wal is still held");
        assert_eq!(count(&quiet_pin).unwrap(), 0, "one that does no harm was let go");
    }
}
