use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::{Env, SecretRef};
use crate::check::{Severity, Thresholds};

#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    pub name: String,
    pub probe: Probe,
    pub kind: CheckKind,
    pub severity: Severity,
    pub thresholds: Thresholds,
    /// The service whose trouble explains this check's.
    pub service: Option<String>,
    /// Checks whose trouble explains this check's: a cause hides its effects.
    pub depends_on: Vec<String>,
    /// Failures are not judged for this long (awake) after the agent's start, or after `service` became ready.
    pub warm_up: Duration,
}

/// When a check looks and how long it may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    pub interval: Duration,
    pub timeout: Duration,
}

#[derive(Debug, Clone, PartialEq)]
pub enum CheckKind {
    Http {
        url: String,
        /// Status codes that pass. 429 always counts as alive.
        status: Vec<u16>,
        /// Dotted path into the JSON body → what its value must be, else it fails.
        body: BTreeMap<String, Predicate>,
        /// Likewise, else it warns.
        warn_body: BTreeMap<String, Predicate>,
        /// An answer that takes longer is a warning.
        slow: Option<Duration>,
    },
    /// Something accepts connections at `host:port`.
    Tcp {
        address: String,
        slow: Option<Duration>,
    },
    /// A process whose command line contains this text runs, under whatever supervisor.
    Process {
        pattern: String,
    },
    /// Who listens on the port: the check's service, or a process whose command line contains `process`.
    Port {
        port: u16,
        process: Option<String>,
    },
    /// A directory that exists, is readable and not empty.
    Path {
        path: PathBuf,
    },
    /// A variable that several files say must be the same in each, and, if it shall be, a readable directory.
    Variable {
        variable: String,
        /// Environment files, and property lists of launchd; those that are not there say nothing.
        files: Vec<PathBuf>,
        directory: bool,
    },
    /// Free space on the volume of `path`.
    Disk {
        path: PathBuf,
        warn: Free,
        fail: Free,
    },
    /// A file whose first line tells when something last succeeded.
    Marker {
        path: PathBuf,
        max_age: Duration,
    },
    /// A program that follows the conventions of monitoring plugins: 0 ok, 1 warning, 2 critical, 3 unknown;
    /// the first line of its output is the evidence.
    Command {
        command: Vec<String>,
        cwd: PathBuf,
        env: Env,
    },
    /// A line that matches `pattern` was written to `path` within `window`.
    Log {
        path: PathBuf,
        pattern: String,
        window: Duration,
    },
    /// A database that opens read-only and answers; from time to time, is whole.
    Sqlite {
        path: PathBuf,
        limits: SqliteLimits,
    },
    /// Two numbers that must not differ by more than `tolerance`.
    Equality {
        left: Count,
        right: Count,
        tolerance: u64,
    },
    /// A number that must not fall by `collapse` (a share of 0 to 1) of what it was, nor to zero.
    Count {
        count: Count,
        collapse: f64,
    },
    Postgres {
        server: PostgresServer,
    },
    /// A table of events that a worker takes from: `processed_at` is null while one waits.
    Outbox {
        database: Database,
        table: String,
        limits: OutboxLimits,
    },
    /// Redis or FalkorDB. `graphs` are counted; `data_dir` must be where the server keeps its files.
    Redis {
        server: RedisServer,
        graphs: Vec<String>,
        data_dir: Option<PathBuf>,
        max_save_age: Option<Duration>,
    },
    /// Ollama answers, and has `model`; `embed` asks it for a tiny embedding while it is idle.
    Ollama {
        url: String,
        model: Option<String>,
        embed: bool,
    },
    /// The Docker Engine answers; the services of `project` (compose) run and are healthy.
    Docker {
        socket: Option<PathBuf>,
        project: Option<String>,
        services: Vec<String>,
    },
    /// What the processes of the check's service take: memory in bytes, processor as a share of one core.
    Usage {
        memory: Option<u64>,
        cpu: Option<f64>,
    },
}

impl CheckKind {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Http { .. } => "http",
            Self::Tcp { .. } => "tcp",
            Self::Process { .. } => "process",
            Self::Port { .. } => "port",
            Self::Path { .. } => "path",
            Self::Disk { .. } => "disk",
            Self::Variable { .. } => "variable",
            Self::Marker { .. } => "marker",
            Self::Command { .. } => "command",
            Self::Log { .. } => "log",
            Self::Sqlite { .. } => "sqlite",
            Self::Equality { .. } => "equality",
            Self::Count { .. } => "count",
            Self::Postgres { .. } => "postgres",
            Self::Outbox { .. } => "outbox",
            Self::Redis { .. } => "redis",
            Self::Ollama { .. } => "ollama",
            Self::Docker { .. } => "docker",
            Self::Usage { .. } => "usage",
        }
    }
}

/// What a value must be, as text: alternatives by `|`, each with `*` for any text; a leading `!` turns it round,
/// and then a value that is not there passes too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Predicate {
    pub not: bool,
    pub alternatives: Vec<String>,
}

impl Predicate {
    /// `None` is a value that is not there.
    pub fn holds(&self, value: Option<&str>) -> bool {
        value.is_some_and(|value| self.alternatives.iter().any(|pattern| matches(pattern, value))) != self.not
    }
}

impl std::fmt::Display for Predicate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", if self.not { "!" } else { "" }, self.alternatives.join("|"))
    }
}

/// `*` is any text.
fn matches(pattern: &str, value: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == value };
    let Some(mut left) = value.strip_prefix(start) else { return false };
    let (middle, end) = rest.rsplit_once('*').unwrap_or(("", rest));
    for part in middle.split('*').filter(|part| !part.is_empty()) {
        let Some((_, after)) = left.split_once(part) else { return false };
        left = after;
    }
    left.ends_with(end)
}

/// A least amount of free space.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Free {
    Bytes(u64),
    /// Of the whole volume, 0 to 1.
    Share(f64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SqliteLimits {
    /// A `-wal` file beyond this is a warning: nothing checkpoints it any more.
    pub max_wal: u64,
    /// How often the whole of it is checked.
    pub deep: Duration,
}

/// One number from a database: the first column of the first row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    pub database: Database,
    pub query: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Database {
    Sqlite(PathBuf),
    Postgres(PostgresServer),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresServer {
    /// `postgres://user@host:port/database`, without a password.
    pub url: String,
    pub password: Option<SecretRef>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutboxLimits {
    /// More waiting events are a warning.
    pub pending: u64,
    /// A longer wait of the oldest is a warning.
    pub oldest: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisServer {
    /// `host:port`.
    pub address: String,
    pub password: Option<SecretRef>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_predicate_knows_alternatives_stars_and_what_must_not_be() {
        let table = [
            ("ok", Some("ok"), true),
            ("ok", Some("okay"), false),
            ("ok", None, false),
            ("!error", Some("ok"), true),
            ("!error", Some("error"), false),
            ("!stale", None, true),
            ("ok|warning:*", Some("warning: ReadTimeout"), true),
            ("ok|warning:*", Some("error: PoolTimeout"), false),
            ("*", Some(""), true),
            ("a*c*e", Some("abcde"), true),
            ("a*a", Some("a"), false),
            ("!error:*|gone", Some("gone"), false),
        ];
        for (text, value, holds) in table {
            let (not, rest) = text.strip_prefix('!').map_or((false, text), |rest| (true, rest));
            let rule = Predicate { not, alternatives: rest.split('|').map(str::to_owned).collect() };
            assert_eq!(rule.holds(value), holds, "{text} of {value:?}");
            assert_eq!(rule.to_string(), text);
        }
    }
}
