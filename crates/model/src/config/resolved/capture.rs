use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::PostgresServer;

/// How a restore point is taken, beside what is left out.
#[derive(Debug, Clone, PartialEq)]
pub struct Capture {
    /// Names and globs below the data directory whose class is not what their content says.
    pub classes: BTreeMap<String, FileClass>,
    /// Databases of a server that are dumped into each point, by name.
    pub postgres: BTreeMap<String, PostgresDump>,
    /// How long a backup waits for a job that runs. The point says when it was taken all the same.
    pub wait_for_jobs: Duration,
    /// Whether the services may be stopped for the moment of a copy that did not succeed while they ran.
    pub quiesce: bool,
}

impl Default for Capture {
    fn default() -> Self {
        Self {
            classes: BTreeMap::new(),
            postgres: BTreeMap::new(),
            wait_for_jobs: Duration::from_secs(600),
            quiesce: false,
        }
    }
}

/// How the files of a data directory are read while they are written. An `SQLite` database is known by its content
/// and is never read as anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileClass {
    /// Read whole; a change meanwhile is noticed.
    Plain,
    /// Only grows: what was there when it was looked at is a true state of it.
    Log,
    /// A folder whose files belong together, and to the database in it if there is one: none of them may change
    /// while they are copied.
    Chroma,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresDump {
    pub server: PostgresServer,
    /// `pg_dump` and what stands before it, such as `docker exec -i db pg_dump`.
    pub program: Vec<String>,
    /// Where drills try the dump out, in a database of their own.
    pub drill: Option<PostgresServer>,
}
