use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use crate::config::resolved::StopSignal;
use crate::depend::Condition;
use crate::service::RestartPolicy;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Program and arguments. No shell is involved. Left out only with `unit`.
    #[schemars(with = "Option<Vec<String>>")]
    pub command: Option<Spanned<Vec<String>>>,
    /// Who owns the process. Default `child`: Steady itself.
    #[serde(default)]
    pub manager: ManagerKind,
    /// With `launchd` or `systemd`: a job or unit of your own that Steady is to manage, by its name.
    #[schemars(with = "Option<String>")]
    pub unit: Option<Spanned<String>>,
    /// Working directory. Default: the folder of this file.
    #[schemars(with = "Option<String>")]
    pub cwd: Option<Spanned<String>>,
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Files of `NAME=value` lines, read at each start; later ones win, `env` wins over all.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub env_file: Vec<Spanned<String>>,
    /// Variables whose values are kept elsewhere and shown nowhere: name → `file:PATH`,
    /// `env_file:PATH#NAME` or `keychain:SERVICE[/ACCOUNT]`.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, String>")]
    pub secrets: BTreeMap<String, Spanned<String>>,
    /// The TCP port it listens on, 1 to 65535.
    #[schemars(with = "Option<u16>")]
    pub port: Option<Spanned<i64>>,
    /// Default: `always`, with `oneshot` `on-failure`.
    pub restart: Option<RestartPolicy>,
    /// It does its work and ends, such as a migration.
    #[serde(default)]
    pub oneshot: bool,
    /// Exit codes beside 0 that are a clean end.
    #[serde(default)]
    pub success_codes: Vec<i32>,
    #[serde(default)]
    pub stop_signal: StopSignal,
    /// From the stop signal to KILL. Default 10s.
    #[schemars(with = "Option<String>")]
    pub stop_grace: Option<Spanned<String>>,
    #[serde(default)]
    pub ready: Ready,
    /// Restart it when its check fails again and again.
    pub liveness: Option<Liveness>,
    /// Services to wait for before a start: a list (until they are ready), or a table of service →
    /// `started`, `ready` or `completed`.
    #[schemars(with = "Option<Depends>")]
    pub depends_on: Option<Spanned<Depends>>,
    /// All its processes together; above it, it is restarted.
    #[schemars(with = "Option<String>")]
    pub memory_limit: Option<Spanned<String>>,
    /// Keep the machine from going to sleep by itself while it runs.
    #[serde(default)]
    pub keep_awake: bool,
    #[serde(default)]
    pub log: Log,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ManagerKind {
    #[default]
    Child,
    Launchd,
    Systemd,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Liveness {
    /// The check that is asked.
    #[schemars(with = "String")]
    pub check: Spanned<String>,
    /// Failures in a row. Default 3.
    pub failures: Option<u32>,
    /// Not judged for this long after it became ready. Default 30s.
    #[schemars(with = "Option<String>")]
    pub grace: Option<Spanned<String>>,
}

#[derive(Debug, JsonSchema)]
#[serde(untagged)]
pub enum Depends {
    Ready(Vec<String>),
    On(BTreeMap<String, Condition>),
}

// By hand: serde's own untagged enum would answer a wrong word with no word of what is right.
impl<'de> Deserialize<'de> for Depends {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct ListOrTable;
        impl<'de> serde::de::Visitor<'de> for ListOrTable {
            type Value = Depends;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a list of services, or a table of service and `started`, `ready` or `completed`")
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, seq: A) -> Result<Depends, A::Error> {
                Vec::deserialize(serde::de::value::SeqAccessDeserializer::new(seq)).map(Depends::Ready)
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<Depends, A::Error> {
                BTreeMap::deserialize(serde::de::value::MapAccessDeserializer::new(map)).map(Depends::On)
            }
        }
        from.deserialize_any(ListOrTable)
    }
}

/// What makes a started service ready: one of these, or none (it runs).
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ready {
    /// This URL answers with a 2xx.
    #[schemars(with = "Option<String>")]
    pub http: Option<Spanned<String>>,
    /// This port accepts connections.
    #[schemars(with = "Option<u16>")]
    pub tcp: Option<Spanned<i64>>,
    /// A line of its output matches this regular expression.
    #[schemars(with = "Option<String>")]
    pub log: Option<Spanned<String>>,
    /// This command ends with 0; it is tried until then.
    #[schemars(with = "Option<Vec<String>>")]
    pub command: Option<Spanned<Vec<String>>>,
    /// This much time has passed.
    #[schemars(with = "Option<String>")]
    pub delay: Option<Spanned<String>>,
    /// Default 30s; after it the service is degraded.
    #[schemars(with = "Option<String>")]
    pub timeout: Option<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// A new file is begun at this size. Default 10 MB.
    #[schemars(with = "Option<String>")]
    pub max_size: Option<Spanned<String>>,
    /// Old files that are kept. Default 5.
    pub keep: Option<u32>,
    /// A new file is begun at this age, too.
    #[schemars(with = "Option<String>")]
    pub max_age: Option<Spanned<String>>,
    /// All files together; the oldest go first.
    #[schemars(with = "Option<String>")]
    pub total: Option<Spanned<String>>,
    /// Compress old files. Default true.
    pub compress: Option<bool>,
}
