//! A connection that leaves a user's live SQLite database as it is.
//!
//! It never writes, never checkpoints and never makes a `-wal` or `-shm`: `-shm` is mapped for reading only. The
//! database's files are never opened but through SQLite: closing a descriptor of our own would drop the locks that
//! other connections of this process hold on the same file.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

/// A writer's checkpoint or a schema change lasts about that long; who is busy longer is told.
const BUSY: Duration = Duration::from_millis(250);

#[derive(Debug, thiserror::Error)]
pub enum SqliteError {
    #[error("it does not exist")]
    Missing,
    #[error("it may not be read: {0}; grant access to the file")]
    Forbidden(io::Error),
    #[error("it cannot be looked at: {0}")]
    Unreachable(io::Error),
    #[error("it is not a file")]
    NotAFile,
    #[error("it is not a database")]
    NotADatabase,
    #[error("it is locked by another process for more than {} ms", BUSY.as_millis())]
    Locked,
    #[error("a writer ended in the middle of a change; the next program that writes repairs it")]
    Interrupted,
    #[error("it is damaged: {0}")]
    Damaged(String),
    #[error("it has a -wal but no -shm, so nobody has it open, and reading it would make one")]
    NoIndex,
    #[error("{0}")]
    Sqlite(rusqlite::Error),
    #[error("the query gives no number, but {0}")]
    NoNumber(String),
}

impl SqliteError {
    /// Another look would see the same.
    pub fn is_fact(&self) -> bool {
        matches!(
            self,
            Self::Missing | Self::Forbidden(_) | Self::NotAFile | Self::NotADatabase | Self::Damaged(_)
        )
    }

    fn of(path: &Path, error: rusqlite::Error) -> Self {
        match Self::from(error) {
            Self::Sqlite(error) if error.sqlite_error_code() == Some(ErrorCode::CannotOpen) => {
                // Existing and not opened: the kernel's word for it is in the question whether it may be read.
                match rustix::fs::access(path, rustix::fs::Access::READ_OK) {
                    Err(e) => Self::Forbidden(e.into()),
                    Ok(()) => Self::Sqlite(error),
                }
            }
            other => other,
        }
    }
}

impl From<rusqlite::Error> for SqliteError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked,
            Some(ErrorCode::NotADatabase) => Self::NotADatabase,
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged(error.to_string()),
            // The only write that reading may ask for: rolling an unfinished change back.
            Some(ErrorCode::ReadOnly) => Self::Interrupted,
            _ => Self::Sqlite(error),
        }
    }
}

/// The size of the `-wal` beside it, when there is one.
pub fn wal(path: &Path) -> Option<u64> {
    fs::metadata(beside(path, "-wal")).ok().map(|wal| wal.len())
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Blocks as a file does.
pub fn open(path: &Path) -> Result<Connection, SqliteError> {
    match fs::metadata(path) {
        Ok(file) if file.is_file() => {}
        Ok(_) => return Err(SqliteError::NotAFile),
        Err(e) if e.kind() == ErrorKind::NotFound => return Err(SqliteError::Missing),
        Err(e) if e.kind() == ErrorKind::PermissionDenied => return Err(SqliteError::Forbidden(e)),
        Err(e) => return Err(SqliteError::Unreachable(e)),
    }
    let wal = wal(path);
    if wal.is_some_and(|bytes| bytes > 0) && !beside(path, "-shm").exists() {
        return Err(SqliteError::NoIndex);
    }
    if wal.is_none() {
        // Without a `-wal` nobody writes through one, and SQLite would make one to read a database of that mode.
        let still = connect(path, "immutable=1")?;
        if is_wal(&still).map_err(|e| SqliteError::of(path, e))? {
            return Ok(still);
        }
    }
    connect(path, "readonly_shm=1")
}

fn connect(path: &Path, how: &str) -> Result<Connection, SqliteError> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let said = |e| SqliteError::of(path, e);
    let db = Connection::open_with_flags(uri(path, how), flags).map_err(said)?;
    db.busy_timeout(BUSY).map_err(said)?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(said)?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true).map_err(said)?;
    // Opening alone reads nothing.
    db.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(())).map_err(said)?;
    Ok(db)
}

/// Bytes 18 and 19 of a file in WAL mode are 2; asked of SQLite, see the head of this file.
fn is_wal(db: &Connection) -> rusqlite::Result<bool> {
    let versions = "SELECT substr(data, 19, 2) = x'0202' FROM sqlite_dbpage WHERE pgno = 1";
    // An empty file has no first page.
    db.query_row(versions, [], |row| row.get(0)).or_else(|e| match e {
        rusqlite::Error::QueryReturnedNoRows => Ok(false),
        e => Err(e),
    })
}

fn uri(path: &Path, how: &str) -> String {
    use std::fmt::Write as _;
    use std::os::unix::ffi::OsStrExt;

    let mut uri = "file:".to_owned();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'/' | b'-' | b'.' | b'_' | b'~' => uri.push(char::from(*byte)),
            b if b.is_ascii_alphanumeric() => uri.push(char::from(*b)),
            b => {
                let _ = write!(uri, "%{b:02X}");
            }
        }
    }
    uri.push('?');
    uri.push_str(how);
    uri
}
