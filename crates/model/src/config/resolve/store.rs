use toml::Spanned;

use super::check::Key;
use super::{Context, HOUR, SECOND};
use crate::config::error::ConfigError;
use crate::config::raw::{self, Kind};
use crate::config::resolved::{
    CheckKind, Count, Database, OutboxLimits, PostgresServer, RedisServer, SecretRef, SqliteLimits,
};

impl Context<'_> {
    /// The kinds that ask a database or an engine.
    pub(super) fn store(&mut self, key: Key<'_>, raw: &raw::Check) -> Result<CheckKind, ConfigError> {
        Ok(match raw.kind.get_ref() {
            Kind::Sqlite => CheckKind::Sqlite {
                path: self.checked_path(key, raw)?,
                limits: SqliteLimits {
                    max_wal: self.size(&key("max_wal"), raw.max_wal.as_ref(), 256_000_000)?,
                    deep: self.duration(&key("deep"), raw.deep.as_ref(), 24 * HOUR)?,
                },
            },
            Kind::Equality => CheckKind::Equality {
                left: self.number(key, self.needed(key, raw, "left", raw.left.as_ref())?, "left")?,
                right: self.number(key, self.needed(key, raw, "right", raw.right.as_ref())?, "right")?,
                tolerance: raw.tolerance.as_ref().map_or(0, |t| *t.get_ref()),
            },
            Kind::Count => {
                let query = self.needed(key, raw, "query", raw.query.as_ref())?;
                let query = self.filled(&key("query"), query)?;
                let database = self.checked_database(key, raw)?;
                let collapse = raw.collapse.as_ref().map(|c| self.share(&key("collapse"), c)).transpose()?;
                CheckKind::Count { count: Count { database, query }, collapse: collapse.unwrap_or(0.5) }
            }
            Kind::Postgres => CheckKind::Postgres { server: self.postgres(key, raw)? },
            Kind::Outbox => CheckKind::Outbox {
                database: self.checked_database(key, raw)?,
                table: self
                    .filled_if(&key("table"), raw.table.as_ref())?
                    .unwrap_or_else(|| "outbox".to_owned()),
                limits: OutboxLimits {
                    pending: raw.pending.as_ref().map_or(100, |p| *p.get_ref()),
                    oldest: self.duration(&key("oldest"), raw.oldest.as_ref(), 300 * SECOND)?,
                },
            },
            Kind::Redis => CheckKind::Redis {
                server: RedisServer {
                    address: self.address(key, raw)?,
                    password: self.password(key, raw.password.as_ref())?,
                },
                graphs: raw.graphs.as_ref().map(|g| g.get_ref().clone()).unwrap_or_default(),
                data_dir: raw.data_dir.as_ref().map(|d| self.path(d.get_ref())),
                max_save_age: raw
                    .max_age
                    .as_ref()
                    .map(|a| self.duration(&key("max_age"), Some(a), HOUR))
                    .transpose()?,
            },
            Kind::Ollama => self.ollama(key, raw)?,
            // What is left of the kinds.
            _ => self.docker(key, raw)?,
        })
    }

    fn ollama(&self, key: Key<'_>, raw: &raw::Check) -> Result<CheckKind, ConfigError> {
        let model = self.filled_if(&key("model"), raw.model.as_ref())?;
        if let Some(typed) = raw.embed.as_ref().filter(|embed| *embed.get_ref() && model.is_none()) {
            let what = format!("{} needs {}: which model should embed?", key("embed"), key("model"));
            return Err(self.bad(typed, what));
        }
        Ok(CheckKind::Ollama {
            url: match &raw.url {
                Some(url) => self.url(&key("url"), url)?,
                None => "http://127.0.0.1:11434".to_owned(),
            },
            model,
            embed: raw.embed.as_ref().is_some_and(|e| *e.get_ref()),
        })
    }

    fn docker(&self, key: Key<'_>, raw: &raw::Check) -> Result<CheckKind, ConfigError> {
        let project = self.filled_if(&key("project"), raw.project.as_ref())?;
        if let Some(typed) = raw.services.as_ref().filter(|_| project.is_none()) {
            let what =
                format!("{} needs {}: the services of which project?", key("services"), key("project"));
            return Err(self.bad(typed, what));
        }
        Ok(CheckKind::Docker {
            socket: raw.socket.as_ref().map(|s| self.path(s.get_ref())),
            project,
            services: raw.services.as_ref().map(|s| s.get_ref().clone()).unwrap_or_default(),
        })
    }

    fn password(
        &mut self,
        key: Key<'_>,
        typed: Option<&Spanned<String>>,
    ) -> Result<Option<SecretRef>, ConfigError> {
        typed.map(|t| self.secret(&key("password"), t)).transpose()
    }

    fn postgres(&mut self, key: Key<'_>, raw: &raw::Check) -> Result<PostgresServer, ConfigError> {
        let url = self.needed(key, raw, "url", raw.url.as_ref())?;
        self.postgres_at(key, url, raw.password.as_ref())
    }

    pub(super) fn postgres_at(
        &mut self,
        key: Key<'_>,
        url: &Spanned<String>,
        password: Option<&Spanned<String>>,
    ) -> Result<PostgresServer, ConfigError> {
        let text = url.get_ref();
        let rest = text.strip_prefix("postgres://").or_else(|| text.strip_prefix("postgresql://"));
        let Some(rest) = rest.filter(|rest| !rest.is_empty()) else {
            let what = format!("{} must look like postgres://user@127.0.0.1:5432/database", key("url"));
            return Err(self.bad(url, what));
        };
        // What was typed is not repeated: it may hold the password itself.
        if rest.split_once('@').is_some_and(|(user, _)| user.contains(':')) {
            let what = format!(
                "{} holds a password; put it into {} = \"file:PATH\" or \"keychain:SERVICE\"",
                key("url"),
                key("password")
            );
            return Err(self.bad(url, what));
        }
        Ok(PostgresServer { url: text.clone(), password: self.password(key, password)? })
    }

    fn checked_database(&mut self, key: Key<'_>, raw: &raw::Check) -> Result<Database, ConfigError> {
        self.database(key, &raw.kind, raw.path.as_ref(), raw.url.as_ref(), raw.password.as_ref())
    }

    fn database(
        &mut self,
        key: Key<'_>,
        at: &Spanned<Kind>,
        path: Option<&Spanned<String>>,
        url: Option<&Spanned<String>>,
        password: Option<&Spanned<String>>,
    ) -> Result<Database, ConfigError> {
        match (path, url) {
            (Some(path), None) => {
                self.filled(&key("path"), path)?;
                Ok(Database::Sqlite(self.path(path.get_ref())))
            }
            (None, Some(url)) => Ok(Database::Postgres(self.postgres_at(key, url, password)?)),
            _ => Err(self.bad(
                at,
                format!("either {} (SQLite) or {} (PostgreSQL) must be there", key("path"), key("url")),
            )),
        }
    }

    fn number(
        &mut self,
        key: Key<'_>,
        typed: &Spanned<raw::Number>,
        side: &str,
    ) -> Result<Count, ConfigError> {
        let raw = typed.get_ref();
        let key = |k: &str| key(&format!("{side}.{k}"));
        let at = Spanned::new(typed.span(), Kind::Equality);
        let database =
            self.database(&key, &at, raw.path.as_ref(), raw.url.as_ref(), raw.password.as_ref())?;
        Ok(Count { database, query: self.filled(&key("query"), &raw.query)? })
    }
}
