//! `conversations.db`: what people said and captured. It exists nowhere else and cannot be rebuilt.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};
use serde::Serialize;
use utoipa::ToSchema;

use super::connection::{Spec, StoreError};
use crate::vault::VaultError;

/// Times are Unix microseconds.
pub const SPEC: Spec = Spec {
    file: "conversations.db",
    migrations: &["
        CREATE TABLE conversations(
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            title TEXT NOT NULL,
            text TEXT NOT NULL,
            created_at INTEGER NOT NULL,
            updated_at INTEGER NOT NULL
        ) STRICT;
        CREATE INDEX idx_conversations_updated ON conversations(updated_at DESC, id DESC);
        CREATE TABLE captures(
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            path TEXT NOT NULL,
            title TEXT NOT NULL,
            captured_at INTEGER NOT NULL
        ) STRICT;
    "],
    remedy: "it cannot be rebuilt: restore it from a backup",
};

const LIST: &str = "SELECT id, title, text, created_at, updated_at FROM conversations
    ORDER BY updated_at DESC, id DESC LIMIT ?1";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Conversation {
    pub id: i64,
    pub title: String,
    pub text: String,
    /// UTC, RFC 3339.
    #[schema(value_type = String)]
    pub created_at: Timestamp,
    /// UTC, RFC 3339.
    #[schema(value_type = String)]
    pub updated_at: Timestamp,
}

impl Conversation {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            title: row.get("title")?,
            text: row.get("text")?,
            created_at: timestamp(row, "created_at")?,
            updated_at: timestamp(row, "updated_at")?,
        })
    }
}

fn timestamp(row: &Row<'_>, column: &str) -> rusqlite::Result<Timestamp> {
    let micros: i64 = row.get(column)?;
    Timestamp::from_microsecond(micros).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(0, micros))
}

/// The newest conversations first.
pub fn list(db: &Connection, limit: u32) -> rusqlite::Result<Vec<Conversation>> {
    db.prepare_cached(LIST)?.query_map([limit], Conversation::from_row)?.collect()
}

pub fn insert(db: &Connection, title: &str, text: &str, at: Timestamp) -> rusqlite::Result<Conversation> {
    db.prepare_cached(
        "INSERT INTO conversations(title, text, created_at, updated_at) VALUES (?1, ?2, ?3, ?3)
         RETURNING id, title, text, created_at, updated_at",
    )?
    .query_row(params![title, text, at.as_microsecond()], Conversation::from_row)
}

/// False when there is no such conversation.
pub fn delete(db: &Connection, id: i64) -> rusqlite::Result<bool> {
    Ok(db.execute("DELETE FROM conversations WHERE id = ?1", [id])? > 0)
}

#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Records a capture and writes its note with `save`, which is given the capture's id and returns the path.
///
/// A note that could not be written is not recorded. The note comes before the commit: a crash between
/// the two leaves an unrecorded note, never a recorded capture without its note.
pub fn capture(
    db: &mut Connection,
    title: &str,
    at: Timestamp,
    refused: impl Fn(rusqlite::Error) -> StoreError,
    save: impl FnOnce(i64) -> Result<String, VaultError>,
) -> Result<(i64, String), CaptureError> {
    let record = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&refused)?;
    record
        .execute(
            "INSERT INTO captures(path, title, captured_at) VALUES ('', ?1, ?2)",
            params![title, at.as_microsecond()],
        )
        .map_err(&refused)?;
    let id = record.last_insert_rowid();
    let path = save(id)?;
    record.execute("UPDATE captures SET path = ?1 WHERE id = ?2", params![path, id]).map_err(&refused)?;
    record.commit().map_err(&refused)?;
    Ok((id, path))
}

/// The path a capture was written to.
pub fn capture_path(db: &Connection, id: i64) -> rusqlite::Result<Option<String>> {
    db.query_row("SELECT path FROM captures WHERE id = ?1", [id], |row| row.get(0)).optional()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn store() -> (tempfile::TempDir, Connection) {
        let dir = tempfile::tempdir().unwrap();
        let db = SPEC.open(dir.path()).unwrap();
        (dir, db)
    }

    #[test]
    fn the_listing_walks_the_index_and_sorts_nothing() {
        let (_dir, db) = store();
        let plan: Vec<String> = db
            .prepare(&format!("EXPLAIN QUERY PLAN {LIST}"))
            .unwrap()
            .query_map([10], |row| row.get("detail"))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        let plan = plan.join("; ");
        assert!(plan.contains("USING INDEX idx_conversations_updated"), "{plan}");
        assert!(!plan.contains("TEMP B-TREE"), "{plan}");
    }

    #[test]
    fn the_newest_conversation_comes_first_and_a_deleted_one_is_gone() {
        let (_dir, db) = store();
        let old = insert(&db, "old", "a", at(1)).unwrap();
        let new = insert(&db, "new", "b", at(2)).unwrap();
        let twin = insert(&db, "twin", "c", at(2)).unwrap();
        assert_eq!(list(&db, 2).unwrap(), [twin.clone(), new.clone()]);
        assert!(delete(&db, twin.id).unwrap());
        assert!(!delete(&db, twin.id).unwrap());
        assert_eq!(list(&db, 10).unwrap(), [new, old]);
    }

    #[test]
    fn a_capture_whose_note_cannot_be_written_is_not_recorded() {
        let (dir, mut db) = store();
        let refused = SPEC.refused(dir.path());
        let missing = || VaultError::Missing { path: "/nowhere".into() };
        let failed = capture(&mut db, "t", at(1), &refused, |_| Err(missing()));
        assert!(matches!(failed, Err(CaptureError::Vault(_))));
        let (id, path) = capture(&mut db, "t", at(1), &refused, |id| Ok(format!("Inbox/{id}.md"))).unwrap();
        assert_eq!(capture_path(&db, id).unwrap(), Some(path));
        assert_eq!(db.query_row("SELECT count(*) FROM captures", [], |r| r.get(0)), Ok(1));
    }
}
