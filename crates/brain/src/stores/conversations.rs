//! `conversations.db`: what people said. It exists nowhere else and cannot be rebuilt.

use jiff::Timestamp;
use rusqlite::{Connection, Row, params};
use serde::Serialize;
use utoipa::ToSchema;

use super::connection::{Origin, Spec};

/// Times are Unix microseconds.
pub const SPEC: Spec = Spec {
    file: "conversations.db",
    migrations: &[
        "
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
    ",
        // A capture is its note and its row in the outbox.
        "DROP TABLE captures;",
    ],
    origin: Origin::Here,
};

pub(super) const LIST: &str = "SELECT id, title, text, created_at, updated_at FROM conversations
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

pub(super) fn timestamp(row: &Row<'_>, column: &str) -> rusqlite::Result<Timestamp> {
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
}
