use std::path::Path;
use std::time::Duration;

use toml::Spanned;

use super::Context;
use crate::config::error::ConfigError;
use crate::config::raw;
use crate::config::resolved::{CopyPlace, CopyTarget};

/// Slower than this, a single file of the repository would take an hour.
const SLOWEST: u64 = 10_000;

/// What `to` begins with, and the rest of it.
fn kind_of(typed: &str) -> (&str, &str) {
    let remote = ["rclone", "rest", "s3", "sftp"].into_iter().find_map(|kind| {
        let rest = typed.strip_prefix(kind)?.strip_prefix(':')?;
        Some((kind, rest))
    });
    remote.unwrap_or(("", typed))
}

impl Context<'_> {
    pub(super) fn copies(&mut self, raw: &raw::Backup) -> Result<Vec<CopyTarget>, ConfigError> {
        let source = self.path(raw.source.get_ref());
        let repository = raw.repository.as_ref().map(|r| self.path(r.get_ref()));
        let own = |place: &CopyPlace| matches!((place, &repository), (CopyPlace::Folder { path, .. }, Some(own)) if path == own);
        let mut copies: Vec<CopyTarget> = Vec::new();
        for (name, raw) in &raw.copy {
            self.check_name("copy", name)?;
            let copy = self.copy_to(name.get_ref(), raw, &source)?;
            let same = |other: &&CopyTarget| other.to.to_string() == copy.to.to_string();
            let taken = copies.iter().find(same).map(|other| other.name.as_str());
            let taken = taken.or_else(|| own(&copy.to).then_some("the repository"));
            if let Some(other) = taken {
                let what = format!("backup.copy.{}.to is the place of {other} already", copy.name);
                return Err(self.bad(&raw.to, what));
            }
            copies.push(copy);
        }
        Ok(copies)
    }

    fn copy_to(
        &mut self,
        name: &str,
        raw: &raw::CopyTarget,
        source: &Path,
    ) -> Result<CopyTarget, ConfigError> {
        let key = |k: &str| format!("backup.copy.{name}.{k}");
        let to = self.copy_place(&key, raw)?;
        if let CopyPlace::Folder { path, .. } = &to
            && (path.starts_with(source) || source.starts_with(path))
        {
            let what = format!("{} overlaps the data directory {}", key("to"), source.display());
            return Err(self.bad(&raw.to, what));
        }
        let usual = Duration::from_hours(72);
        Ok(CopyTarget {
            name: name.to_owned(),
            to,
            login: raw.login.as_ref().map(|l| self.secret(&key("login"), l)).transpose()?,
            password: raw.password.as_ref().map(|p| self.secret(&key("password"), p)).transpose()?,
            limit: raw.limit.as_ref().map(|l| self.rate(&key("limit"), l)).transpose()?,
            stale_after: self.duration(&key("stale_after"), raw.stale_after.as_ref(), usual)?,
        })
    }

    fn copy_place(
        &mut self,
        key: &dyn Fn(&str) -> String,
        raw: &raw::CopyTarget,
    ) -> Result<CopyPlace, ConfigError> {
        let (kind, rest) = kind_of(raw.to.get_ref());
        self.fits_the_kind(key, raw, kind)?;
        match kind {
            "rclone" => Ok(CopyPlace::Rclone {
                program: self.rclone(key, raw)?,
                remote: self.remote(key, &raw.to, rest)?,
            }),
            "rest" => self.rest(key, raw, rest),
            "s3" => self.s3(key, raw, rest),
            "sftp" => {
                let what = format!(
                    "{} cannot begin with sftp:; make a remote of it with `rclone config` and name it as rclone:REMOTE:PATH",
                    key("to")
                );
                Err(self.bad(&raw.to, what))
            }
            _ if rest.is_empty() => {
                Err(self.bad(&raw.to, format!("{} is empty; it needs a place", key("to"))))
            }
            _ => {
                let same_volume = raw.same_volume.as_ref().is_some_and(|s| *s.get_ref());
                Ok(CopyPlace::Folder { path: self.path(rest), same_volume })
            }
        }
    }

    /// What says nothing for this kind was meant for something else.
    fn fits_the_kind(
        &self,
        key: &dyn Fn(&str) -> String,
        raw: &raw::CopyTarget,
        kind: &str,
    ) -> Result<(), ConfigError> {
        let typed = [
            ("login", "rest: and s3:", &["rest", "s3"][..], raw.login.as_ref().map(Spanned::span)),
            ("program", "rclone: and s3:", &["rclone", "s3"], raw.program.as_ref().map(Spanned::span)),
            ("certificate", "rest:", &["rest"], raw.certificate.as_ref().map(Spanned::span)),
            ("region", "s3:", &["s3"], raw.region.as_ref().map(Spanned::span)),
            ("same_volume", "a folder", &[""], raw.same_volume.as_ref().map(Spanned::span)),
        ];
        for (name, meant, kinds, span) in typed {
            if let Some(span) = span.filter(|_| !kinds.contains(&kind)) {
                let what = format!("{} is for a copy to {meant} only", key(name));
                return Err(self.bad(&Spanned::new(span, ()), what));
            }
        }
        Ok(())
    }

    fn rclone(
        &mut self,
        key: &dyn Fn(&str) -> String,
        raw: &raw::CopyTarget,
    ) -> Result<Vec<String>, ConfigError> {
        match &raw.program {
            Some(typed) => self.command(&key("program"), typed),
            None => Ok(vec!["rclone".to_owned()]),
        }
    }

    fn remote(
        &self,
        key: &dyn Fn(&str) -> String,
        typed: &Spanned<String>,
        remote: &str,
    ) -> Result<String, ConfigError> {
        let named =
            remote.split_once(':').is_some_and(|(name, _)| !name.is_empty() && !name.starts_with('-'));
        if named {
            return Ok(remote.to_owned());
        }
        let what = format!(
            "{} must be rclone:REMOTE:PATH, where REMOTE is one that `rclone listremotes` shows",
            key("to")
        );
        Err(self.bad(typed, what))
    }

    /// `http://` or `https://`, the host with its port, and the path.
    fn server<'u>(
        &self,
        key: &dyn Fn(&str) -> String,
        typed: &Spanned<String>,
        url: &'u str,
        example: &str,
    ) -> Result<(&'u str, &'u str, &'u str), ConfigError> {
        let parts = url.split_once("://").filter(|(scheme, _)| matches!(*scheme, "http" | "https"));
        let (scheme, rest) = parts.unwrap_or_default();
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        // What was typed is not repeated: it may hold the password itself.
        if host.contains('@') {
            let what = format!("{} holds a login; put it into {} = \"file:PATH\"", key("to"), key("login"));
            return Err(self.bad(typed, what));
        }
        if host.is_empty() || url.contains(['?', '#']) || url.contains(char::is_whitespace) {
            return Err(self.bad(typed, format!("{} must look like {example}", key("to"))));
        }
        Ok((scheme, host, path.trim_end_matches('/')))
    }

    fn rest(
        &mut self,
        key: &dyn Fn(&str) -> String,
        raw: &raw::CopyTarget,
        url: &str,
    ) -> Result<CopyPlace, ConfigError> {
        let (scheme, host, path) = self.server(key, &raw.to, url, "rest:https://nas:8000/ada")?;
        if scheme == "http" && raw.login.is_some() && !is_loopback(host) {
            let what = format!(
                "{} would send the login in the clear; use https, or reach the server by a tunnel on 127.0.0.1",
                key("to")
            );
            return Err(self.bad(&raw.to, what));
        }
        let certificate = raw.certificate.as_ref().map(|typed| {
            let path = self.path(typed.get_ref());
            self.require(&key("certificate"), typed, &path);
            path
        });
        let slash = if path.is_empty() { "" } else { "/" };
        Ok(CopyPlace::Rest { url: format!("{scheme}://{host}/{path}{slash}"), certificate })
    }

    fn s3(
        &mut self,
        key: &dyn Fn(&str) -> String,
        raw: &raw::CopyTarget,
        url: &str,
    ) -> Result<CopyPlace, ConfigError> {
        let example = "s3:https://HOST/BUCKET/PREFIX";
        let (scheme, host, path) = self.server(key, &raw.to, url, example)?;
        if path.is_empty() {
            return Err(
                self.bad(&raw.to, format!("{} names no bucket; it must look like {example}", key("to")))
            );
        }
        if raw.login.is_none() {
            let what =
                format!("{} needs {} with the key id and the key, one per line", key("to"), key("login"));
            return Err(self.bad(&raw.to, what));
        }
        Ok(CopyPlace::S3 {
            program: self.rclone(key, raw)?,
            endpoint: format!("{scheme}://{host}"),
            path: path.to_owned(),
            region: raw.region.as_ref().map(|r| r.get_ref().clone()),
        })
    }

    fn rate(&self, key: &str, typed: &Spanned<String>) -> Result<u64, ConfigError> {
        let text = typed.get_ref();
        let rate = text.trim().strip_suffix("/s").and_then(|s| s.trim().parse::<bytesize::ByteSize>().ok());
        rate.map(|r| r.as_u64()).filter(|r| *r >= SLOWEST).ok_or_else(|| {
            self.bad(
                typed,
                format!("{key} = \"{text}\" is not a rate of 10 KB/s or more, such as \"2 MB/s\""),
            )
        })
    }
}

fn is_loopback(host: &str) -> bool {
    let name =
        host.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()).map_or(host, |(name, _)| name);
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    name == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
