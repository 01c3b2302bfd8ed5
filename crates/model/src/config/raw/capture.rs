use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

/// A database of a PostgreSQL server, dumped into each restore point.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PostgresDump {
    /// `postgres://user@127.0.0.1:5432/database`, without the password.
    #[schemars(with = "String")]
    pub url: Spanned<String>,
    /// `file:PATH`, `env_file:PATH#NAME` or `keychain:SERVICE/ACCOUNT`.
    #[schemars(with = "Option<String>")]
    pub password: Option<Spanned<String>>,
    /// Default: `["pg_dump"]`. In a container: `["docker", "exec", "-i", "NAME", "pg_dump"]`.
    #[schemars(with = "Option<Vec<String>>")]
    pub program: Option<Spanned<Vec<String>>>,
    /// Drills load the dump into a scratch database of this server, count its rows and drop it. Default: false.
    pub drill: Option<bool>,
    /// Another server for that; its database is only connected to. Implies `drill`.
    #[schemars(with = "Option<String>")]
    pub drill_url: Option<Spanned<String>>,
    /// `file:PATH`, `env_file:PATH#NAME` or `keychain:SERVICE/ACCOUNT`, of `drill_url`.
    #[schemars(with = "Option<String>")]
    pub drill_password: Option<Spanned<String>>,
}
