use jiff::tz::TimeZone;
use regex::Regex;
use toml::Spanned;

use super::{Context, SECOND};
use crate::config::error::ConfigError;
use crate::config::raw;
use crate::config::resolved::Job;
use crate::job::{Cron, Retry, Schedule, Slots};

const MINUTE: std::time::Duration = std::time::Duration::from_secs(60);

/// The keys of a schedule, as jobs and backups have them.
pub(super) struct Times<'a> {
    pub every: Option<&'a Spanned<String>>,
    pub cron: Option<&'a Spanned<String>>,
    pub timezone: Option<&'a Spanned<String>>,
    pub at_wake: bool,
}

impl<'a> Times<'a> {
    fn of_job(raw: &'a raw::Job) -> Self {
        let (every, cron, timezone) = (raw.every.as_ref(), raw.cron.as_ref(), raw.timezone.as_ref());
        Self { every, cron, timezone, at_wake: raw.at_wake }
    }

    pub(super) fn of_backup(raw: &'a raw::Backup) -> Self {
        let (every, cron, timezone) = (raw.every.as_ref(), raw.cron.as_ref(), raw.timezone.as_ref());
        Self { every, cron, timezone, at_wake: raw.at_wake }
    }
}

impl Context<'_> {
    pub(super) fn job(
        &mut self,
        name: &Spanned<String>,
        raw: &raw::Job,
        services: &[&str],
    ) -> Result<Job, ConfigError> {
        self.check_name("job", name)?;
        let key = |k: &str| format!("job.{}.{k}", name.get_ref());
        let markers = self.path(raw.markers.get_ref());
        let usual = Job::elsewhere(name.get_ref(), markers);
        let stale = |raw| self.duration(&key("stale_after"), Some(raw), MINUTE);
        let stale_after = raw.stale_after.as_ref().map(stale).transpose()?;
        if let Some(output) = raw.output.as_ref().filter(|_| raw.command.is_some()) {
            let what = format!(
                "{} is for jobs that run elsewhere; the output of a command is read anyway",
                key("output")
            );
            return Err(self.bad(output, what));
        }
        Ok(Job {
            command: raw.command.as_ref().map(|c| self.command(&key("command"), c)).transpose()?,
            cwd: self.cwd(&key("cwd"), raw.cwd.as_ref()),
            env: self.env(&key, &raw.env, &raw.env_file, &raw.secrets)?,
            timeout: self.duration(&key("timeout"), raw.timeout.as_ref(), 600 * SECOND)?,
            schedule: self.schedule(&key, &Times::of_job(raw))?,
            retry: raw.retry.as_ref().map(|r| self.retry(&key, r)).transpose()?,
            partial: self.patterns(&key("partial"), &raw.partial)?,
            whole: raw.whole.clone(),
            output: raw.output.as_ref().map(|o| self.path(o.get_ref())),
            late_after: self.duration(&key("late_after"), raw.late_after.as_ref(), usual.late_after)?,
            stale_after,
            lock: raw.lock.as_ref().map_or(usual.lock, |l| self.path(l.get_ref())),
            busy: self.services_named(&key("busy"), raw.busy.as_ref(), services)?,
            name: usual.name,
            markers: usual.markers,
        })
    }

    pub(super) fn schedule(
        &self,
        key: &dyn Fn(&str) -> String,
        raw: &Times<'_>,
    ) -> Result<Option<Schedule>, ConfigError> {
        if let Some(zone) = raw.timezone.filter(|_| raw.cron.is_none()) {
            return Err(self.bad(zone, format!("{} means something only beside cron", key("timezone"))));
        }
        let slots = match (raw.every, raw.cron) {
            (Some(_), Some(cron)) => {
                let what =
                    format!("{} and {} are two schedules; keep one of them", key("every"), key("cron"));
                return Err(self.bad(cron, what));
            }
            (Some(every), None) => Some(Slots::Every(self.duration(&key("every"), Some(every), MINUTE)?)),
            (None, Some(cron)) => {
                let pattern = cron
                    .get_ref()
                    .parse::<Cron>()
                    .map_err(|e| self.bad(cron, format!("{} = \"{}\": {e}", key("cron"), cron.get_ref())))?;
                let zone = raw.timezone.map(|z| self.zone(&key("timezone"), z)).transpose()?;
                Some(Slots::Cron { cron: pattern, zone })
            }
            (None, None) => None,
        };
        let scheduled = slots.is_some() || raw.at_wake;
        Ok(scheduled.then_some(Schedule { slots, at_wake: raw.at_wake }))
    }

    fn zone(&self, key: &str, typed: &Spanned<String>) -> Result<TimeZone, ConfigError> {
        let name = typed.get_ref();
        TimeZone::get(name).map_err(|_| {
            self.bad(
                typed,
                format!(
                    "{key} = \"{name}\" is no time zone of this system; write one such as \"Europe/Berlin\""
                ),
            )
        })
    }

    fn retry(&self, key: &dyn Fn(&str) -> String, raw: &raw::Retry) -> Result<Retry, ConfigError> {
        let attempts = match &raw.attempts {
            None => 3,
            Some(typed) if (1..=20).contains(typed.get_ref()) => *typed.get_ref(),
            Some(typed) => {
                let what = format!("{} = {} is out of range 1 to 20", key("retry.attempts"), typed.get_ref());
                return Err(self.bad(typed, what));
            }
        };
        let delay = self.duration(&key("retry.delay"), raw.delay.as_ref(), MINUTE)?;
        Ok(Retry { attempts, delay })
    }

    fn patterns(&self, key: &str, typed: &[Spanned<String>]) -> Result<Vec<String>, ConfigError> {
        typed
            .iter()
            .map(|t| match Regex::new(t.get_ref()) {
                Ok(_) => Ok(t.get_ref().clone()),
                Err(e) => {
                    let why = e.to_string();
                    let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ");
                    Err(self.bad(t, format!("{key}: \"{}\" is no regular expression: {why}", t.get_ref())))
                }
            })
            .collect()
    }
}
