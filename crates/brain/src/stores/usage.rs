//! `usage.db`: the ledger of what costs time or money: index runs and calls of the embedding service.

use std::time::Duration;

use jiff::{Timestamp, ToSpan};
use rusqlite::{Connection, params};
use serde::Serialize;
use utoipa::ToSchema;

use super::connection::{Origin, Spec};

/// Times are Unix microseconds, durations microseconds.
pub const SPEC: Spec = Spec {
    file: "usage.db",
    migrations: &["
        CREATE TABLE usage(
            id INTEGER PRIMARY KEY,
            at INTEGER NOT NULL,
            operation TEXT NOT NULL,
            model TEXT NOT NULL,
            items INTEGER NOT NULL,
            tokens INTEGER NOT NULL,
            duration_us INTEGER NOT NULL
        ) STRICT;
        CREATE INDEX idx_usage_at ON usage(at);
    "],
    origin: Origin::Here,
};

pub(super) const TOTALS: &str = "
    SELECT operation, model, count(*), sum(items), sum(tokens), sum(duration_us) / 1000
    FROM usage WHERE at >= ?1 GROUP BY operation, model";
pub(super) const FORGET: &str = "DELETE FROM usage WHERE at < ?1";
const KEPT_DAYS: i64 = 90;

/// One entry of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Used {
    /// `index`, `embed_notes` or `embed_query`.
    pub operation: &'static str,
    /// The embedding model, or what kind of run it was.
    pub model: String,
    /// Notes or texts.
    pub items: usize,
    /// As the service counts them; 0 for what has none.
    pub tokens: u64,
    pub duration: Duration,
}

/// All entries of one operation with one model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Total {
    pub operation: String,
    pub model: String,
    pub calls: i64,
    pub items: i64,
    pub tokens: i64,
    pub duration_ms: i64,
}

/// Adds an entry; those older than 90 days leave.
pub fn record(db: &Connection, used: &Used, at: Timestamp) -> rusqlite::Result<()> {
    let number = |n: u128| i64::try_from(n).unwrap_or(i64::MAX);
    db.prepare_cached(
        "INSERT INTO usage(at, operation, model, items, tokens, duration_us) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![
        at.as_microsecond(),
        used.operation,
        used.model,
        i64::try_from(used.items).unwrap_or(i64::MAX),
        number(used.tokens.into()),
        number(used.duration.as_micros()),
    ])?;
    let oldest = at.checked_sub((KEPT_DAYS * 24).hours()).unwrap_or(Timestamp::MIN);
    db.prepare_cached(FORGET)?.execute([oldest.as_microsecond()])?;
    Ok(())
}

pub fn totals(db: &Connection, since: Timestamp) -> rusqlite::Result<Vec<Total>> {
    db.prepare_cached(TOTALS)?
        .query_map([since.as_microsecond()], |row| {
            Ok(Total {
                operation: row.get(0)?,
                model: row.get(1)?,
                calls: row.get(2)?,
                items: row.get(3)?,
                tokens: row.get(4)?,
                duration_ms: row.get(5)?,
            })
        })?
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ledger_sums_by_operation_since_a_moment_and_forgets_after_90_days() {
        let dir = tempfile::tempdir().unwrap();
        let db = SPEC.open(dir.path()).unwrap();
        let at = |day: i64| Timestamp::from_second(day * 86_400).unwrap();
        let duration = Duration::from_millis(20);
        let used = Used { operation: "embed_notes", model: "m".into(), items: 3, tokens: 40, duration };
        for day in [1, 50, 60] {
            record(&db, &used, at(day)).unwrap();
        }
        let sums =
            |since| totals(&db, since).unwrap().pop().map(|t| (t.calls, t.items, t.tokens, t.duration_ms));
        assert_eq!(sums(at(2)), Some((2, 6, 80, 40)));
        record(&db, &Used { operation: "index", ..used }, at(100)).unwrap();
        assert_eq!(totals(&db, at(0)).unwrap().iter().map(|t| t.calls).sum::<i64>(), 3, "day 1 is forgotten");
    }
}
