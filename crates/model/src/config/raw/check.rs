use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use crate::check::Severity;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Http,
    Tcp,
    Process,
    Port,
    Path,
    Variable,
    Disk,
    Marker,
    Command,
    Log,
    Sqlite,
    Equality,
    Count,
    Postgres,
    Outbox,
    Redis,
    Ollama,
    Docker,
    Usage,
}

/// Which keys a kind takes is said at each key.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Check {
    #[schemars(with = "Kind")]
    pub kind: Spanned<Kind>,
    /// `http`, `ollama`: the address to GET. `postgres`, `outbox`, `count`: `postgres://user@host:port/database`,
    /// without the password.
    #[schemars(with = "Option<String>")]
    pub url: Option<Spanned<String>>,
    /// `postgres`, `outbox`, `count`, `redis`: `file:PATH`, `env_file:PATH#NAME` or `keychain:SERVICE[/ACCOUNT]`.
    #[schemars(with = "Option<String>")]
    pub password: Option<Spanned<String>>,
    /// `http`: status codes that pass. Default 200.
    #[schemars(with = "Option<Vec<u16>>")]
    pub status: Option<Spanned<Vec<u16>>>,
    /// `http`: dotted path into the JSON answer → the value it must have. Alternatives by `|`, `*` for any text, a
    /// leading `!` for anything but.
    #[schemars(with = "Option<BTreeMap<String, String>>")]
    pub body: Option<Spanned<BTreeMap<String, String>>>,
    /// `http`: the same; what does not hold is a warning.
    #[schemars(with = "Option<BTreeMap<String, String>>")]
    pub warn_body: Option<Spanned<BTreeMap<String, String>>>,
    /// `http`, `tcp`: an answer that takes longer is a warning.
    #[schemars(with = "Option<String>")]
    pub slow: Option<Spanned<String>>,
    /// `tcp`, `redis`: `host:port`.
    #[schemars(with = "Option<String>")]
    pub address: Option<Spanned<String>>,
    /// `process`, `port`: a part of the command line.
    #[schemars(with = "Option<String>")]
    pub process: Option<Spanned<String>>,
    /// `port`: which.
    #[schemars(with = "Option<i64>")]
    pub port: Option<Spanned<i64>>,
    /// `path` and `disk`: the directory. `marker`, `log`, `sqlite`, `count`, `outbox`: the file.
    #[schemars(with = "Option<String>")]
    pub path: Option<Spanned<String>>,
    /// `variable`: its name.
    #[schemars(with = "Option<String>")]
    pub variable: Option<Spanned<String>>,
    /// `variable`: environment files, and property lists of launchd (`.plist`), that may say it.
    #[schemars(with = "Option<Vec<String>>")]
    pub files: Option<Spanned<Vec<String>>>,
    /// `variable`: whether it names a directory that is readable and not empty. Default false.
    #[schemars(with = "Option<bool>")]
    pub directory: Option<Spanned<bool>>,
    /// `disk`: less free space than this is a warning, as a size or a share (`10 %`). Default 5 GB.
    #[schemars(with = "Option<String>")]
    pub warn_below: Option<Spanned<String>>,
    /// `disk`: less free space than this is a failure. Default 1 GB.
    #[schemars(with = "Option<String>")]
    pub fail_below: Option<Spanned<String>>,
    /// `marker`: how old it may be. `redis`: how long ago it may have been saved.
    #[schemars(with = "Option<String>")]
    pub max_age: Option<Spanned<String>>,
    /// `command`: a program and its arguments.
    #[schemars(with = "Option<Vec<String>>")]
    pub command: Option<Spanned<Vec<String>>>,
    /// `command`: where it runs.
    #[schemars(with = "Option<String>")]
    pub cwd: Option<Spanned<String>>,
    /// `log`: a regular expression.
    #[schemars(with = "Option<String>")]
    pub pattern: Option<Spanned<String>>,
    /// `log`: how long a line that matches counts. Default 5m.
    #[schemars(with = "Option<String>")]
    pub window: Option<Spanned<String>>,
    /// `sqlite`: a larger `-wal` file is a warning. Default 256 MB.
    #[schemars(with = "Option<String>")]
    pub max_wal: Option<Spanned<String>>,
    /// `sqlite`: how often the whole is checked. Default 24h.
    #[schemars(with = "Option<String>")]
    pub deep: Option<Spanned<String>>,
    /// `count`: SQL whose first column is the number.
    #[schemars(with = "Option<String>")]
    pub query: Option<Spanned<String>>,
    /// `equality`: where the one number comes from.
    #[schemars(with = "Option<Number>")]
    pub left: Option<Spanned<Number>>,
    /// `equality`: and the other.
    #[schemars(with = "Option<Number>")]
    pub right: Option<Spanned<Number>>,
    /// `equality`: how far apart they may be. Default 0.
    #[schemars(with = "Option<u64>")]
    pub tolerance: Option<Spanned<u64>>,
    /// `count`: a fall by this share is a failure. Default `50 %`.
    #[schemars(with = "Option<String>")]
    pub collapse: Option<Spanned<String>>,
    /// `outbox`: its name. Default `outbox`.
    #[schemars(with = "Option<String>")]
    pub table: Option<Spanned<String>>,
    /// `outbox`: more waiting events than this are a warning. Default 100.
    #[schemars(with = "Option<u64>")]
    pub pending: Option<Spanned<u64>>,
    /// `outbox`: a longer wait of the oldest event is a warning. Default 300s.
    #[schemars(with = "Option<String>")]
    pub oldest: Option<Spanned<String>>,
    /// `redis`: graphs of FalkorDB that must not be empty.
    #[schemars(with = "Option<Vec<String>>")]
    pub graphs: Option<Spanned<Vec<String>>>,
    /// `redis`: the directory that it must keep its files in.
    #[schemars(with = "Option<String>")]
    pub data_dir: Option<Spanned<String>>,
    /// `ollama`: the model that must be there.
    #[schemars(with = "Option<String>")]
    pub model: Option<Spanned<String>>,
    /// `ollama`: whether to ask for a tiny embedding now and then, while it is idle. Default false.
    #[schemars(with = "Option<bool>")]
    pub embed: Option<Spanned<bool>>,
    /// `docker`: the socket of the engine. Default: the usual places.
    #[schemars(with = "Option<String>")]
    pub socket: Option<Spanned<String>>,
    /// `docker`: the compose project.
    #[schemars(with = "Option<String>")]
    pub project: Option<Spanned<String>>,
    /// `docker`: its services that must run. Default: all that were ever created.
    #[schemars(with = "Option<Vec<String>>")]
    pub services: Option<Spanned<Vec<String>>>,
    /// `usage`: more memory than this is a warning.
    #[schemars(with = "Option<String>")]
    pub memory_above: Option<Spanned<String>>,
    /// `usage`: more processor than this share of one core (`80 %`) is a warning.
    #[schemars(with = "Option<String>")]
    pub cpu_above: Option<Spanned<String>>,
    /// `command`: what is added to its environment.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Default 10s (`http`, `tcp`, `process`, `port`, `redis`, `outbox`), 60s (`disk`, `command`, `count`, `equality`),
    /// else 30s.
    #[schemars(with = "Option<String>")]
    pub interval: Option<Spanned<String>>,
    /// Default 3s; 30s for `command`, `sqlite`, `count` and `equality`.
    #[schemars(with = "Option<String>")]
    pub timeout: Option<Spanned<String>>,
    #[serde(default)]
    pub severity: Severity,
    /// Failures in a row before the verdict worsens. Default 3.
    pub worsen: Option<u32>,
    /// Passes in a row before it improves. Default 2.
    pub improve: Option<u32>,
    /// The service whose trouble explains this check's.
    #[schemars(with = "Option<String>")]
    pub service: Option<Spanned<String>>,
    /// Checks whose trouble explains this check's.
    #[schemars(with = "Option<Vec<String>>")]
    pub depends_on: Option<Spanned<Vec<String>>>,
    /// Failures are not judged for this long after the start. Default 0s.
    #[schemars(with = "Option<String>")]
    pub warm_up: Option<Spanned<String>>,
}

/// Where a number comes from: `path` (SQLite) or `url` (PostgreSQL), and the SQL whose first column it is.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Number {
    #[schemars(with = "Option<String>")]
    pub path: Option<Spanned<String>>,
    #[schemars(with = "Option<String>")]
    pub url: Option<Spanned<String>>,
    #[schemars(with = "Option<String>")]
    pub password: Option<Spanned<String>>,
    #[schemars(with = "String")]
    pub query: Spanned<String>,
}
