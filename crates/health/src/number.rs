//! One number from a database: the first column of the first row.

use std::path::PathBuf;
use std::sync::Arc;

use rusqlite::types::ValueRef;
use steady_model::config::{Count, Database};
use tokio_postgres::SimpleQueryMessage;

use crate::float::float;
use crate::postgres_pool::{Asking, PostgresError, Server};
use crate::probe::one_line;
use crate::sqlite_reader::{self, SqliteError};
use crate::worker::Aside;

#[derive(Debug, thiserror::Error)]
pub enum NumberError {
    #[error("{}: {source}", path.display())]
    Sqlite { path: PathBuf, source: SqliteError },
    #[error("{0}")]
    Postgres(#[from] PostgresError),
    #[error("it could not be looked at: {0}")]
    Thread(std::io::Error),
}

pub struct Number {
    query: Arc<str>,
    place: Place,
}

enum Place {
    Sqlite { path: PathBuf, aside: Aside<Result<f64, SqliteError>> },
    Postgres(Server),
}

impl Number {
    pub fn new(count: Count) -> Self {
        let place = match count.database {
            Database::Sqlite(path) => Place::Sqlite { path, aside: Aside::new() },
            Database::Postgres(server) => Place::Postgres(Server::new(server)),
        };
        Self { query: count.query.into(), place }
    }

    /// What tells it from another number: the file's or the server's name.
    pub fn name(&self) -> String {
        match &self.place {
            Place::Sqlite { path, .. } => {
                path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned())
            }
            Place::Postgres(_) => "postgres".to_owned(),
        }
    }

    /// Cancel-safe.
    pub async fn read(&mut self) -> Result<f64, NumberError> {
        match &mut self.place {
            Place::Sqlite { path, aside } => {
                let (at, query) = (path.clone(), Arc::clone(&self.query));
                let answer = aside.run(move || of_sqlite(&at, &query)).await.map_err(NumberError::Thread)?;
                answer.map_err(|source| NumberError::Sqlite { path: path.clone(), source })
            }
            Place::Postgres(server) => {
                let query = &self.query;
                Ok(server.ask(|asking| of_postgres(asking, Arc::clone(query))).await?)
            }
        }
    }
}

fn of_sqlite(path: &std::path::Path, query: &str) -> Result<f64, SqliteError> {
    let db = sqlite_reader::open(path)?;
    let value = db.query_row(query, [], |row| {
        Ok(match row.get_ref(0)? {
            ValueRef::Integer(n) => Ok(float(n)),
            ValueRef::Real(x) => Ok(x),
            other => Err(other.data_type().to_string()),
        })
    });
    value.map_err(SqliteError::from)?.map_err(SqliteError::NoNumber)
}

/// As text, so that every numeric type is read alike.
async fn of_postgres(asking: Asking, query: Arc<str>) -> Result<f64, PostgresError> {
    let rows = asking.client().simple_query(&query).await?;
    asking.done();
    let first = rows.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row.get(0)),
        _ => None,
    });
    match first {
        Some(Some(text)) => {
            text.parse().map_err(|_| PostgresError::NoNumber(format!("{:?}", one_line(text, 40))))
        }
        Some(None) => Err(PostgresError::NoNumber("null".to_owned())),
        None => Err(PostgresError::NoNumber("no row".to_owned())),
    }
}

/// `180`, `0.25`.
pub fn shown(number: f64) -> String {
    if number.fract() == 0.0 { format!("{number:.0}") } else { format!("{number}") }
}
