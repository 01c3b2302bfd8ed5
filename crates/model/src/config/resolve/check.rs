use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use toml::Spanned;

use super::{Context, HOUR, SECOND};
use crate::check::Thresholds;
use crate::config::error::ConfigError;
use crate::config::raw::{self, Kind};
use crate::config::resolved::{Check, CheckKind, Env, Free, Predicate, Probe};

pub(super) type Key<'a> = &'a dyn Fn(&str) -> String;

impl Context<'_> {
    pub(super) fn checks(
        &mut self,
        raw: &BTreeMap<Spanned<String>, raw::Check>,
        services: &[&str],
    ) -> Result<Vec<Check>, ConfigError> {
        let names: Vec<&str> = raw.keys().map(|name| name.get_ref().as_str()).collect();
        let checks = raw
            .iter()
            .map(|(name, check)| self.check(name, check, services, &names))
            .collect::<Result<Vec<_>, _>>()?;
        for (name, raw) in raw {
            if let Some(typed) = raw.depends_on.as_ref().filter(|_| explains_itself(name.get_ref(), &checks))
            {
                let what = format!(
                    "check.{}.depends_on leads back to itself; nothing would ever be shown",
                    name.get_ref()
                );
                return Err(self.bad(typed, what));
            }
        }
        Ok(checks)
    }

    fn check(
        &mut self,
        name: &Spanned<String>,
        raw: &raw::Check,
        services: &[&str],
        checks: &[&str],
    ) -> Result<Check, ConfigError> {
        self.check_name("check", name)?;
        let key = |k: &str| format!("check.{}.{k}", name.get_ref());
        self.refuse_foreign_keys(name.get_ref(), raw)?;
        let kind = self.kind(&key, raw)?;
        if matches!(kind, CheckKind::Usage { .. }) && raw.service.is_none() {
            return Err(self.bad(&raw.kind, format!("{} is missing", key("service"))));
        }
        let (interval, timeout) = usual_probe(*raw.kind.get_ref());
        let usual = Thresholds::default();
        Ok(Check {
            name: name.get_ref().clone(),
            probe: Probe {
                interval: self.duration(&key("interval"), raw.interval.as_ref(), interval)?,
                timeout: self.duration(&key("timeout"), raw.timeout.as_ref(), timeout)?,
            },
            kind,
            severity: raw.severity,
            thresholds: Thresholds {
                worsen: raw.worsen.unwrap_or(usual.worsen).max(1),
                improve: raw.improve.unwrap_or(usual.improve).max(1),
            },
            service: raw
                .service
                .as_ref()
                .map(|s| self.reference(&key("service"), s, s.get_ref(), services))
                .transpose()?,
            depends_on: match &raw.depends_on {
                None => Vec::new(),
                Some(typed) => typed
                    .get_ref()
                    .iter()
                    .map(|name| self.named("check", &key("depends_on"), typed, name, checks))
                    .collect::<Result<_, _>>()?,
            },
            warm_up: self.duration(&key("warm_up"), raw.warm_up.as_ref(), Duration::ZERO)?,
        })
    }

    fn kind(&mut self, key: Key<'_>, raw: &raw::Check) -> Result<CheckKind, ConfigError> {
        Ok(match raw.kind.get_ref() {
            Kind::Http => CheckKind::Http {
                url: self.url(&key("url"), self.needed(key, raw, "url", raw.url.as_ref())?)?,
                status: self.statuses(&key("status"), raw.status.as_ref())?,
                body: predicates(raw.body.as_ref()),
                warn_body: predicates(raw.warn_body.as_ref()),
                slow: self.slow(key, raw)?,
            },
            Kind::Tcp => CheckKind::Tcp { address: self.address(key, raw)?, slow: self.slow(key, raw)? },
            Kind::Process => CheckKind::Process {
                pattern: self
                    .filled(&key("process"), self.needed(key, raw, "process", raw.process.as_ref())?)?,
            },
            Kind::Port => CheckKind::Port {
                port: self.port(&key("port"), self.needed(key, raw, "port", raw.port.as_ref())?)?,
                process: self.filled_if(&key("process"), raw.process.as_ref())?,
            },
            Kind::Path => CheckKind::Path { path: self.checked_path(key, raw)? },
            Kind::Variable => self.variable(key, raw)?,
            Kind::Disk => self.disk(key, raw)?,
            Kind::Marker => {
                let max_age = self.needed(key, raw, "max_age", raw.max_age.as_ref())?;
                let max_age = self.duration(&key("max_age"), Some(max_age), HOUR)?;
                CheckKind::Marker { path: self.checked_path(key, raw)?, max_age }
            }
            Kind::Command => {
                let command = self.needed(key, raw, "command", raw.command.as_ref())?;
                CheckKind::Command {
                    command: self.command(&key("command"), command)?,
                    cwd: self.cwd(&key("cwd"), raw.cwd.as_ref()),
                    env: Env { vars: raw.env.clone(), ..Env::default() },
                }
            }
            Kind::Log => CheckKind::Log {
                path: self.checked_path(key, raw)?,
                pattern: self
                    .pattern(&key("pattern"), self.needed(key, raw, "pattern", raw.pattern.as_ref())?)?,
                window: self.duration(&key("window"), raw.window.as_ref(), 300 * SECOND)?,
            },
            Kind::Usage if raw.memory_above.is_none() && raw.cpu_above.is_none() => {
                let (memory, cpu) = (key("memory_above"), key("cpu_above"));
                return Err(
                    self.bad(&raw.kind, format!("{memory} or {cpu} is missing: it would judge nothing"))
                );
            }
            Kind::Usage => CheckKind::Usage {
                memory: raw
                    .memory_above
                    .as_ref()
                    .map(|m| self.size(&key("memory_above"), Some(m), 0))
                    .transpose()?,
                cpu: raw.cpu_above.as_ref().map(|c| self.share(&key("cpu_above"), c)).transpose()?,
            },
            _ => self.store(key, raw)?,
        })
    }

    fn variable(&self, key: Key<'_>, raw: &raw::Check) -> Result<CheckKind, ConfigError> {
        let variable = self.needed(key, raw, "variable", raw.variable.as_ref())?;
        let files = self.needed(key, raw, "files", raw.files.as_ref())?;
        if files.get_ref().is_empty() {
            return Err(self.bad(files, format!("{} is empty; it would always be unknown", key("files"))));
        }
        Ok(CheckKind::Variable {
            variable: self.filled(&key("variable"), variable)?,
            files: files.get_ref().iter().map(|file| self.path(file)).collect(),
            directory: raw.directory.as_ref().is_some_and(|d| *d.get_ref()),
        })
    }

    pub(super) fn needed<'a, T>(
        &self,
        key: Key<'_>,
        raw: &raw::Check,
        name: &str,
        typed: Option<&'a T>,
    ) -> Result<&'a T, ConfigError> {
        typed.ok_or_else(|| self.bad(&raw.kind, format!("{} is missing", key(name))))
    }

    pub(super) fn checked_path(
        &self,
        key: Key<'_>,
        raw: &raw::Check,
    ) -> Result<std::path::PathBuf, ConfigError> {
        let typed = self.needed(key, raw, "path", raw.path.as_ref())?;
        self.filled(&key("path"), typed)?;
        Ok(self.path(typed.get_ref()))
    }

    /// An empty text is part of every other, and an empty path is the folder of steady.toml: a check for it would
    /// pass whatever happens.
    pub(super) fn filled(&self, key: &str, typed: &Spanned<String>) -> Result<String, ConfigError> {
        match typed.get_ref() {
            text if text.trim().is_empty() => Err(self.bad(typed, format!("{key} is empty"))),
            text => Ok(text.clone()),
        }
    }

    pub(super) fn filled_if(
        &self,
        key: &str,
        typed: Option<&Spanned<String>>,
    ) -> Result<Option<String>, ConfigError> {
        typed.map(|typed| self.filled(key, typed)).transpose()
    }

    fn statuses(&self, key: &str, typed: Option<&Spanned<Vec<u16>>>) -> Result<Vec<u16>, ConfigError> {
        let Some(typed) = typed else { return Ok(vec![200]) };
        let codes = typed.get_ref();
        if codes.is_empty() || codes.iter().any(|code| !(100..=599).contains(code)) {
            let what = format!("{key} must be a list of codes from 100 to 599, such as [200, 204]");
            return Err(self.bad(typed, what));
        }
        Ok(codes.clone())
    }

    fn disk(&self, key: Key<'_>, raw: &raw::Check) -> Result<CheckKind, ConfigError> {
        let warn = self.free(&key("warn_below"), raw.warn_below.as_ref(), 5_000_000_000)?;
        let fail = self.free(&key("fail_below"), raw.fail_below.as_ref(), 1_000_000_000)?;
        let turned = match (&warn, &fail) {
            (Free::Bytes(warn), Free::Bytes(fail)) => fail > warn,
            (Free::Share(warn), Free::Share(fail)) => fail > warn,
            _ => false,
        };
        // Only where both are typed: one alone may well pass the other's default.
        match raw.fail_below.as_ref().filter(|_| turned && raw.warn_below.is_some()) {
            Some(typed) => {
                let (fail, warn) = (key("fail_below"), key("warn_below"));
                Err(self.bad(typed, format!("{fail} is more than {warn}; it must be less")))
            }
            None => Ok(CheckKind::Disk { path: self.checked_path(key, raw)?, warn, fail }),
        }
    }

    fn slow(&self, key: Key<'_>, raw: &raw::Check) -> Result<Option<Duration>, ConfigError> {
        raw.slow.as_ref().map(|s| self.duration(&key("slow"), Some(s), SECOND)).transpose()
    }

    pub(super) fn address(&self, key: Key<'_>, raw: &raw::Check) -> Result<String, ConfigError> {
        let typed = self.needed(key, raw, "address", raw.address.as_ref())?;
        let text = typed.get_ref();
        match text.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok_and(|p| p > 0) => {
                Ok(text.clone())
            }
            _ => {
                let what = format!(
                    "{} = \"{text}\" is not a host with a port, such as 127.0.0.1:5432",
                    key("address")
                );
                Err(self.bad(typed, what))
            }
        }
    }

    pub(super) fn pattern(&self, key: &str, typed: &Spanned<String>) -> Result<String, ConfigError> {
        self.filled(key, typed)?;
        match regex::Regex::new(typed.get_ref()) {
            Ok(_) => Ok(typed.get_ref().clone()),
            Err(e) => Err(self.bad(typed, format!("{key} is no regular expression: {e}"))),
        }
    }

    /// `80 %` as 0.8.
    pub(super) fn share(&self, key: &str, typed: &Spanned<String>) -> Result<f64, ConfigError> {
        share(typed.get_ref()).ok_or_else(|| {
            self.bad(typed, format!("{key} = \"{}\" is not a share such as \"80 %\"", typed.get_ref()))
        })
    }

    fn free(&self, key: &str, typed: Option<&Spanned<String>>, usual: u64) -> Result<Free, ConfigError> {
        match typed.and_then(|t| share(t.get_ref())) {
            Some(share) => Ok(Free::Share(share)),
            None => Ok(Free::Bytes(self.size(key, typed, usual)?)),
        }
    }
}

fn usual_probe(kind: Kind) -> (Duration, Duration) {
    let interval = match kind {
        Kind::Http | Kind::Tcp | Kind::Process | Kind::Port | Kind::Redis | Kind::Outbox => 10,
        Kind::Disk | Kind::Command | Kind::Count | Kind::Equality => 60,
        _ => 30,
    };
    let timeout = match kind {
        Kind::Command | Kind::Sqlite | Kind::Count | Kind::Equality => 30,
        _ => 3,
    };
    (interval * SECOND, timeout * SECOND)
}

pub(super) fn predicates(typed: Option<&Spanned<BTreeMap<String, String>>>) -> BTreeMap<String, Predicate> {
    let typed = typed.map(Spanned::get_ref).into_iter().flatten();
    typed
        .map(|(path, text)| {
            let (not, text) = text.strip_prefix('!').map_or((false, text.as_str()), |rest| (true, rest));
            (path.clone(), Predicate { not, alternatives: text.split('|').map(str::to_owned).collect() })
        })
        .collect()
}

fn share(text: &str) -> Option<f64> {
    let percent: f64 = text.strip_suffix('%')?.trim().parse().ok()?;
    (0.0..=10_000.0).contains(&percent).then_some(percent / 100.0)
}

/// Whether the checks that explain this one are explained by it.
fn explains_itself(name: &str, checks: &[Check]) -> bool {
    let causes = |name: &str| {
        checks.iter().find(|c| c.name == name).map(|c| c.depends_on.as_slice()).unwrap_or_default()
    };
    let mut open: Vec<&str> = causes(name).iter().map(String::as_str).collect();
    let mut seen = BTreeSet::new();
    while let Some(cause) = open.pop() {
        if cause == name {
            return true;
        }
        if seen.insert(cause) {
            open.extend(causes(cause).iter().map(String::as_str));
        }
    }
    false
}
