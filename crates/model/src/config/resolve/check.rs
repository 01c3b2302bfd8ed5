use toml::Spanned;

use super::{Context, SECOND};
use crate::check::Thresholds;
use crate::config::error::ConfigError;
use crate::config::raw::{self, Kind};
use crate::config::resolved::{Check, CheckKind, Probe};

impl Context<'_> {
    pub(super) fn check(
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
}
