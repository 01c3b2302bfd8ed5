use toml::Spanned;

use super::{Context, SECOND};
use crate::config::error::ConfigError;
use crate::config::raw::{self, Depends, ManagerKind, Raw};
use crate::config::resolved::{Manager, Readiness, Service};
use crate::depend::{self, Condition, Dependency};
use crate::liveness::Liveness;
use crate::service::RestartPolicy;

impl Context<'_> {
    pub(super) fn services(&mut self, raw: &Raw) -> Result<Vec<Service>, ConfigError> {
        let services =
            raw.service.iter().map(|(n, s)| self.service(n, s, raw)).collect::<Result<Vec<_>, _>>()?;
        if let Err(circle) = depend::waves(&services) {
            let on_it = |name: &&Spanned<String>| circle.first() == Some(name.get_ref());
            let at = raw.service.keys().find(on_it).map(Spanned::span).unwrap_or_default();
            let what = format!("services wait for each other in a circle: {}", circle.join(" → "));
            return Err(self.source.error(&at, what, None));
        }
        Ok(services)
    }

    fn service(
        &mut self,
        name: &Spanned<String>,
        typed: &raw::Service,
        all: &Raw,
    ) -> Result<Service, ConfigError> {
        self.check_name("service", name)?;
        let key = |k: &str| format!("service.{}.{k}", name.get_ref());
        let port = typed.port.as_ref().map(|p| self.port(&key("port"), p)).transpose()?;
        let (manager, command) = self.manager(&key, name, typed)?;
        let usual_restart = if typed.oneshot { RestartPolicy::OnFailure } else { RestartPolicy::Always };
        let log_key = |k: &str| key(&format!("log.{k}"));
        let memory_limit =
            typed.memory_limit.as_ref().map(|m| self.size(&key("memory_limit"), Some(m), 0)).transpose()?;
        Ok(Service {
            name: name.get_ref().clone(),
            manager,
            command,
            cwd: self.cwd(&key("cwd"), typed.cwd.as_ref()),
            env: self.env(&key, &typed.env, &typed.env_file, &typed.secrets)?,
            port,
            restart: typed.restart.unwrap_or(usual_restart),
            oneshot: typed.oneshot,
            success_codes: typed.success_codes.clone(),
            stop_signal: typed.stop_signal,
            stop_grace: self.duration(&key("stop_grace"), typed.stop_grace.as_ref(), 10 * SECOND)?,
            ready: self.readiness(&key, &typed.ready)?,
            ready_timeout: self.duration(&key("ready.timeout"), typed.ready.timeout.as_ref(), 30 * SECOND)?,
            liveness: typed.liveness.as_ref().map(|l| self.liveness(&key, l, all)).transpose()?,
            depends_on: self.dependencies(&key("depends_on"), typed.depends_on.as_ref(), all)?,
            memory_limit,
            keep_awake: typed.keep_awake,
            log: self.rotation(&log_key, &typed.log)?,
        })
    }

    /// Who owns the process, and the command that is run by us or by a definition that we generate.
    fn manager(
        &mut self,
        key: &dyn Fn(&str) -> String,
        name: &Spanned<String>,
        typed: &raw::Service,
    ) -> Result<(Manager, Vec<String>), ConfigError> {
        let unit = typed.unit.as_ref().map(|u| u.get_ref().clone());
        let manager = match (typed.manager, &typed.unit) {
            (ManagerKind::Child, None) => Manager::Child,
            (ManagerKind::Child, Some(at)) => {
                let what = format!("{} needs manager = \"launchd\" or \"systemd\"", key("unit"));
                return Err(self.bad(at, what));
            }
            (ManagerKind::Launchd, _) => Manager::Launchd { unit },
            (ManagerKind::Systemd, _) => Manager::Systemd { unit },
        };
        if let (Some(_), Some(line)) = (&typed.unit, &typed.ready.log) {
            let what = format!(
                "{} needs output that Steady keeps, and a `unit` keeps its own; use `http`, `tcp`, `command` or `delay`",
                key("ready.log")
            );
            return Err(self.bad(line, what));
        }
        match (&typed.command, &typed.unit) {
            (Some(command), None) => Ok((manager, self.command(&key("command"), command)?)),
            (None, Some(_)) => Ok((manager, Vec::new())),
            (Some(command), Some(_)) => {
                let what = format!("{} and `unit` exclude each other; keep one", key("command"));
                Err(self.bad(command, what))
            }
            (None, None) => Err(self.bad(name, format!("{} is missing", key("command")))),
        }
    }

    fn readiness(
        &mut self,
        key: &dyn Fn(&str) -> String,
        typed: &raw::Ready,
    ) -> Result<Readiness, ConfigError> {
        let raw::Ready { http, tcp, log, command, delay, timeout: _ } = typed;
        let given = [
            http.as_ref().map(Spanned::span),
            tcp.as_ref().map(Spanned::span),
            log.as_ref().map(Spanned::span),
            command.as_ref().map(Spanned::span),
            delay.as_ref().map(Spanned::span),
        ];
        if let Some(second) = given.into_iter().flatten().nth(1) {
            let what = format!(
                "{} can be one of `http`, `tcp`, `log`, `command` and `delay`; keep one",
                key("ready")
            );
            return Err(self.source.error(&second, what, None));
        }
        if let Some(url) = http {
            return Ok(Readiness::Http { url: self.url(&key("ready.http"), url)? });
        }
        if let Some(port) = tcp {
            return Ok(Readiness::Tcp { port: self.port(&key("ready.tcp"), port)? });
        }
        if let Some(pattern) = log {
            return Ok(Readiness::Log { pattern: self.pattern(&key("ready.log"), pattern)? });
        }
        if let Some(command) = command {
            return Ok(Readiness::Command { command: self.command(&key("ready.command"), command)? });
        }
        match delay {
            Some(_) => {
                Ok(Readiness::Delay { delay: self.duration(&key("ready.delay"), delay.as_ref(), SECOND)? })
            }
            None => Ok(Readiness::Started),
        }
    }

    fn liveness(
        &self,
        key: &dyn Fn(&str) -> String,
        typed: &raw::Liveness,
        all: &Raw,
    ) -> Result<Liveness, ConfigError> {
        let checks: Vec<&str> = all.check.keys().map(|name| name.get_ref().as_str()).collect();
        let check =
            self.named("check", &key("liveness.check"), &typed.check, typed.check.get_ref(), &checks)?;
        Ok(Liveness {
            check,
            failures: typed.failures.unwrap_or(3).max(1),
            grace: self.duration(&key("liveness.grace"), typed.grace.as_ref(), 30 * SECOND)?,
        })
    }

    fn dependencies(
        &self,
        key: &str,
        typed: Option<&Spanned<Depends>>,
        all: &Raw,
    ) -> Result<Vec<Dependency>, ConfigError> {
        let Some(at) = typed else { return Ok(Vec::new()) };
        let named: Vec<(&String, Condition)> = match at.get_ref() {
            Depends::Ready(names) => names.iter().map(|name| (name, Condition::Ready)).collect(),
            Depends::On(table) => table.iter().map(|(name, condition)| (name, *condition)).collect(),
        };
        let services: Vec<&str> = all.service.keys().map(|name| name.get_ref().as_str()).collect();
        let oneshot =
            |name: &str| all.service.iter().any(|(n, service)| n.get_ref() == name && service.oneshot);
        named
            .into_iter()
            .map(|(name, condition)| {
                let service = self.reference(key, at, name, &services)?;
                if condition == Condition::Completed && !oneshot(name) {
                    let what = format!("{key} waits until {name} is completed, which only a service with `oneshot = true` ever is");
                    return Err(self.bad(at, what));
                }
                Ok(Dependency { service, condition })
            })
            .collect()
    }
}
