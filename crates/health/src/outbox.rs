//! Outbox: events that wait for a worker, for how long, and those that it has given up.
//!
//! Given-up events do not wait any more: depth and age fall to zero while they are lost.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use steady_model::check::{Sample, Status};
use steady_model::config::{Database, OutboxLimits};
use steady_model::words;
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;

use crate::float::float;
use crate::postgres;
use crate::postgres_pool::{Asking, PostgresError, Server};
use crate::probe::{Probe, Seen};
use crate::sqlite_reader::{self, SqliteError};
use crate::worker::Aside;

pub struct OutboxProbe {
    place: Place,
    table: String,
    limits: OutboxLimits,
}

enum Place {
    Sqlite { path: PathBuf, aside: Aside<Result<Outbox, SqliteError>> },
    Postgres(Server),
}

#[derive(Debug, Default)]
struct Outbox {
    /// Per type of event.
    pending: BTreeMap<String, u64>,
    oldest: Duration,
    failed: u64,
    /// Of the table `chunks`, when there is one.
    chunks: BTreeMap<String, u64>,
}

impl OutboxProbe {
    pub fn new(database: Database, table: String, limits: OutboxLimits) -> Self {
        let place = match database {
            Database::Sqlite(path) => Place::Sqlite { path, aside: Aside::new() },
            Database::Postgres(server) => Place::Postgres(Server::new(server)),
        };
        Self { place, table, limits }
    }
}

impl Probe for OutboxProbe {
    async fn look(&mut self) -> Seen {
        let table = quoted(&self.table);
        let server = match &mut self.place {
            Place::Postgres(server) => server,
            Place::Sqlite { path, aside } => {
                let at = path.clone();
                return match aside.run(move || of_sqlite(&at, &table)).await {
                    Ok(Ok(outbox)) => judge(&outbox, self.limits),
                    // What cannot be read has not failed; the check of the database itself says what is wrong.
                    Ok(Err(e)) => unread(&e.to_string()),
                    Err(e) => unread(&e.to_string()),
                };
            }
        };
        match server.ask(|asking| read(asking, table.clone())).await {
            Ok(outbox) => judge(&outbox, self.limits),
            Err(e) => match e.code() {
                Some(code) if [SqlState::UNDEFINED_TABLE, SqlState::UNDEFINED_COLUMN].contains(code) => {
                    Seen::fact(Status::Fail, e.to_string())
                }
                _ => postgres::refused(&e),
            },
        }
    }

    fn overdue(&self, timeout: Duration) -> Seen {
        match self.place {
            Place::Postgres(_) => postgres::overdue(timeout),
            Place::Sqlite { .. } => unread(&format!("no answer within {}", words::span(timeout))),
        }
    }
}

fn unread(why: &str) -> Seen {
    Seen::new(Status::Unknown, format!("the outbox cannot be read: {why}"))
        .so("See whether the database is there, and correct the path or table in steady.toml")
}

/// Times are ISO 8601 text, or numbers: seconds, milliseconds or microseconds since 1970, told apart by their size.
fn of_sqlite(path: &Path, table: &str) -> Result<Outbox, SqliteError> {
    const WAITS: &str = "FILTER (WHERE processed_at IS NULL AND NOT coalesce(failed, 0))";
    let query = format!(
        "SELECT coalesce(CAST(event_type AS TEXT), ''), count(*) {WAITS}, count(*) FILTER (WHERE failed), \
           max(0.0, coalesce(unixepoch('now', 'subsec') - min(CASE \
             WHEN typeof(created_at) = 'text' THEN unixepoch(created_at, 'subsec') \
             WHEN created_at > 1e14 THEN created_at / 1e6 \
             WHEN created_at > 1e11 THEN created_at / 1e3 \
             ELSE created_at END) {WAITS}, 0.0)) \
         FROM {table} WHERE processed_at IS NULL OR failed GROUP BY 1"
    );
    let db = sqlite_reader::open(path)?;
    let mut statement = db.prepare(&query)?;
    let mut rows = statement.query([])?;
    let mut outbox = Outbox::default();
    while let Some(row) = rows.next()? {
        let counted = |column| Ok::<_, SqliteError>(u64::try_from(row.get::<_, i64>(column)?).unwrap_or(0));
        outbox.take(row.get(0)?, counted(1)?, counted(2)?, row.get(3)?);
    }
    Ok(outbox)
}

/// As identifiers, so that a name is never a statement; a point parts the schema from the table.
fn quoted(table: &str) -> String {
    let parts: Vec<_> = table.split('.').map(|part| format!("\"{}\"", part.replace('"', "\"\""))).collect();
    parts.join(".")
}

/// One statement is one moment: what moves from waiting to failed in between is not lost from sight.
async fn read(asking: Asking, table: String) -> Result<Outbox, PostgresError> {
    let query = format!(
        "SELECT event_type::text, \
           count(*) FILTER (WHERE processed_at IS NULL AND failed IS NOT TRUE), \
           count(*) FILTER (WHERE failed), \
           coalesce(extract(epoch FROM now() - min(created_at) \
             FILTER (WHERE processed_at IS NULL AND failed IS NOT TRUE)), 0)::float8 \
         FROM {table} WHERE processed_at IS NULL OR failed GROUP BY 1"
    );
    let mut outbox = Outbox::default();
    for row in asking.client().query(&query, &[]).await? {
        outbox.add(&row)?;
    }
    let there = "SELECT count(*) = 1 FROM information_schema.columns \
         WHERE table_name = 'chunks' AND column_name = 'status' AND table_schema = ANY (current_schemas(false))";
    if asking.client().query_one(there, &[]).await?.try_get(0)? {
        let query = "SELECT coalesce(status::text, ''), count(*) FROM chunks GROUP BY 1";
        for row in asking.client().query(query, &[]).await? {
            outbox.chunks.insert(row.try_get(0)?, counted(&row, 1)?);
        }
    }
    asking.done();
    Ok(outbox)
}

fn counted(row: &Row, column: usize) -> Result<u64, tokio_postgres::Error> {
    Ok(u64::try_from(row.try_get::<_, i64>(column)?).unwrap_or(0))
}

impl Outbox {
    fn add(&mut self, row: &Row) -> Result<(), tokio_postgres::Error> {
        let kind: Option<String> = row.try_get(0)?;
        self.take(kind.unwrap_or_default(), counted(row, 1)?, counted(row, 2)?, row.try_get(3)?);
        Ok(())
    }

    /// The events of one type; the oldest is as many seconds old.
    fn take(&mut self, kind: String, pending: u64, failed: u64, oldest: f64) {
        if pending > 0 {
            *self.pending.entry(kind).or_default() += pending;
        }
        self.failed += failed;
        self.oldest = self.oldest.max(Duration::try_from_secs_f64(oldest).unwrap_or_default());
    }

    fn samples(&self) -> Vec<Sample> {
        let plain =
            |metric: &str, value: f64| Sample { metric: metric.to_owned(), labels: BTreeMap::new(), value };
        let labelled = |metric: &str, label: &str, of: &BTreeMap<String, u64>| -> Vec<Sample> {
            let one = |(name, n): (&String, &u64)| Sample {
                labels: [(label.to_owned(), name.clone())].into(),
                ..plain(metric, float(*n))
            };
            of.iter().map(one).collect()
        };
        let mut samples = vec![
            plain("pkg_outbox_depth", float(self.depth())),
            plain("pkg_outbox_oldest_pending_seconds", self.oldest.as_secs_f64()),
            plain("pkg_outbox_failed_events", float(self.failed)),
        ];
        samples.extend(labelled("pkg_outbox_pending_events", "event_type", &self.pending));
        samples.extend(labelled("pkg_chunks_total", "status", &self.chunks));
        samples
    }

    fn depth(&self) -> u64 {
        self.pending.values().sum()
    }
}

fn judge(outbox: &Outbox, limits: OutboxLimits) -> Seen {
    let depth = outbox.depth();
    let mut told = match depth {
        0 => "nothing waits".to_owned(),
        n => format!("{n} wait, the oldest for {}", words::span(outbox.oldest)),
    };
    let mut status = Status::Pass;
    if depth > limits.pending || outbox.oldest > limits.oldest {
        let oldest = words::span(limits.oldest);
        told = format!("{told}, beyond {} or {oldest}", limits.pending);
        status = Status::Warn;
    }
    if outbox.failed > 0 {
        told = format!("{} given up and lost unless they are put back; {told}", outbox.failed);
        status = Status::Fail;
    }
    Seen { samples: outbox.samples(), ..Seen::new(status, told).measuring(float(depth), "count") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outbox_in_sqlite_is_read_however_it_writes_its_times() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("outbox.db");
        let db = rusqlite::Connection::open(&path).unwrap();
        let made = "PRAGMA journal_mode = wal;
            CREATE TABLE outbox(event_type, created_at, processed_at, failed);
            INSERT INTO outbox VALUES ('iso', strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-100 seconds'), NULL, 0),
                ('iso', datetime('now', '-500 seconds'), 1, 0), ('seconds', unixepoch() - 200, NULL, NULL),
                ('ms', (unixepoch() - 300) * 1000, NULL, 0), ('us', (unixepoch() - 400) * 1000000, NULL, 0),
                ('lost', 1, NULL, 1), (NULL, unixepoch() + 9000, NULL, 0)";
        db.execute_batch(made).unwrap();
        let seen = of_sqlite(&path, &quoted("outbox")).unwrap();
        let pending = ["", "iso", "ms", "seconds", "us"].map(|kind| (kind.to_owned(), 1));
        assert_eq!((seen.pending.clone(), seen.failed), (pending.into(), 1));
        assert!((399.0..420.0).contains(&seen.oldest.as_secs_f64()), "{:?}", seen.oldest);
        db.execute_batch("DELETE FROM outbox WHERE event_type = 'us'").unwrap();
        let seen = of_sqlite(&path, &quoted("main.outbox")).unwrap();
        assert!((299.0..320.0).contains(&seen.oldest.as_secs_f64()), "{:?}", seen.oldest);
        assert!(of_sqlite(&path, &quoted("other")).unwrap_err().to_string().contains("other"));
    }

    #[test]
    fn a_name_is_never_a_statement() {
        assert_eq!(quoted("outbox"), "\"outbox\"");
        assert_eq!(quoted("app.outbox"), "\"app\".\"outbox\"");
        assert_eq!(quoted("x\"; DROP TABLE y; --"), "\"x\"\"; DROP TABLE y; --\"");
    }
}
