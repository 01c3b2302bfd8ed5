//! What the rest of Steady works with.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::check::{Severity, Thresholds};
use crate::service::RestartPolicy;

#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Where the panel and `/health` listen; always loopback.
    pub listen: SocketAddr,
    pub services: Vec<Service>,
    pub checks: Vec<Check>,
    pub jobs: Vec<Job>,
    pub backup: Option<Backup>,
    pub required_paths: Vec<RequiredPath>,
}

/// A path that must exist before anything starts, with the line that names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequiredPath {
    pub path: PathBuf,
    /// As typed, e.g. `service.brain.cwd`.
    pub key: String,
    pub line: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    pub name: String,
    /// Program and arguments; never a shell string. The program is looked up in `PATH` when it has no `/`.
    pub command: Vec<String>,
    pub cwd: PathBuf,
    /// Added to a minimal inherited environment (PATH, HOME, USER, LANG, TMPDIR).
    pub env: BTreeMap<String, String>,
    pub port: Option<u16>,
    pub restart: RestartPolicy,
    pub success_codes: Vec<i32>,
    pub stop_signal: StopSignal,
    pub stop_grace: Duration,
    pub ready: Readiness,
    pub ready_timeout: Duration,
    pub log: Rotation,
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
}

/// Log rotation: the sink starts a new file at `max_bytes` and keeps `keep` old ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Rotation {
    pub max_bytes: u64,
    pub keep: u32,
}

impl Default for Rotation {
    fn default() -> Self {
        Self { max_bytes: 10_000_000, keep: 5 }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    pub name: String,
    pub probe: Probe,
    pub kind: CheckKind,
    pub severity: Severity,
    pub thresholds: Thresholds,
    /// The service whose trouble explains this check's.
    pub service: Option<String>,
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
        /// Dotted path into the JSON body → the string form of the value it must have.
        body: BTreeMap<String, String>,
    },
    /// A directory that exists, is readable and not empty.
    Path { path: PathBuf },
    /// Free space on the volume of `path`.
    Disk { path: PathBuf, warn_bytes: u64, fail_bytes: u64 },
}

impl CheckKind {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Http { .. } => "http",
            Self::Path { .. } => "path",
            Self::Disk { .. } => "disk",
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    pub name: String,
    /// `None`: it runs elsewhere, and Steady only follows its markers.
    pub command: Option<Vec<String>>,
    pub cwd: PathBuf,
    pub env: BTreeMap<String, String>,
    pub timeout: Duration,
    /// From one start to the next; `None` is by hand only.
    pub every: Option<Duration>,
    /// The directory of `.sync_completed` and `.sync_failed`.
    pub markers: PathBuf,
    pub stale_after: Duration,
    /// The kernel lock that a run holds.
    pub lock: PathBuf,
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
    pub every: Option<Duration>,
    /// How old the newest verified point may be before the dot turns amber.
    pub stale_after: Duration,
}
