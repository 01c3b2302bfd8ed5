//! The backend of a drill: as typed, or a service with its data directory and its port replaced.

use std::path::{Component, Path, PathBuf};

use toml::Spanned;

use super::check::predicates;
use super::{Context, HOUR, SECOND};
use crate::config::error::ConfigError;
use crate::config::raw;
use crate::config::resolved::{Canary, DATA, Drill, DrillBackend, Env, PORT, Service, StopSignal};

impl Context<'_> {
    pub(super) fn drill(
        &mut self,
        raw: &raw::Drill,
        source: &Path,
        services: &[Service],
    ) -> Result<Drill, ConfigError> {
        let every =
            raw.every.as_ref().map(|e| self.duration("backup.drill.every", Some(e), HOUR)).transpose()?;
        let backend = match (&raw.service, &raw.command) {
            (Some(at), Some(_)) => {
                let what = "backup.drill.service and backup.drill.command exclude each other; keep one";
                return Err(self.bad(at, what.to_owned()));
            }
            (Some(at), None) => Some(self.of_service(at, raw, source, services)?),
            (None, Some(command)) => Some(self.of_command(command, raw)?),
            (None, None) => {
                self.refuse_without_backend(raw)?;
                None
            }
        };
        Ok(Drill { every, backend })
    }

    fn refuse_without_backend(&self, raw: &raw::Drill) -> Result<(), ConfigError> {
        let canary = raw.canary.as_ref().map(|c| (c.path.span(), "canary"));
        let health = raw.health.as_ref().map(|h| (h.span(), "health"));
        match canary.or(health) {
            Some((at, key)) => {
                let what = format!(
                    "backup.drill.{key} asks a backend; name it by backup.drill.service or backup.drill.command"
                );
                Err(self.source.error(&at, what, None))
            }
            None => Ok(()),
        }
    }

    fn of_command(
        &mut self,
        typed: &Spanned<Vec<String>>,
        raw: &raw::Drill,
    ) -> Result<DrillBackend, ConfigError> {
        let command = self.command("backup.drill.command", typed)?;
        let cwd = match &raw.cwd {
            // It is made with each drill.
            Some(cwd) if cwd.get_ref().contains(DATA) => PathBuf::from(cwd.get_ref()),
            cwd => self.cwd("backup.drill.cwd", cwd.as_ref()),
        };
        let env = Env { vars: raw.env.clone(), ..Env::default() };
        let backend = self.backend(command, cwd, env, raw)?;
        for word in [DATA, PORT] {
            if !mentions(&backend, word) {
                let what = format!(
                    "backup.drill.command has no {word}: the drill would not start it on the restored data, \
                     at a port of its own"
                );
                return Err(self.bad(typed, what));
            }
        }
        Ok(backend)
    }

    fn of_service(
        &mut self,
        at: &Spanned<String>,
        raw: &raw::Drill,
        source: &Path,
        services: &[Service],
    ) -> Result<DrillBackend, ConfigError> {
        let names: Vec<&str> = services.iter().map(|s| s.name.as_str()).collect();
        let name = self.reference("backup.drill.service", at, at.get_ref(), &names)?;
        let service = services.iter().find(|s| s.name == name).filter(|s| !s.command.is_empty());
        let Some((service, port)) = service.and_then(|s| Some((s, s.port?))) else {
            let what = format!(
                "backup.drill.service: {name} has no `command` and `port` of its own here; use backup.drill.command"
            );
            return Err(self.bad(at, what));
        };
        let place = Place { source, cwd: &service.cwd, port };
        let mut vars: std::collections::BTreeMap<String, String> =
            service.env.vars.iter().map(|(name, value)| (name.clone(), place.moved(value))).collect();
        vars.extend(raw.env.clone());
        let command = service.command.iter().enumerate();
        let command =
            command.map(|(n, word)| if n == 0 { word.clone() } else { place.moved(word) }).collect();
        let cwd = place.below(&service.cwd).map_or_else(|| service.cwd.clone(), PathBuf::from);
        let env = Env { vars, ..service.env.clone() };
        let backend = self.backend(command, cwd, env, raw)?;
        let backend =
            DrillBackend { stop_signal: service.stop_signal, stop_grace: service.stop_grace, ..backend };
        for (word, meant) in [(DATA, "its data directory"), (PORT, "its port")] {
            if !mentions(&backend, word) {
                let what = format!(
                    "backup.drill.service: neither the command nor `env` of {name} says {meant}, so a drill \
                     cannot give it another one; use backup.drill.command with {{data}} and {{port}}"
                );
                return Err(self.bad(at, what));
            }
        }
        Ok(backend)
    }

    fn backend(
        &self,
        command: Vec<String>,
        cwd: PathBuf,
        env: Env,
        raw: &raw::Drill,
    ) -> Result<DrillBackend, ConfigError> {
        let health = match &raw.health {
            Some(typed) => self.url_path("backup.drill.health", typed)?,
            None => "/health".to_owned(),
        };
        let canary = raw.canary.as_ref().map(|canary| {
            let path = self.url_path("backup.drill.canary.path", &canary.path)?;
            Ok(Canary { path, body: predicates(canary.body.as_ref()) })
        });
        let timeout = raw.ready_timeout.as_ref();
        Ok(DrillBackend {
            command,
            cwd,
            env,
            stop_signal: StopSignal::default(),
            stop_grace: 10 * SECOND,
            ready_timeout: self.duration("backup.drill.ready_timeout", timeout, 60 * SECOND)?,
            health,
            canary: canary.transpose()?,
        })
    }

    fn url_path(&self, key: &str, typed: &Spanned<String>) -> Result<String, ConfigError> {
        let text = typed.get_ref();
        if text.starts_with('/') && !text.contains(char::is_whitespace) {
            return Ok(text.clone());
        }
        Err(self.bad(
            typed,
            format!("{key} = \"{text}\" must be a path such as \"/health\"; host and port are the drill's"),
        ))
    }
}

fn mentions(backend: &DrillBackend, word: &str) -> bool {
    let cwd = backend.cwd.to_string_lossy();
    backend.command.iter().chain(backend.env.vars.values()).any(|text| text.contains(word))
        || cwd.contains(word)
}

/// Where a service has its data and its port.
struct Place<'a> {
    source: &'a Path,
    cwd: &'a Path,
    port: u16,
}

impl Place<'_> {
    /// A word of a command or a value of a variable, with placeholders: the data directory, a path in it, the port,
    /// `HOST:PORT` or a url; also behind `--option=`.
    fn moved(&self, text: &str) -> String {
        let (option, value) = match text.split_once('=') {
            Some((option, value)) if option.starts_with('-') => (format!("{option}="), value),
            _ => (String::new(), text),
        };
        let moved = self.below(Path::new(value)).unwrap_or_else(|| self.elsewhere(value));
        option + &moved
    }

    /// The placeholder for a path that is the data directory, or lies in it.
    fn below(&self, path: &Path) -> Option<String> {
        let joined: PathBuf = self.cwd.join(path).components().filter(|c| *c != Component::CurDir).collect();
        let rest = joined.strip_prefix(self.source).ok()?;
        if rest.as_os_str().is_empty() {
            return Some(DATA.to_owned());
        }
        Some(format!("{DATA}/{}", rest.to_string_lossy()))
    }

    fn elsewhere(&self, text: &str) -> String {
        let number = self.port.to_string();
        if text == number {
            return PORT.to_owned();
        }
        match text.rsplit_once(&format!(":{number}")) {
            Some((host, rest)) if !rest.starts_with(|c: char| c.is_ascii_digit()) => {
                format!("{host}:{PORT}{rest}")
            }
            _ => text.to_owned(),
        }
    }
}
