use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

/// A rehearsal of the restore: a point restored to a folder of its own, opened, and the backend started on it.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Drill {
    /// How often. Default: only when asked for.
    #[schemars(with = "Option<String>")]
    pub every: Option<Spanned<String>>,
    /// The service to start on the restored data, at another port. Its command or its `env` must name the data
    /// directory and the port.
    #[schemars(with = "Option<String>")]
    pub service: Option<Spanned<String>>,
    /// Instead of `service`: program and arguments, with `{data}` and `{port}` where the restored data and the
    /// port go.
    #[schemars(with = "Option<Vec<String>>")]
    pub command: Option<Spanned<Vec<String>>>,
    /// With `command`: where it runs; may hold `{data}`. Default: the folder of this file.
    #[schemars(with = "Option<String>")]
    pub cwd: Option<Spanned<String>>,
    /// Added to the environment; may hold `{data}` and `{port}`.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Path of its url that must answer with 200. Default `/health`.
    #[schemars(with = "Option<String>")]
    pub health: Option<Spanned<String>>,
    /// How long it may take until it answers there. Default 60s.
    #[schemars(with = "Option<String>")]
    pub ready_timeout: Option<Spanned<String>>,
    /// One more question, whose answer shows that the data are there.
    pub canary: Option<Canary>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Canary {
    /// Path of the backend's url, with its query: `/api/v1/notes?limit=1`.
    #[schemars(with = "String")]
    pub path: Spanned<String>,
    /// Dotted path into the JSON answer → the value it must have, as for a check of kind `http`.
    #[serde(default)]
    #[schemars(with = "Option<BTreeMap<String, String>>")]
    pub body: Option<Spanned<BTreeMap<String, String>>>,
}
