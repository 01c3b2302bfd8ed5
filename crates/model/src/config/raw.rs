mod check;
mod service;

use std::collections::BTreeMap;
use std::path::Path;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::error::{ConfigError, Source, nearest};
pub use check::{Check, Kind, Number};
pub use service::{Depends, Liveness, Log, ManagerKind, Ready, Service};

/// `steady.toml` as typed. Relative paths start at the folder of the file; durations are written like
/// `10s` or `2h 30m`, sizes like `5 GB`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Raw {
    /// The version of this format: 1.
    #[schemars(with = "u32")]
    pub version: Spanned<u32>,
    #[serde(default)]
    pub agent: Agent,
    /// The processes that Steady keeps running.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Service>")]
    pub service: BTreeMap<Spanned<String>, Service>,
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Check>")]
    pub check: BTreeMap<Spanned<String>, Check>,
    /// Work that runs now and then, such as a sync.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Job>")]
    pub job: BTreeMap<Spanned<String>, Job>,
    /// Logs that other programs write.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, LogFile>")]
    pub logfile: BTreeMap<Spanned<String>, LogFile>,
    pub backup: Option<Backup>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Agent {
    /// Loopback address and port of the panel and of `/health`. Default `127.0.0.1:7457`; port 0 takes any.
    #[schemars(with = "Option<String>")]
    pub listen: Option<Spanned<String>>,
    /// After the machine woke, services are not restarted for failing checks for this long. Default 30s.
    #[schemars(with = "Option<String>")]
    pub wake_settle: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// Without it the job runs elsewhere, and Steady follows its markers.
    #[schemars(with = "Option<Vec<String>>")]
    pub command: Option<Spanned<Vec<String>>>,
    #[schemars(with = "Option<String>")]
    pub cwd: Option<Spanned<String>>,
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Files of `NAME=value` lines.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub env_file: Vec<Spanned<String>>,
    /// Name → `file:PATH` or `keychain:SERVICE[/ACCOUNT]`.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, String>")]
    pub secrets: BTreeMap<String, Spanned<String>>,
    /// Default 10m.
    #[schemars(with = "Option<String>")]
    pub timeout: Option<Spanned<String>>,
    /// From one start to the next. Without it the job runs by hand only.
    #[schemars(with = "Option<String>")]
    pub every: Option<Spanned<String>>,
    /// The directory of `.sync_completed` and `.sync_failed`.
    #[schemars(with = "String")]
    pub markers: Spanned<String>,
    /// The age at which the last success is too old. Default: twice `every`, else 25h.
    #[schemars(with = "Option<String>")]
    pub stale_after: Option<Spanned<String>>,
    /// The lock file that a run holds. Default: `.sync_lock` in `markers`.
    #[schemars(with = "Option<String>")]
    pub lock: Option<Spanned<String>>,
    /// Services that it keeps busy: not restarted for failing checks while it runs.
    #[schemars(with = "Option<Vec<String>>")]
    pub busy: Option<Spanned<Vec<String>>>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogFile {
    #[schemars(with = "String")]
    pub path: Spanned<String>,
    /// Sizes and numbers as for a service's log.
    #[serde(default)]
    pub rotate: Log,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Backup {
    /// The data directory: backed up whole, and replaced whole by a restore.
    #[schemars(with = "String")]
    pub source: Spanned<String>,
    /// File names and globs below `source` that are left out.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// Default: in Steady's own state folder.
    #[schemars(with = "Option<String>")]
    pub repository: Option<Spanned<String>>,
    /// Services that write to `source`: stopped for a restore. Default: all.
    #[schemars(with = "Option<Vec<String>>")]
    pub services: Option<Spanned<Vec<String>>>,
    #[schemars(with = "Option<String>")]
    pub every: Option<Spanned<String>>,
    /// Default: twice `every`, else 7d.
    #[schemars(with = "Option<String>")]
    pub stale_after: Option<Spanned<String>>,
}

pub(super) fn read(text: &str, path: &Path) -> Result<Raw, ConfigError> {
    let source = Source { text, path };
    toml::from_str(text).map_err(|e| {
        let message = e.message().trim().to_owned();
        let hint = suggestion(&message);
        source.error(&e.span().unwrap_or(0..0), message, hint)
    })
}

/// serde's words for an unknown name put it and all valid ones in backticks, the unknown one first.
fn suggestion(message: &str) -> Option<String> {
    if !message.starts_with("unknown ") {
        return None;
    }
    let mut names = message.split('`').skip(1).step_by(2);
    let typed = names.next()?;
    nearest(typed, names).map(|name| format!("did you mean `{name}`?"))
}

/// The JSON Schema of `steady.toml`, for editors.
pub fn json_schema() -> schemars::Schema {
    schemars::schema_for!(Raw)
}
