use std::net::SocketAddr;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use toml::Spanned;

use super::error::{ConfigError, Source, nearest};
use super::raw::{self, Kind, Raw};
use super::resolved::{
    Backup, Check, CheckKind, Config, Job, Probe, Readiness, RequiredPath, Rotation, Service,
};
use super::{FORMAT_VERSION, Roots};
use crate::check::Thresholds;

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
    let services = raw.service.into_iter().map(|(n, s)| cx.service(&n, &s)).collect::<Result<Vec<_>, _>>()?;
    let names: Vec<&str> = services.iter().map(|s| s.name.as_str()).collect();
    let checks =
        raw.check.into_iter().map(|(n, c)| cx.check(&n, &c, &names)).collect::<Result<Vec<_>, _>>()?;
    let jobs = raw.job.into_iter().map(|(n, j)| cx.job(&n, &j)).collect::<Result<Vec<_>, _>>()?;
    let backup = raw.backup.map(|b| cx.backup(&b, &names)).transpose()?;
    Ok(Config { listen, services, checks, jobs, backup, required_paths: cx.required })
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

    fn service(&mut self, name: &Spanned<String>, raw: &raw::Service) -> Result<Service, ConfigError> {
        self.check_name("service", name)?;
        let key = |k: &str| format!("service.{}.{k}", name.get_ref());
        let port = raw.port.as_ref().map(|p| self.port(&key("port"), p)).transpose()?;
        let ready = match (&raw.ready.http, &raw.ready.tcp) {
            (Some(http), Some(_)) => {
                return Err(self.bad(http, format!("{} has both `http` and `tcp`; keep one", key("ready"))));
            }
            (Some(url), None) => Readiness::Http { url: self.url(&key("ready.http"), url)? },
            (None, Some(tcp)) => Readiness::Tcp { port: self.port(&key("ready.tcp"), tcp)? },
            (None, None) => Readiness::Started,
        };
        Ok(Service {
            name: name.get_ref().clone(),
            command: self.command(&key("command"), &raw.command)?,
            cwd: self.cwd(&key("cwd"), raw.cwd.as_ref()),
            env: raw.env.clone(),
            port,
            restart: raw.restart,
            success_codes: raw.success_codes.clone(),
            stop_signal: raw.stop_signal,
            stop_grace: self.duration(&key("stop_grace"), raw.stop_grace.as_ref(), 10 * SECOND)?,
            ready,
            ready_timeout: self.duration(&key("ready.timeout"), raw.ready.timeout.as_ref(), 30 * SECOND)?,
            log: Rotation {
                max_bytes: self.size(
                    &key("log.max_size"),
                    raw.log.max_size.as_ref(),
                    Rotation::default().max_bytes,
                )?,
                keep: raw.log.keep.unwrap_or(Rotation::default().keep),
            },
        })
    }

    fn check(
        &mut self,
        name: &Spanned<String>,
        raw: &raw::Check,
        services: &[&str],
    ) -> Result<Check, ConfigError> {
        self.check_name("check", name)?;
        let key = |k: &str| format!("check.{}.{k}", name.get_ref());
        self.refuse_foreign_keys(name.get_ref(), raw)?;
        let missing = |k: &str| self.bad(&raw.kind, format!("{} is missing", key(k)));
        let (kind, interval) = match raw.kind.get_ref() {
            Kind::Http => {
                let url = raw.url.as_ref().ok_or_else(|| missing("url"))?;
                let kind = CheckKind::Http {
                    url: self.url(&key("url"), url)?,
                    status: raw.status.as_ref().map_or_else(|| vec![200], |s| s.get_ref().clone()),
                    body: raw.body.as_ref().map(|b| b.get_ref().clone()).unwrap_or_default(),
                };
                (kind, 10 * SECOND)
            }
            Kind::Path => {
                let path = raw.path.as_ref().ok_or_else(|| missing("path"))?;
                (CheckKind::Path { path: self.path(path.get_ref()) }, 30 * SECOND)
            }
            Kind::Disk => {
                let path = raw.path.as_ref().ok_or_else(|| missing("path"))?;
                let warn_bytes = self.size(&key("warn_below"), raw.warn_below.as_ref(), 5_000_000_000)?;
                let fail_bytes = self.size(&key("fail_below"), raw.fail_below.as_ref(), 1_000_000_000)?;
                (CheckKind::Disk { path: self.path(path.get_ref()), warn_bytes, fail_bytes }, 60 * SECOND)
            }
        };
        let probe = Probe {
            interval: self.duration(&key("interval"), raw.interval.as_ref(), interval)?,
            timeout: self.duration(&key("timeout"), raw.timeout.as_ref(), 3 * SECOND)?,
        };
        let usual = Thresholds::default();
        Ok(Check {
            name: name.get_ref().clone(),
            probe,
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
        })
    }

    fn refuse_foreign_keys(&self, name: &str, raw: &raw::Check) -> Result<(), ConfigError> {
        let kind = *raw.kind.get_ref();
        let span =
            |s: Option<std::ops::Range<usize>>, k: &'static str, ok: bool| s.filter(|_| !ok).map(|s| (s, k));
        let http = kind == Kind::Http;
        let disk = kind == Kind::Disk;
        let wrong = [
            span(raw.url.as_ref().map(Spanned::span), "url", http),
            span(raw.status.as_ref().map(Spanned::span), "status", http),
            span(raw.body.as_ref().map(Spanned::span), "body", http),
            span(raw.path.as_ref().map(Spanned::span), "path", !http),
            span(raw.warn_below.as_ref().map(Spanned::span), "warn_below", disk),
            span(raw.fail_below.as_ref().map(Spanned::span), "fail_below", disk),
        ];
        match wrong.into_iter().flatten().next() {
            Some((at, k)) => {
                let what = format!("check.{name}.{k} means nothing for a check of this kind");
                Err(self.source.error(&at, what, None))
            }
            None => Ok(()),
        }
    }

    fn job(&mut self, name: &Spanned<String>, raw: &raw::Job) -> Result<Job, ConfigError> {
        self.check_name("job", name)?;
        let key = |k: &str| format!("job.{}.{k}", name.get_ref());
        let every = raw.every.as_ref().map(|e| self.duration(&key("every"), Some(e), HOUR)).transpose()?;
        let markers = self.path(raw.markers.get_ref());
        let stale = every.map_or(25 * HOUR, |e| e.saturating_mul(2));
        Ok(Job {
            name: name.get_ref().clone(),
            command: raw.command.as_ref().map(|c| self.command(&key("command"), c)).transpose()?,
            cwd: self.cwd(&key("cwd"), raw.cwd.as_ref()),
            env: raw.env.clone(),
            timeout: self.duration(&key("timeout"), raw.timeout.as_ref(), 600 * SECOND)?,
            every,
            stale_after: self.duration(&key("stale_after"), raw.stale_after.as_ref(), stale)?,
            lock: raw.lock.as_ref().map_or_else(|| markers.join(".sync_lock"), |l| self.path(l.get_ref())),
            markers,
        })
    }

    fn backup(&mut self, raw: &raw::Backup, services: &[&str]) -> Result<Backup, ConfigError> {
        let every = raw.every.as_ref().map(|e| self.duration("backup.every", Some(e), HOUR)).transpose()?;
        let stale = every.map_or(7 * 24 * HOUR, |e| e.saturating_mul(2));
        let stops = match &raw.services {
            None => services.iter().map(|s| (*s).to_owned()).collect(),
            Some(typed) => typed
                .get_ref()
                .iter()
                .map(|s| self.reference("backup.services", typed, s, services))
                .collect::<Result<_, _>>()?,
        };
        Ok(Backup {
            source: self.path(raw.source.get_ref()),
            exclude: raw.exclude.clone(),
            repository: raw.repository.as_ref().map(|r| self.path(r.get_ref())),
            services: stops,
            every,
            stale_after: self.duration("backup.stale_after", raw.stale_after.as_ref(), stale)?,
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
        if services.contains(&typed) {
            return Ok(typed.to_owned());
        }
        let hint = nearest(typed, services.iter().copied()).map(|n| format!("did you mean \"{n}\"?"));
        Err(self.source.error(
            &at.span(),
            format!("{key} names the service \"{typed}\", which is not configured"),
            hint,
        ))
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
        let Some(program) = command.first_mut() else {
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
        let line = self.source.line(&at.span());
        self.required.push(RequiredPath { path: path.to_owned(), key: key.to_owned(), line });
    }

    fn path(&self, typed: &str) -> PathBuf {
        let joined = match (typed.strip_prefix("~/"), self.roots.user_home) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => self.roots.base.join(typed),
        };
        joined.components().filter(|c| *c != Component::CurDir).collect()
    }

    fn duration(
        &self,
        key: &str,
        typed: Option<&Spanned<String>>,
        usual: Duration,
    ) -> Result<Duration, ConfigError> {
        let Some(typed) = typed else { return Ok(usual) };
        let text = typed.get_ref();
        text.parse::<jiff::SignedDuration>()
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
