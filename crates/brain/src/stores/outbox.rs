//! `outbox.db`: captures on their way to the index. Exists nowhere else.
//!
//! A row is made before its note is written and made due after it, so that neither a full disk nor a crash
//! leaves a note that nobody was told of and nobody will index.

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;
use utoipa::ToSchema;

use super::connection::{Origin, Spec};
use super::conversations::timestamp;

/// Columns as the outboxes of other services have them, so that the same watch reads both. Times are Unix
/// microseconds; a row waits while `processed_at IS NULL AND failed = 0`.
pub const SPEC: Spec = Spec {
    file: "outbox.db",
    migrations: &["
        CREATE TABLE outbox(
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            event_type TEXT NOT NULL,
            payload TEXT NOT NULL,
            created_at INTEGER NOT NULL,
            processed_at INTEGER,
            failed INTEGER NOT NULL DEFAULT 0,
            error TEXT,
            attempts INTEGER NOT NULL DEFAULT 0,
            next_attempt_at INTEGER NOT NULL
        ) STRICT;
        CREATE INDEX idx_outbox_due ON outbox(next_attempt_at) WHERE processed_at IS NULL AND failed = 0;
        CREATE INDEX idx_outbox_waiting ON outbox(created_at) WHERE processed_at IS NULL AND failed = 0;
        CREATE INDEX idx_outbox_failed ON outbox(id) WHERE failed = 1;
        CREATE INDEX idx_outbox_processed ON outbox(processed_at) WHERE processed_at IS NOT NULL;
    "],
    origin: Origin::Here,
};

const CAPTURED: &str = "note_captured";
/// A capture that is not finished by then never will be: its process has died.
const WRITING: SignedDuration = SignedDuration::from_secs(30);
/// What was processed is kept that long, for whoever asks what became of a capture.
const KEPT: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Then a row is given up, with its last error.
pub const MAX_ATTEMPTS: u32 = 10;

pub(super) const PROCESSED: &str =
    "SELECT count(*) FROM outbox WHERE processed_at IS NOT NULL AND processed_at >= ?1";
pub(super) const DUE: &str = "SELECT id, payload, attempts FROM outbox
    WHERE processed_at IS NULL AND failed = 0 AND next_attempt_at <= ?1 ORDER BY next_attempt_at LIMIT ?2";
pub(super) const NEXT: &str = "SELECT next_attempt_at FROM outbox WHERE processed_at IS NULL AND failed = 0
    ORDER BY next_attempt_at LIMIT 1";
pub(super) const OLDEST: &str = "SELECT created_at FROM outbox WHERE processed_at IS NULL AND failed = 0
    ORDER BY created_at LIMIT 1";
pub(super) const WAITING: &str = "SELECT count(*) FROM outbox WHERE processed_at IS NULL AND failed = 0";
pub(super) const FAILED: &str = "SELECT count(*) FROM outbox WHERE failed = 1";
pub(super) const FORGET: &str = "DELETE FROM outbox WHERE processed_at IS NOT NULL AND processed_at < ?1";
const PUT_BACK: &str = "UPDATE outbox SET failed = 0, attempts = 0, next_attempt_at = ?1 WHERE failed = 1";

/// What a watch wants to know.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, ToSchema)]
pub struct OutboxStatus {
    /// Captures that are not in the index yet.
    pub pending: u64,
    /// The age of the oldest of them in seconds; 0 when none waits.
    pub oldest_s: f64,
    /// Captures given up; they are in the vault, but may not be found.
    pub failed: u64,
}

/// A row whose turn it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    pub id: i64,
    /// The note, relative to the vault; empty when its capture never came to an end.
    pub path: String,
    pub attempts: u32,
}

/// What became of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    Processed,
    /// To be tried again, unless that was the last attempt.
    Refused {
        error: String,
        again_at: Timestamp,
    },
}

/// Makes room for a capture whose note is about to be written. Returns its id.
pub fn begin(db: &Connection, at: Timestamp) -> rusqlite::Result<i64> {
    let due = at.checked_add(WRITING).unwrap_or(at).as_microsecond();
    db.prepare_cached(
        "INSERT INTO outbox(event_type, payload, created_at, next_attempt_at) VALUES (?1, '', ?2, ?3)",
    )?
    .insert(params![CAPTURED, at.as_microsecond(), due])
}

/// The note is written: it may be indexed now.
pub fn ready(db: &Connection, id: i64, path: &str, at: Timestamp) -> rusqlite::Result<()> {
    db.prepare_cached("UPDATE outbox SET payload = ?2, next_attempt_at = ?3 WHERE id = ?1")?
        .execute(params![id, path, at.as_microsecond()])?;
    Ok(())
}

/// The note could not be written: there was no capture.
pub fn cancel(db: &Connection, id: i64) -> rusqlite::Result<()> {
    db.prepare_cached("DELETE FROM outbox WHERE id = ?1")?.execute([id])?;
    Ok(())
}

/// The rows whose turn it is, the longest waiting first.
pub fn due(db: &Connection, now: Timestamp, limit: u32) -> rusqlite::Result<Vec<Due>> {
    db.prepare_cached(DUE)?
        .query_map(params![now.as_microsecond(), limit], |row| {
            Ok(Due { id: row.get(0)?, path: row.get(1)?, attempts: row.get(2)? })
        })?
        .collect()
}

/// When the next row is due.
pub fn next_due(db: &Connection) -> rusqlite::Result<Option<Timestamp>> {
    db.prepare_cached(NEXT)?.query_row([], |row| timestamp(row, "next_attempt_at")).optional()
}

/// Writes down what became of rows, and forgets those processed long ago.
pub fn settle(db: &mut Connection, rows: &[(i64, Settled)], now: Timestamp) -> rusqlite::Result<()> {
    let all = db.transaction()?;
    for (id, settled) in rows {
        match settled {
            Settled::Processed => all
                .prepare_cached("UPDATE outbox SET processed_at = ?2, error = NULL WHERE id = ?1")?
                .execute(params![id, now.as_microsecond()])?,
            Settled::Refused { error, again_at } => all
                .prepare_cached(
                    "UPDATE outbox SET attempts = attempts + 1, failed = (attempts + 1 >= ?4), error = ?2,
                         next_attempt_at = ?3 WHERE id = ?1",
                )?
                .execute(params![id, error, again_at.as_microsecond(), MAX_ATTEMPTS])?,
        };
    }
    let forgotten = now.checked_sub(KEPT).unwrap_or(Timestamp::MIN);
    all.prepare_cached(FORGET)?.execute([forgotten.as_microsecond()])?;
    all.commit()
}

/// Gives what was given up another chance. Returns how many there are.
pub fn put_back(db: &Connection, now: Timestamp) -> rusqlite::Result<usize> {
    db.prepare_cached(PUT_BACK)?.execute([now.as_microsecond()])
}

pub fn status(db: &Connection, now: Timestamp) -> rusqlite::Result<OutboxStatus> {
    let count = |sql: &str| -> rusqlite::Result<u64> {
        let n: i64 = db.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
        Ok(u64::try_from(n).unwrap_or(0))
    };
    let oldest = db.prepare_cached(OLDEST)?.query_row([], |row| timestamp(row, "created_at")).optional()?;
    // A clock that was set back makes no negative age.
    let oldest_s = oldest.map_or(0.0, |at| now.duration_since(at).as_secs_f64().max(0.0));
    Ok(OutboxStatus { pending: count(WAITING)?, oldest_s, failed: count(FAILED)? })
}

/// Captures that went to the index since then.
pub fn processed_since(db: &Connection, since: Timestamp) -> rusqlite::Result<u64> {
    let count =
        db.prepare_cached(PROCESSED)?.query_row([since.as_microsecond()], |row| row.get::<_, i64>(0))?;
    Ok(count.unsigned_abs())
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
    fn a_capture_waits_from_its_first_moment_and_is_due_when_its_note_is_written() {
        let (_dir, mut db) = store();
        let id = begin(&db, at(100)).unwrap();
        assert!(due(&db, at(101), 9).unwrap().is_empty());
        assert_eq!(next_due(&db).unwrap(), Some(at(130)), "a crash before the note is found out, too");
        let waiting = OutboxStatus { pending: 1, oldest_s: 7.0, failed: 0 };
        assert_eq!(status(&db, at(107)).unwrap(), waiting);
        assert!(status(&db, at(90)).unwrap().oldest_s.abs() < 0.01, "the clock was set back");
        ready(&db, id, "Inbox/a.md", at(101)).unwrap();
        assert_eq!(due(&db, at(101), 9).unwrap(), [Due { id, path: "Inbox/a.md".into(), attempts: 0 }]);
        settle(&mut db, &[(id, Settled::Processed)], at(102)).unwrap();
        assert_eq!(status(&db, at(103)).unwrap(), OutboxStatus::default());
        let cancelled = begin(&db, at(104)).unwrap();
        assert!(cancelled > id);
        cancel(&db, cancelled).unwrap();
        assert_eq!(status(&db, at(105)).unwrap(), OutboxStatus::default());
    }

    #[test]
    fn after_ten_refusals_a_row_is_given_up_with_its_error_and_can_be_put_back() {
        let (_dir, mut db) = store();
        let id = begin(&db, at(0)).unwrap();
        ready(&db, id, "Inbox/a.md", at(0)).unwrap();
        for second in 1..=i64::from(MAX_ATTEMPTS) {
            assert_eq!(due(&db, at(second), 9).unwrap().len(), 1, "attempt {second}");
            let refused = Settled::Refused { error: format!("no {second}"), again_at: at(second + 1) };
            settle(&mut db, &[(id, refused)], at(second)).unwrap();
        }
        assert!(due(&db, at(1000), 9).unwrap().is_empty());
        assert_eq!(status(&db, at(1000)).unwrap(), OutboxStatus { failed: 1, ..OutboxStatus::default() });
        let error: String = db.query_row("SELECT error FROM outbox", [], |row| row.get(0)).unwrap();
        assert_eq!(error, "no 10");
        assert_eq!(put_back(&db, at(2000)).unwrap(), 1);
        assert_eq!(due(&db, at(2000), 9).unwrap().len(), 1);
    }

    #[test]
    fn what_was_processed_is_forgotten_after_a_week() {
        let (_dir, mut db) = store();
        let id = begin(&db, at(0)).unwrap();
        settle(&mut db, &[(id, Settled::Processed)], at(1)).unwrap();
        let rows = |db: &Connection| db.query_row("SELECT count(*) FROM outbox", [], |r| r.get::<_, i64>(0));
        settle(&mut db, &[], at(7 * 86_400)).unwrap();
        assert_eq!(rows(&db), Ok(1));
        settle(&mut db, &[], at(7 * 86_400 + 2)).unwrap();
        assert_eq!(rows(&db), Ok(0));
    }
}
