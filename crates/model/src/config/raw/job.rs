use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

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
    /// Name → `file:PATH`, `env_file:PATH#NAME` or `keychain:SERVICE[/ACCOUNT]`.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, String>")]
    pub secrets: BTreeMap<String, Spanned<String>>,
    /// Default 10m. The whole process group is ended after it.
    #[schemars(with = "Option<String>")]
    pub timeout: Option<Spanned<String>>,
    /// From one start to the next. Without it, `cron` and `at_wake` the job runs by hand only.
    #[schemars(with = "Option<String>")]
    pub every: Option<Spanned<String>>,
    /// Minute, hour, day of month, month, day of week: `0 21 * * *`. Instead of `every`.
    #[schemars(with = "Option<String>")]
    pub cron: Option<Spanned<String>>,
    /// The time zone of `cron`, such as `Europe/Berlin`. Default: the system's.
    #[schemars(with = "Option<String>")]
    pub timezone: Option<Spanned<String>>,
    /// Also a run after the machine has slept for ten minutes or more.
    #[serde(default)]
    pub at_wake: bool,
    /// Tries of a scheduled run that failed. Default: none.
    pub retry: Option<Retry>,
    /// Regular expressions: a line of output that matches one makes the run partial.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub partial: Vec<Spanned<String>>,
    /// The `command` that `sync_complete` tells of a run of the whole job; any other is a part of it.
    pub whole: Option<String>,
    /// The log of a job that runs elsewhere, followed for its milestones.
    #[schemars(with = "Option<String>")]
    pub output: Option<Spanned<String>>,
    /// How late, in time that the machine is awake, a run may be. Default 30m.
    #[schemars(with = "Option<String>")]
    pub late_after: Option<Spanned<String>>,
    /// The directory of `.sync_completed` and `.sync_failed`.
    #[schemars(with = "String")]
    pub markers: Spanned<String>,
    /// The age at which the last success is too old. Default: by the schedule; 25h without one.
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
pub struct Retry {
    /// Tries of one slot, the first included. Default 3.
    #[schemars(with = "Option<u32>")]
    pub attempts: Option<Spanned<u32>>,
    /// Before the second try; doubled for each further one, up to 1h. Default 1m.
    #[schemars(with = "Option<String>")]
    pub delay: Option<Spanned<String>>,
}
