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
    /// `file:PATH` or `keychain:SERVICE/ACCOUNT`.
    #[schemars(with = "Option<String>")]
    pub password: Option<Spanned<String>>,
    /// Default: `["pg_dump"]`. In a container: `["docker", "exec", "-i", "NAME", "pg_dump"]`.
    #[schemars(with = "Option<Vec<String>>")]
    pub program: Option<Spanned<Vec<String>>>,
}
