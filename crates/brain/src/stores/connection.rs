//! The one way to open a store: pragmas, migrations, and what becomes of a damaged file.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior, ffi};
use steady_disk::fsync_dir;

const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Renamed in this order: a database must never be opened anew beside the log of the old one.
const SIDECARS: [&str; 3] = ["-wal", "-shm", ""];

const MAGIC: &[u8] = b"SQLite format 3\0";

/// A store file: its name, its schema as a list of steps, and where its rows come from.
#[derive(Debug)]
pub struct Spec {
    pub file: &'static str,
    /// Step `n` leads from `user_version` n to n + 1. Steps are never changed, only added.
    pub migrations: &'static [&'static str],
    pub origin: Origin,
}

/// What decides how a damaged store is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Derived from the vault: set aside when damaged, and built again.
    Vault,
    /// Exists nowhere else: refused when damaged, and never replaced.
    Here,
}

impl Origin {
    fn remedy(self) -> &'static str {
        match self {
            Self::Vault => {
                "it is derived from the vault: when it is damaged, brain builds it again by itself"
            }
            Self::Here => "it cannot be rebuilt and is left as it is: restore it from a backup",
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("cannot open the store {}: {source}; {remedy}", path.display())]
    Open { path: PathBuf, source: rusqlite::Error, remedy: &'static str },
    #[error("cannot migrate the store {} from version {from}: {source}; {remedy}", path.display())]
    Migrate { path: PathBuf, from: usize, source: rusqlite::Error, remedy: &'static str },
    #[error("the store {} has version {found}, this brain knows up to {known}; use the newer brain which wrote it", path.display())]
    TooNew { path: PathBuf, found: usize, known: usize },
    #[error("the store {} refused a statement: {source}; {remedy}", path.display())]
    Statement { path: PathBuf, source: rusqlite::Error, remedy: &'static str },
    #[error("the store {} is damaged; {remedy}, then start brain again", path.display())]
    Damaged { path: PathBuf, remedy: &'static str },
    #[error("cannot set the damaged store {} aside: {source}; stop brain and move it away with its -wal and -shm files", path.display())]
    SetAside { path: PathBuf, source: io::Error },
    #[error("work on the store {} was cut off by the end of the program; try again", path.display())]
    Interrupted { path: PathBuf },
}

impl StoreError {
    /// The file whose content is broken, if that is what this says.
    pub fn damaged_file(&self) -> Option<&Path> {
        match self {
            Self::Open { path, source, .. }
            | Self::Migrate { path, source, .. }
            | Self::Statement { path, source, .. } => is_damage(source).then_some(path),
            Self::Damaged { path, .. } => Some(path),
            Self::TooNew { .. } | Self::SetAside { .. } | Self::Interrupted { .. } => None,
        }
    }
}

/// A broken file, as opposed to a full disk, a lock or a wrong statement.
pub fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// Refuses what cannot be a database before SQLite opens it: it takes a short file for an empty database, and
/// removes the log beside it, in which the rows may be.
fn looks_like_one(path: &Path) -> rusqlite::Result<()> {
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAGIC.len() as u64).read_to_end(&mut head));
    let with_log = || fs::metadata(beside(path, "-wal")).is_ok_and(|log| log.len() > 0);
    let sound = read.is_err() || head == MAGIC || (head.is_empty() && !with_log());
    let refusal = || rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_NOTADB), None);
    if sound { Ok(()) } else { Err(refusal()) }
}

fn beside(path: &Path, sidecar: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(sidecar);
    name.into()
}

impl Spec {
    pub fn path(&self, data: &Path) -> PathBuf {
        data.join(self.file)
    }

    pub fn remedy(&self) -> &'static str {
        self.origin.remedy()
    }

    /// Opens the store under `data`, created and migrated as needed.
    pub fn open(&self, data: &Path) -> Result<Connection, StoreError> {
        let path = self.path(data);
        let fail = |source| StoreError::Open { path: path.clone(), source, remedy: self.remedy() };
        looks_like_one(&path).map_err(fail)?;
        // Before the first connection, so that every store may ask for distances.
        steady_vec::register().map_err(fail)?;
        // NO_MUTEX: a connection is used by one thread at a time, as the pool hands it out.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(&path, flags).map_err(fail)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(fail)?;
        // Else the planner wants to see what is bound, and prepares each search anew: a fifth of its time.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(fail)?;
        // The journal's limit is for the `-wal` after a rebuild, which grew to the size of the whole index; the
        // heap's is for all connections together, whose page caches would grow to 2 MB each.
        connection
            .execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 1000;
                 PRAGMA journal_size_limit = 8388608; PRAGMA soft_heap_limit = 12582912;",
            )
            .map_err(fail)?;
        self.migrate(&mut connection, &path)?;
        Ok(connection)
    }

    /// To read only, whoever else writes; creates and migrates nothing.
    pub fn look(&self, data: &Path) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Connection::open_with_flags(self.path(data), flags)
    }

    /// `open`, but a damaged store that can be derived is set aside and begun anew, with an error in the log.
    ///
    /// Nobody else may have it open.
    pub fn open_or_begin_anew(&self, data: &Path, now: Timestamp) -> Result<Connection, StoreError> {
        match self.open(data) {
            Err(e) if self.origin == Origin::Vault && e.damaged_file().is_some() => {
                let aside = self.set_aside(data, now)?;
                tracing::error!(target: "brain.stores",
                    "{e}. It is set aside as {} and built again from the vault; remove it when you have seen it",
                    aside.display());
                self.open(data)
            }
            opened => opened,
        }
    }

    /// Renames the file and its sidecars to `NAME.corrupt-TIME`.
    pub fn set_aside(&self, data: &Path, now: Timestamp) -> Result<PathBuf, StoreError> {
        let path = self.path(data);
        let stamp = now.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%S%3fZ");
        let aside = data.join(format!("{}.corrupt-{stamp}", self.file));
        for sidecar in SIDECARS {
            match fs::rename(beside(&path, sidecar), beside(&aside, sidecar)) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(StoreError::SetAside { path, source });
                }
                _ => {}
            }
        }
        // Should the renames not survive a power cut, the damage is found again.
        let _ = fsync_dir(data);
        Ok(aside)
    }

    fn migrate(&self, connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
        let known = self.migrations.len();
        let mut version = self.checked_version(connection, path)?;
        while version < known {
            let from = version;
            let fail =
                |source| StoreError::Migrate { path: path.to_owned(), from, source, remedy: self.remedy() };
            let step = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fail)?;
            // Another process may have taken this step while the lock was awaited.
            version = self.checked_version(&step, path)?;
            if let Some(sql) = self.migrations.get(version) {
                step.execute_batch(sql).map_err(fail)?;
                version += 1;
                step.pragma_update(None, "user_version", version.to_string()).map_err(fail)?;
            }
            step.commit().map_err(fail)?;
        }
        Ok(())
    }

    fn checked_version(&self, connection: &Connection, path: &Path) -> Result<usize, StoreError> {
        let found: u32 = connection
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .map_err(|source| StoreError::Open { path: path.to_owned(), source, remedy: self.remedy() })?;
        let (found, known) = (usize::try_from(found).unwrap_or(usize::MAX), self.migrations.len());
        if found > known {
            return Err(StoreError::TooNew { path: path.to_owned(), found, known });
        }
        Ok(found)
    }

    /// Says where and what to do for a statement which failed on this store.
    pub fn refused(&self, data: &Path) -> impl Fn(rusqlite::Error) -> StoreError + use<> {
        let (path, remedy) = (self.path(data), self.remedy());
        move |source| StoreError::Statement { path: path.clone(), source, remedy }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1: &str = "CREATE TABLE a(x);";
    const OLD: Spec = Spec { file: "t.db", migrations: &[V1], origin: Origin::Here };
    const NEW: Spec =
        Spec { file: "t.db", migrations: &[V1, "ALTER TABLE a ADD COLUMN y;"], origin: Origin::Here };

    #[test]
    fn every_connection_has_the_plans_pragmas() {
        let dir = tempfile::tempdir().unwrap();
        let db = NEW.open(dir.path()).unwrap();
        let text = |name: &str| db.pragma_query_value(None, name, |r| r.get::<_, String>(0)).unwrap();
        let number = |name: &str| db.pragma_query_value(None, name, |r| r.get::<_, i64>(0)).unwrap();
        assert_eq!(text("journal_mode"), "wal");
        assert_eq!(
            (number("busy_timeout"), number("wal_autocheckpoint"), number("synchronous")),
            (5000, 1000, 1)
        );
    }

    #[test]
    fn an_old_store_is_migrated_with_its_rows_and_a_newer_one_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        OLD.open(dir.path()).unwrap().execute("INSERT INTO a VALUES (1)", []).unwrap();
        let db = NEW.open(dir.path()).unwrap();
        assert_eq!(db.query_row("SELECT count(*), max(y) IS NULL FROM a", [], |r| r.get(0)), Ok(1));
        let err = OLD.open(dir.path()).unwrap_err();
        assert!(matches!(err, StoreError::TooNew { found: 2, known: 1, .. }), "{err}");
    }

    #[test]
    fn a_damaged_store_that_exists_nowhere_else_is_refused_with_the_way_out_and_left_alone() {
        const JUNK: &str = "not a database, and long enough to be looked at";
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("t.db"), JUNK).unwrap();
        let err = NEW.open_or_begin_anew(dir.path(), Timestamp::UNIX_EPOCH).unwrap_err();
        assert!(err.damaged_file().is_some());
        let text = err.to_string();
        assert!(text.contains("t.db") && text.contains("restore it from a backup"), "{text}");
        assert_eq!(fs::read_to_string(dir.path().join("t.db")).unwrap(), JUNK);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);

        // Emptied, with its rows still in the log: an empty store in its place would be their end.
        fs::write(dir.path().join("t.db"), "").unwrap();
        fs::write(dir.path().join("t.db-wal"), "rows").unwrap();
        NEW.open_or_begin_anew(dir.path(), Timestamp::UNIX_EPOCH).unwrap_err();
        assert_eq!(fs::read_to_string(dir.path().join("t.db-wal")).unwrap(), "rows");
    }

    #[test]
    fn a_damaged_store_that_can_be_derived_is_set_aside_with_its_log_and_begun_anew() {
        const DERIVED: Spec = Spec { file: "t.db", migrations: &[V1], origin: Origin::Vault };
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("t.db"), "not a database, and long enough to be looked at").unwrap();
        fs::write(dir.path().join("t.db-wal"), "its log").unwrap();
        let db = DERIVED.open_or_begin_anew(dir.path(), Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(db.query_row("SELECT count(*) FROM a", [], |row| row.get(0)), Ok(0));
        let aside = dir.path().join("t.db.corrupt-19700101T000000000Z");
        assert!(fs::read_to_string(&aside).unwrap().starts_with("not a database"));
        let log = dir.path().join("t.db.corrupt-19700101T000000000Z-wal");
        assert_eq!(fs::read_to_string(log).unwrap(), "its log");
    }
}
