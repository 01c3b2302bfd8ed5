mod before;
mod capture;
mod check;
mod copy;
mod drill;
mod job;
mod keep;
mod service;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;
use toml::de::DeTable;

use super::error::{ConfigError, Source, nearest};
pub use before::Before;
pub use capture::PostgresDump;
pub use check::{Check, Kind, Number};
pub use copy::CopyTarget;
pub use drill::Drill;
pub use job::{Job, Retry};
pub use keep::Keep;
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
    /// From one backup to the next. Without it, `cron` and `at_wake` only when asked for.
    #[schemars(with = "Option<String>")]
    pub every: Option<Spanned<String>>,
    /// Minute, hour, day of month, month, day of week: `0 3 * * *`. Instead of `every`.
    #[schemars(with = "Option<String>")]
    pub cron: Option<Spanned<String>>,
    /// The time zone of `cron`, such as `Europe/Berlin`. Default: the system's.
    #[schemars(with = "Option<String>")]
    pub timezone: Option<Spanned<String>>,
    /// Also a backup after the machine has slept for ten minutes or more.
    #[serde(default)]
    pub at_wake: bool,
    /// Default: twice the longest time between two backups by the schedule, else 7d.
    #[schemars(with = "Option<String>")]
    pub stale_after: Option<Spanned<String>>,
    /// Names or globs below `source` whose class is told wrong: `"feed.txt" = "log"`.
    #[serde(default)]
    pub classes: BTreeMap<String, super::resolved::FileClass>,
    /// Databases of a PostgreSQL server that belong into each restore point.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, PostgresDump>")]
    pub postgres: BTreeMap<Spanned<String>, PostgresDump>,
    /// How long a backup waits for a job that runs. Default: 10m.
    #[schemars(with = "Option<String>")]
    pub wait_for_jobs: Option<Spanned<String>>,
    /// Whether the services may be stopped for a copy that does not succeed while they run.
    #[serde(default)]
    pub quiesce: bool,
    /// When the rows of a restore point are believable.
    #[serde(default)]
    pub verify: Verify,
    /// How restores are rehearsed.
    #[serde(default)]
    pub drill: Drill,
    /// Which restore points stay.
    #[schemars(with = "Option<Keep>")]
    pub keep: Option<Spanned<Keep>>,
    /// Copies of the verified restore points in other places.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, CopyTarget>")]
    pub copy: BTreeMap<Spanned<String>, CopyTarget>,
    /// Where a new key is kept. Default `file`: a keychain is locked while nobody is logged in.
    #[serde(default)]
    pub key: crate::key::KeptIn,
    /// Jobs whose runs wait for a restore point.
    pub before: Option<Before>,
    /// Folders with `data-YYYYMMDD-HHMMSS`, copies of the data directory that something else made: taken in once, as
    /// restore points of their day.
    #[serde(default)]
    pub import: Vec<String>,
    /// The place of backups at the processor: 0 is as other programs, 19, the default, is last.
    #[schemars(with = "Option<u8>")]
    pub nice: Option<Spanned<i64>>,
    /// `idle`: the disk is read and written only while nobody else wants it. Default `normal`.
    #[serde(default)]
    pub io: super::resolved::IoClass,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Verify {
    /// The share of a table's rows that may be gone since the last verified point. Default `50 %`.
    #[schemars(with = "Option<String>")]
    pub max_loss: Option<Spanned<String>>,
    /// `STORE` or `STORE:TABLE` that may lose all its rows, such as a queue.
    #[serde(default)]
    pub may_shrink: Vec<String>,
    /// Each a list of `STORE:TABLE` that must have equally many rows.
    #[serde(default)]
    #[schemars(with = "Vec<Vec<String>>")]
    pub equal: Vec<Spanned<Vec<String>>>,
}

pub(super) fn read(table: Spanned<DeTable<'_>>, source: &Source<'_>) -> Result<Raw, ConfigError> {
    Raw::deserialize(toml::Deserializer::from(table)).map_err(|e| complaint(&e, source))
}

/// What the parser, or serde, found wrong.
pub(super) fn complaint(e: &toml::de::Error, source: &Source<'_>) -> ConfigError {
    let message = e.message().trim().to_owned();
    let hint = suggestion(&message);
    source.error(&e.span().unwrap_or(0..0), message, hint)
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
    let mut schema = schemars::schema_for!(Raw);
    let head = schemars::schema_for!(super::preset::Head).to_value();
    let of_head = head.get("properties").and_then(serde_json::Value::as_object).cloned().unwrap_or_default();
    if let Some(properties) = schema.get_mut("properties").and_then(serde_json::Value::as_object_mut) {
        properties.extend(of_head);
    }
    schema
}
