//! `index_tracker.db`: which version of which note the index holds. Derived from the vault.

use std::collections::HashMap;

use jiff::Timestamp;
use rusqlite::{Connection, Row, params};

use super::connection::{Origin, Spec};
use crate::vault::NoteFile;

pub const SPEC: Spec = Spec {
    file: "index_tracker.db",
    migrations: &["
        CREATE TABLE indexed_files(
            path TEXT PRIMARY KEY,
            mtime_ns INTEGER NOT NULL,
            size INTEGER NOT NULL,
            sha256 BLOB NOT NULL,
            chunks INTEGER NOT NULL,
            last_indexed_at INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX idx_indexed_files_last_indexed ON indexed_files(last_indexed_at);
        CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
    "],
    origin: Origin::Vault,
};

pub(super) const LAST_INDEXED: &str = "SELECT max(last_indexed_at) FROM indexed_files";
pub(super) const AT_OR_BELOW: &str = "SELECT path, mtime_ns, size, sha256 FROM indexed_files
    WHERE path = ?1 OR (path > ?2 AND path < ?3)";

/// What is known of an indexed note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tracked {
    pub mtime_ns: i64,
    pub size: i64,
    pub sha256: Vec<u8>,
}

impl Tracked {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { mtime_ns: row.get(1)?, size: row.get(2)?, sha256: row.get(3)? })
    }
}

pub fn all(db: &Connection) -> rusqlite::Result<HashMap<String, Tracked>> {
    db.prepare("SELECT path, mtime_ns, size, sha256 FROM indexed_files")?
        .query_map([], |row| Ok((row.get(0)?, Tracked::from_row(row)?)))?
        .collect()
}

/// Those of these paths that are indexed, and all notes in them where they are folders.
pub fn at_or_below<'a>(
    db: &Connection,
    paths: impl Iterator<Item = &'a str>,
) -> rusqlite::Result<HashMap<String, Tracked>> {
    let mut found = HashMap::new();
    let mut statement = db.prepare_cached(AT_OR_BELOW)?;
    for path in paths {
        // '0' follows '/' in every encoding of the order.
        let mut rows = statement.query(params![path, format!("{path}/"), format!("{path}0")])?;
        while let Some(row) = rows.next()? {
            found.insert(row.get(0)?, Tracked::from_row(row)?);
        }
    }
    Ok(found)
}

/// When a note was last put into the index; `None` before the first one.
pub fn last_indexed_at(db: &Connection) -> rusqlite::Result<Option<Timestamp>> {
    let micros: Option<i64> = db.query_row(LAST_INDEXED, [], |row| row.get(0))?;
    Ok(micros.and_then(|micros| Timestamp::from_microsecond(micros).ok()))
}

pub fn put(
    db: &Connection,
    note: &NoteFile,
    sha256: &[u8],
    chunks: usize,
    at: Timestamp,
) -> rusqlite::Result<()> {
    db.prepare_cached("INSERT OR REPLACE INTO indexed_files VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?.execute(
        params![
            note.path,
            note.mtime_ns,
            i64::try_from(note.size).unwrap_or(i64::MAX),
            sha256,
            i64::try_from(chunks).unwrap_or(i64::MAX),
            at.as_microsecond(),
        ],
    )?;
    Ok(())
}

/// The note was touched, its content is the same.
pub fn touch(db: &Connection, note: &NoteFile) -> rusqlite::Result<()> {
    db.prepare_cached("UPDATE indexed_files SET mtime_ns = ?2 WHERE path = ?1")?
        .execute(params![note.path, note.mtime_ns])?;
    Ok(())
}

pub fn remove(db: &Connection, path: &str) -> rusqlite::Result<()> {
    db.prepare_cached("DELETE FROM indexed_files WHERE path = ?1")?.execute([path])?;
    Ok(())
}

pub fn clear(db: &Connection) -> rusqlite::Result<()> {
    db.execute("DELETE FROM indexed_files", [])?;
    Ok(())
}

/// Files and chunks, as the tracker counts them.
pub fn totals(db: &Connection) -> rusqlite::Result<(i64, i64)> {
    db.query_row("SELECT count(*), coalesce(sum(chunks), 0) FROM indexed_files", [], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })
}
