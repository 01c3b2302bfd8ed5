//! PostgreSQL: it accepts a query, and has connections left.

use std::time::Duration;

use steady_model::check::{Sample, Status};
use steady_model::config::PostgresServer;
use steady_model::words;
use tokio_postgres::error::SqlState;

use crate::float::float;
use crate::postgres_pool::{Asking, PostgresError, Server};
use crate::probe::{Probe, Seen};

/// From this share of the connections on, the next burst may not get one.
const NEARLY_ALL: f64 = 0.9;
const QUERY: &str = "SELECT count(*), current_setting('max_connections')::bigint, current_setting('server_version') \
     FROM pg_stat_activity WHERE backend_type = 'client backend'";

pub struct PostgresProbe {
    server: Server,
}

impl PostgresProbe {
    pub fn new(server: PostgresServer) -> Self {
        Self { server: Server::new(server) }
    }
}

impl Probe for PostgresProbe {
    async fn look(&mut self) -> Seen {
        match self.server.ask(activity).await {
            Ok((used, most, version)) => judge(used, most, &version),
            Err(e) => refused(&e),
        }
    }

    fn overdue(&self, timeout: Duration) -> Seen {
        overdue(timeout)
    }
}

async fn activity(asking: Asking) -> Result<(i64, i64, String), PostgresError> {
    let row = asking.client().query_one(QUERY, &[]).await?;
    asking.done();
    Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))
}

fn judge(used: i64, most: i64, version: &str) -> Seen {
    let version = version.split(' ').next().unwrap_or(version);
    let told = format!("PostgreSQL {version} answers, {used} of {most} connections used");
    let (used, most) = (float(used), float(most));
    let status = if used >= most * NEARLY_ALL { Status::Warn } else { Status::Pass };
    let samples = [("steady_postgres_connections", used), ("steady_postgres_connections_max", most)];
    let samples = samples.map(|(metric, value)| Sample {
        metric: metric.to_owned(),
        labels: std::collections::BTreeMap::new(),
        value,
    });
    Seen { samples: samples.into(), ..Seen::new(status, told).measuring(used / most.max(1.0), "ratio") }
}

/// Also for the other kinds that ask PostgreSQL.
pub fn refused(error: &PostgresError) -> Seen {
    let status = match error {
        PostgresError::Url(_) | PostgresError::Password(_) | PostgresError::LookUp(_) => Status::Unknown,
        // It says itself that it will be there soon.
        _ if error.code() == Some(&SqlState::CANNOT_CONNECT_NOW) => Status::Warn,
        _ => Status::Fail,
    };
    Seen::new(status, error.to_string())
}

pub fn overdue(timeout: Duration) -> Seen {
    Seen::new(Status::Fail, format!("no answer from the server within {}", words::span(timeout)))
}
