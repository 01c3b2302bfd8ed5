use std::time::Duration;

use toml::Spanned;

use super::Context;
use crate::config::error::ConfigError;
use crate::config::raw;
use crate::config::resolved::{Capture, PostgresDump, PostgresServer};

impl Context<'_> {
    pub(super) fn capture(&mut self, raw: &raw::Backup) -> Result<Capture, ConfigError> {
        let mut postgres = std::collections::BTreeMap::new();
        for (name, dump) in &raw.postgres {
            self.check_name("database", name)?;
            postgres.insert(name.get_ref().clone(), self.dump(name.get_ref(), dump)?);
        }
        Ok(Capture {
            classes: raw.classes.clone(),
            postgres,
            wait_for_jobs: self.duration(
                "backup.wait_for_jobs",
                raw.wait_for_jobs.as_ref(),
                Duration::from_secs(600),
            )?,
            quiesce: raw.quiesce,
        })
    }

    fn dump(&mut self, name: &str, raw: &raw::PostgresDump) -> Result<PostgresDump, ConfigError> {
        let key = |k: &str| format!("backup.postgres.{name}.{k}");
        let server = self.postgres_at(&key, &raw.url, raw.password.as_ref())?;
        let program = match &raw.program {
            None => vec!["pg_dump".to_owned()],
            Some(typed) => self.dump_program(&key("program"), typed)?,
        };
        let drill = self.dump_drill(name, raw, &server)?;
        Ok(PostgresDump { server, program, drill })
    }

    fn dump_drill(
        &mut self,
        name: &str,
        raw: &raw::PostgresDump,
        own: &PostgresServer,
    ) -> Result<Option<PostgresServer>, ConfigError> {
        let key = |k: &str| format!("backup.postgres.{name}.drill_{k}");
        let password = raw.drill_password.as_ref();
        match (&raw.drill_url, password) {
            (Some(url), _) => {
                let server = self.postgres_at(&key, url, password)?;
                Ok(Some(server).filter(|_| raw.drill != Some(false)))
            }
            (None, Some(typed)) => {
                Err(self.bad(typed, format!("{} is for {}; name that too", key("password"), key("url"))))
            }
            (None, None) => Ok(Some(own.clone()).filter(|_| raw.drill == Some(true))),
        }
    }

    fn dump_program(&self, key: &str, typed: &Spanned<Vec<String>>) -> Result<Vec<String>, ConfigError> {
        let words = typed.get_ref();
        if words.last().is_some_and(|last| last.rsplit('/').next() == Some("pg_dump")) {
            return Ok(words.clone());
        }
        Err(self.bad(
            typed,
            format!("{key} must end in pg_dump, such as [\"docker\", \"exec\", \"-i\", \"db\", \"pg_dump\"]"),
        ))
    }
}
