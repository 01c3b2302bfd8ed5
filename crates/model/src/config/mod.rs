//! `steady.toml`: layers (the user's file over the preset it names) → raw (as typed) → resolved (checked, absolute, nothing optional that has a default).
//!
//! Pure: `parse` takes the text and the directories that paths start from. Whether a path exists is asked
//! by the shell through [`Config::required_paths`], which names the line of each.

mod diff;
mod error;
mod origin;
mod preset;
mod raw;
mod resolve;
mod resolved;

pub use diff::diff;
pub use error::{ConfigError, Place};
pub use origin::{Origin, Setting, places_of_checks, settings};
pub use preset::{Preset, Variable, preset_path, presets};
pub use raw::json_schema;
pub use resolved::{
    Backup, BeforeJobs, Canary, Capture, Check, CheckKind, Config, CopyPlace, CopyTarget, Count, Database,
    Drill, DrillBackend, Env, FileClass, Free, IoClass, Job, Keep, LogFile, Manager, OutboxLimits,
    PostgresDump, PostgresServer, Predicate, Priority, Probe, Readiness, RedisServer, RequiredPath, Rotation,
    SecretRef, Service, SqliteLimits, StopSignal, Verification,
};

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

/// The version of the format that this Steady reads.
pub const FORMAT_VERSION: u32 = 1;
/// Where the panel and `/health` listen unless told otherwise.
pub const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 7457);

/// Where typed paths start.
#[derive(Debug, Clone, Copy)]
pub struct Roots<'a> {
    /// The folder of the configuration file; absolute.
    pub base: &'a Path,
    /// What `~/` stands for.
    pub user_home: Option<&'a Path>,
}

/// Reads a configuration. `path` names the file in errors.
pub fn parse(text: &str, path: &Path, roots: Roots<'_>) -> Result<Config, ConfigError> {
    let layers = preset::Layers::read(text, path)?;
    let (table, source) = layers.merged(&roots)?;
    resolve::resolve(raw::read(table, &source)?, &source, &roots)
}
