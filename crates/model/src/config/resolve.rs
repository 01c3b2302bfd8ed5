mod before;
mod capture;
mod check;
mod check_keys;
mod copy;
mod drill;
mod job;
mod keep;
mod priority;
mod service;
mod store;
mod verification;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use jiff::SpanRelativeTo;
use toml::Spanned;

use super::error::{ConfigError, Source, nearest};
use super::raw::{self, Raw};
use super::resolved::{Backup, Config, Env, Job, LogFile, RequiredPath, Rotation, SecretRef, Service};
use super::{FORMAT_VERSION, Roots};
use crate::job::Schedule;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

pub(super) fn resolve(raw: Raw, source: &Source<'_>, roots: &Roots<'_>) -> Result<Config, ConfigError> {
    let found = *raw.version.get_ref();
    if found != FORMAT_VERSION {
        let what = format!("version {found} is not known here; this Steady reads version {FORMAT_VERSION}");
        return Err(source.error(&raw.version.span(), what, None));
    }
    let mut cx = Context { source, roots, required: Vec::new() };
    let listen = cx.listen(raw.agent.listen.as_ref())?;
    let wake_settle = cx.duration("agent.wake_settle", raw.agent.wake_settle.as_ref(), 30 * SECOND)?;
    let services = cx.services(&raw)?;
    let names: Vec<&str> = services.iter().map(|s| s.name.as_str()).collect();
    let checks = cx.checks(&raw.check, &names)?;
    let jobs = raw.job.into_iter().map(|(n, j)| cx.job(&n, &j, &names)).collect::<Result<Vec<_>, _>>()?;
    let log_files =
        raw.logfile.into_iter().map(|(n, l)| cx.log_file(&n, &l)).collect::<Result<Vec<_>, _>>()?;
    let backup = raw.backup.map(|b| cx.backup(&b, &services, &jobs)).transpose()?;
    Ok(Config { listen, wake_settle, services, checks, jobs, log_files, backup, required_paths: cx.required })
}

/// A path as typed, from where typed paths start.
pub(super) fn absolute(roots: &Roots<'_>, typed: &str) -> PathBuf {
    let joined = match (typed.strip_prefix("~/"), roots.user_home) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => roots.base.join(typed),
    };
    joined.components().filter(|c| *c != Component::CurDir).collect()
}

struct Context<'a> {
    source: &'a Source<'a>,
    roots: &'a Roots<'a>,
    required: Vec<RequiredPath>,
}

impl Context<'_> {
    fn bad<T>(&self, at: &Spanned<T>, what: String) -> ConfigError {
        self.source.error(&at.span(), what, None)
    }

    fn listen(&self, typed: Option<&Spanned<String>>) -> Result<SocketAddr, ConfigError> {
        let Some(typed) = typed else { return Ok(super::DEFAULT_LISTEN) };
        let text = typed.get_ref();
        let address: SocketAddr = text.parse().map_err(|_| {
            self.bad(typed, format!("agent.listen = \"{text}\" is not an address with a port from 0 to 65535, such as 127.0.0.1:7457"))
        })?;
        if address.ip().is_loopback() {
            Ok(address)
        } else {
            Err(self.bad(
                typed,
                format!("agent.listen = \"{text}\" is not a loopback address (127.0.0.1 or [::1])"),
            ))
        }
    }

    fn log_file(&self, name: &Spanned<String>, raw: &raw::LogFile) -> Result<LogFile, ConfigError> {
        self.check_name("logfile", name)?;
        let key = |k: &str| format!("logfile.{}.rotate.{k}", name.get_ref());
        Ok(LogFile {
            name: name.get_ref().clone(),
            path: self.path(raw.path.get_ref()),
            rotation: self.rotation(&key, &raw.rotate)?,
        })
    }

    fn rotation(&self, key: &dyn Fn(&str) -> String, raw: &raw::Log) -> Result<Rotation, ConfigError> {
        let usual = Rotation::default();
        let max_age = raw.max_age.as_ref().map(|a| self.duration(&key("max_age"), Some(a), HOUR));
        let total = raw.total.as_ref().map(|t| self.size(&key("total"), Some(t), 0));
        Ok(Rotation {
            max_bytes: self.size(&key("max_size"), raw.max_size.as_ref(), usual.max_bytes)?,
            keep: raw.keep.unwrap_or(usual.keep),
            max_age: max_age.transpose()?,
            total_bytes: total.transpose()?,
            compress: raw.compress.unwrap_or(usual.compress),
        })
    }

    fn env(
        &mut self,
        key: &dyn Fn(&str) -> String,
        vars: &BTreeMap<String, String>,
        files: &[Spanned<String>],
        secrets: &BTreeMap<String, Spanned<String>>,
    ) -> Result<Env, ConfigError> {
        let mut env = Env { vars: vars.clone(), ..Env::default() };
        for file in files {
            let path = self.path(file.get_ref());
            self.require(&key("env_file"), file, &path);
            env.files.push(path);
        }
        for (name, typed) in secrets {
            let secret = self.secret(&key(&format!("secrets.{name}")), typed)?;
            env.secrets.insert(name.clone(), secret);
        }
        Ok(env)
    }

    /// What was typed is not repeated in the error: somebody may have typed the secret itself.
    fn secret(&mut self, key: &str, typed: &Spanned<String>) -> Result<SecretRef, ConfigError> {
        let text = typed.get_ref();
        if let Some(path) = text.strip_prefix("file:").filter(|p| !p.is_empty()) {
            let path = self.path(path);
            self.require(key, typed, &path);
            return Ok(SecretRef::File(path));
        }
        let of_file = text.strip_prefix("env_file:").and_then(|rest| rest.rsplit_once('#'));
        if let Some((path, variable)) = of_file.filter(|(path, name)| !path.is_empty() && !name.is_empty()) {
            let path = self.path(path);
            self.require(key, typed, &path);
            return Ok(SecretRef::EnvFile { path, variable: variable.to_owned() });
        }
        match text.strip_prefix("keychain:").map(|item| item.split_once('/').unwrap_or((item, ""))) {
            Some((service, account)) if !service.is_empty() => Ok(SecretRef::Keychain {
                service: service.to_owned(),
                account: Some(account.to_owned()).filter(|a| !a.is_empty()),
            }),
            _ => Err(self.bad(
                typed,
                format!(
                    "{key} must say where the secret is kept: \"file:PATH\", \"env_file:PATH#NAME\" or \"keychain:SERVICE/ACCOUNT\""
                ),
            )),
        }
    }

    fn services_named(
        &self,
        key: &str,
        typed: Option<&Spanned<Vec<String>>>,
        services: &[&str],
    ) -> Result<Vec<String>, ConfigError> {
        let Some(typed) = typed else { return Ok(Vec::new()) };
        typed.get_ref().iter().map(|s| self.reference(key, typed, s, services)).collect()
    }

    fn backup(&mut self, raw: &raw::Backup, all: &[Service], jobs: &[Job]) -> Result<Backup, ConfigError> {
        let services: Vec<&str> = all.iter().map(|s| s.name.as_str()).collect();
        let schedule = self.schedule(&|key| format!("backup.{key}"), &job::Times::of_backup(raw))?;
        let gap = schedule.as_ref().and_then(Schedule::longest_gap);
        let stale = gap.map_or(7 * 24 * HOUR, |gap| gap.saturating_mul(2));
        let stops = match &raw.services {
            None => services.iter().map(|s| (*s).to_owned()).collect(),
            typed => self.services_named("backup.services", typed.as_ref(), &services)?,
        };
        let source = self.path(raw.source.get_ref());
        Ok(Backup {
            drill: self.drill(&raw.drill, &source, all)?,
            source,
            exclude: raw.exclude.clone(),
            repository: raw.repository.as_ref().map(|r| self.path(r.get_ref())),
            services: stops,
            schedule,
            stale_after: self.duration("backup.stale_after", raw.stale_after.as_ref(), stale)?,
            capture: self.capture(raw)?,
            verify: self.verification(&raw.verify)?,
            keep: self.keep(raw.keep.as_ref())?,
            copies: self.copies(raw)?,
            key: raw.key,
            priority: self.priority(raw)?,
            before: raw.before.as_ref().map(|before| self.before(before, jobs)).transpose()?,
            import: raw.import.iter().map(|folder| self.path(folder)).collect(),
        })
    }

    /// Names become file names and URL segments.
    fn check_name(&self, kind: &str, name: &Spanned<String>) -> Result<(), ConfigError> {
        let n = name.get_ref();
        let fine = !n.is_empty()
            && n.len() <= 64
            && n.starts_with(|c: char| c.is_ascii_alphanumeric())
            && n.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        if fine {
            return Ok(());
        }
        Err(self.bad(name, format!("{kind} name \"{n}\" must be 1 to 64 letters, digits, `-`, `_` or `.`, and begin with a letter or digit")))
    }

    fn reference<T>(
        &self,
        key: &str,
        at: &Spanned<T>,
        typed: &str,
        services: &[&str],
    ) -> Result<String, ConfigError> {
        self.named("service", key, at, typed, services)
    }

    fn named<T>(
        &self,
        kind: &str,
        key: &str,
        at: &Spanned<T>,
        typed: &str,
        known: &[&str],
    ) -> Result<String, ConfigError> {
        if known.contains(&typed) {
            return Ok(typed.to_owned());
        }
        let hint = nearest(typed, known.iter().copied()).map(|n| format!("did you mean \"{n}\"?"));
        let what = format!("{key} names the {kind} \"{typed}\", which is not configured");
        Err(self.source.error(&at.span(), what, hint))
    }

    fn port(&self, key: &str, typed: &Spanned<i64>) -> Result<u16, ConfigError> {
        u16::try_from(*typed.get_ref())
            .ok()
            .filter(|p| *p > 0)
            .ok_or_else(|| self.bad(typed, format!("{key} = {} is out of range 1 to 65535", typed.get_ref())))
    }

    fn url(&self, key: &str, typed: &Spanned<String>) -> Result<String, ConfigError> {
        let text = typed.get_ref();
        if text.starts_with("http://") && text.len() > "http://".len() {
            return Ok(text.clone());
        }
        Err(self.bad(
            typed,
            format!("{key} = \"{text}\" must begin with http:// (Steady probes this machine, without TLS)"),
        ))
    }

    fn command(&mut self, key: &str, typed: &Spanned<Vec<String>>) -> Result<Vec<String>, ConfigError> {
        let mut command = typed.get_ref().clone();
        let Some(program) = command.first_mut().filter(|program| !program.trim().is_empty()) else {
            return Err(self.bad(typed, format!("{key} is empty; it needs a program")));
        };
        if program.contains('/') {
            let path = self.path(program);
            self.require(key, typed, &path);
            *program = path.to_string_lossy().into_owned();
        }
        Ok(command)
    }

    fn cwd(&mut self, key: &str, typed: Option<&Spanned<String>>) -> PathBuf {
        let Some(typed) = typed else { return self.roots.base.to_owned() };
        let path = self.path(typed.get_ref());
        self.require(key, typed, &path);
        path
    }

    fn require<T>(&mut self, key: &str, at: &Spanned<T>, path: &Path) {
        let at = self.source.place(&at.span());
        self.required.push(RequiredPath { path: path.to_owned(), key: key.to_owned(), at });
    }

    fn path(&self, typed: &str) -> PathBuf {
        absolute(self.roots, typed)
    }

    fn duration(
        &self,
        key: &str,
        typed: Option<&Spanned<String>>,
        usual: Duration,
    ) -> Result<Duration, ConfigError> {
        let Some(typed) = typed else { return Ok(usual) };
        let text = typed.get_ref();
        text.parse::<jiff::Span>()
            .and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()))
            .ok()
            .and_then(|d| Duration::try_from(d).ok())
            .filter(|d| !d.is_zero())
            .ok_or_else(|| {
                self.bad(typed, format!("{key} = \"{text}\" is not a duration such as \"10s\" or \"2h 30m\""))
            })
    }

    fn size(&self, key: &str, typed: Option<&Spanned<String>>, usual: u64) -> Result<u64, ConfigError> {
        let Some(typed) = typed else { return Ok(usual) };
        let text = typed.get_ref();
        text.parse::<bytesize::ByteSize>().map(|s| s.as_u64()).map_err(|_| {
            self.bad(typed, format!("{key} = \"{text}\" is not a size such as \"5 GB\" or \"512 MiB\""))
        })
    }
}
