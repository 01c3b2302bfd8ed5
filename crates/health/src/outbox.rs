//! Outbox: events that wait for a worker, for how long, and those that it has given up.
//!
//! Given-up events do not wait any more: depth and age fall to zero while they are lost.

use std::collections::BTreeMap;
use std::time::Duration;

use steady_model::check::{Sample, Status};
use steady_model::config::{OutboxLimits, PostgresServer};
use steady_model::words;
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;

use crate::float::float;
use crate::postgres;
use crate::postgres_pool::{Asking, PostgresError, Server};
use crate::probe::{Probe, Seen};

pub struct OutboxProbe {
    server: Server,
    table: String,
    limits: OutboxLimits,
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
    pub fn new(server: PostgresServer, table: String, limits: OutboxLimits) -> Self {
        Self { server: Server::new(server), table, limits }
    }
}

impl Probe for OutboxProbe {
    async fn look(&mut self) -> Seen {
        let table = quoted(&self.table);
        match self.server.ask(|asking| read(asking, table.clone())).await {
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
        postgres::overdue(timeout)
    }
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
        let (pending, failed) = (counted(row, 1)?, counted(row, 2)?);
        if pending > 0 {
            let kind: Option<String> = row.try_get(0)?;
            *self.pending.entry(kind.unwrap_or_default()).or_default() += pending;
        }
        self.failed += failed;
        let oldest: f64 = row.try_get(3)?;
        self.oldest = self.oldest.max(Duration::try_from_secs_f64(oldest).unwrap_or_default());
        Ok(())
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
    fn a_name_is_never_a_statement() {
        assert_eq!(quoted("outbox"), "\"outbox\"");
        assert_eq!(quoted("app.outbox"), "\"app\".\"outbox\"");
        assert_eq!(quoted("x\"; DROP TABLE y; --"), "\"x\"\"; DROP TABLE y; --\"");
    }
}
