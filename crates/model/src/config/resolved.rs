//! What the rest of Steady works with.

mod before;
mod capture;
mod check;
mod copy;
mod drill;
mod job;
mod keep;
mod priority;
mod verification;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::error::Place;
use crate::depend::Dependency;
use crate::job::Schedule;
use crate::liveness::Liveness;
use crate::service::RestartPolicy;
pub use before::BeforeJobs;
pub use capture::{Capture, FileClass, PostgresDump};
pub use check::{
    Check, CheckKind, Count, Database, Free, OutboxLimits, PostgresServer, Predicate, Probe, RedisServer,
    SqliteLimits,
};
pub use copy::{CopyPlace, CopyTarget};
pub use drill::{Canary, DATA, Drill, DrillBackend, PORT};
pub use job::Job;
pub use keep::Keep;
pub use priority::{IoClass, Priority};
pub use verification::Verification;

#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Where the panel and `/health` listen; always loopback.
    pub listen: SocketAddr,
    /// After a wake, liveness is not judged for this long (awake).
    pub wake_settle: Duration,
    pub services: Vec<Service>,
    pub checks: Vec<Check>,
    pub jobs: Vec<Job>,
    pub log_files: Vec<LogFile>,
    pub backup: Option<Backup>,
    pub required_paths: Vec<RequiredPath>,
}

/// A path that must exist before anything starts, with where it is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequiredPath {
    pub path: PathBuf,
    /// As typed, e.g. `service.brain.cwd`.
    pub key: String,
    pub at: Place,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    pub name: String,
    pub manager: Manager,
    /// Program and arguments; never a shell string. The program is looked up in `PATH` when it has no `/`.
    /// Empty for a definition of the user's own in launchd or systemd.
    pub command: Vec<String>,
    pub cwd: PathBuf,
    pub env: Env,
    pub port: Option<u16>,
    pub restart: RestartPolicy,
    pub oneshot: bool,
    pub success_codes: Vec<i32>,
    pub stop_signal: StopSignal,
    pub stop_grace: Duration,
    pub ready: Readiness,
    pub ready_timeout: Duration,
    pub liveness: Option<Liveness>,
    pub depends_on: Vec<Dependency>,
    /// All its processes together may use this much memory, bytes.
    pub memory_limit: Option<u64>,
    /// The machine does not go to sleep by itself while it runs.
    pub keep_awake: bool,
    pub log: Rotation,
}

impl Service {
    /// A service of Steady's own with all else as when it is left out of the file.
    pub fn child(name: impl Into<String>, command: Vec<String>, cwd: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            manager: Manager::Child,
            command,
            cwd: cwd.into(),
            env: Env::default(),
            port: None,
            restart: RestartPolicy::default(),
            oneshot: false,
            success_codes: Vec::new(),
            stop_signal: StopSignal::default(),
            stop_grace: Duration::from_secs(10),
            ready: Readiness::Started,
            ready_timeout: Duration::from_secs(30),
            liveness: None,
            depends_on: Vec::new(),
            memory_limit: None,
            keep_awake: false,
            log: Rotation::default(),
        }
    }
}

/// Who owns the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Manager {
    /// Steady itself.
    Child,
    /// launchd, in the user's session. `unit` is the label of a job of the user's own; without it Steady
    /// generates one.
    Launchd { unit: Option<String> },
    /// `systemd --user`; `unit` likewise.
    Systemd { unit: Option<String> },
}

/// What is added to a minimal inherited environment (PATH, HOME, USER, LANG, TMPDIR).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Env {
    pub vars: BTreeMap<String, String>,
    /// Files of `NAME=value` lines, read at each start; later ones win, `vars` win over all.
    pub files: Vec<PathBuf>,
    /// Looked up at each start; never shown, stored or logged. They win over everything.
    pub secrets: BTreeMap<String, SecretRef>,
}

/// Where a secret is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretRef {
    /// The whole file, without a line end at its end. Nobody else may read it.
    File(PathBuf),
    /// A variable of an environment file that another program reads too, such as the `.env` of a compose project.
    EnvFile { path: PathBuf, variable: String },
    /// A generic password of the login keychain (macOS) or the Secret Service (Linux).
    Keychain { service: String, account: Option<String> },
}

#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize, serde::Serialize, schemars::JsonSchema,
)]
#[serde(rename_all = "UPPERCASE")]
pub enum StopSignal {
    #[default]
    Term,
    Int,
    Quit,
    Hup,
}

/// What makes a started service ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// It runs.
    Started,
    /// The port accepts connections.
    Tcp { port: u16 },
    /// The URL answers with a 2xx.
    Http { url: String },
    /// A line of this run's output matches.
    Log { pattern: String },
    /// The command, in the service's directory and environment, ends with 0.
    Command { command: Vec<String> },
    /// This much awake time has passed.
    Delay { delay: Duration },
}

/// Log rotation: the sink starts a new file at `max_bytes` or `max_age`, whichever comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Rotation {
    pub max_bytes: u64,
    /// Old files that are kept.
    pub keep: u32,
    /// From a file's first line to its last.
    #[serde(default)]
    pub max_age: Option<Duration>,
    /// All files together; the oldest go first. `None` is bounded by `max_bytes` and `keep` alone.
    #[serde(default)]
    pub total_bytes: Option<u64>,
    /// Whether old files are compressed (zstd).
    #[serde(default)]
    pub compress: bool,
}

impl Default for Rotation {
    fn default() -> Self {
        Self { max_bytes: 10_000_000, keep: 5, max_age: None, total_bytes: None, compress: true }
    }
}

/// A log that another program writes: rotated only while nobody has it open for writing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFile {
    pub name: String,
    pub path: PathBuf,
    pub rotation: Rotation,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Backup {
    /// The data directory: backed up whole and replaced whole by a restore.
    pub source: PathBuf,
    /// File names and globs below `source` that are left out (logs, markers).
    pub exclude: Vec<String>,
    /// `None` is the default place in Steady's own state folder.
    pub repository: Option<PathBuf>,
    /// Services that write there: stopped for a restore, in this order.
    pub services: Vec<String>,
    /// `None` is only when asked for.
    pub schedule: Option<Schedule>,
    /// How old the newest verified point may be before the dot turns amber.
    pub stale_after: Duration,
    pub capture: Capture,
    pub verify: Verification,
    pub drill: Drill,
    pub keep: Keep,
    /// Sorted by name.
    pub copies: Vec<CopyTarget>,
    /// Where a new key is kept; an old one stays where it is.
    pub key: crate::key::KeptIn,
    pub priority: Priority,
    pub before: Option<BeforeJobs>,
    /// Folders with copies that something else made before Steady; taken in once.
    pub import: Vec<PathBuf>,
}
