//! Which keys a kind of check takes.

use std::ops::Range;

use toml::Spanned;

use super::Context;
use crate::config::error::ConfigError;
use crate::config::raw::{self, Kind};

impl Context<'_> {
    pub(super) fn refuse_foreign_keys(&self, name: &str, raw: &raw::Check) -> Result<(), ConfigError> {
        let kind = *raw.kind.get_ref();
        let foreign = typed_keys(raw).into_iter().find(|(_, k)| !takes(kind).contains(k));
        match foreign {
            Some((at, k)) => {
                let what = format!("check.{name}.{k} means nothing for a check of this kind");
                Err(self.source.error(&at, what, None))
            }
            None => Ok(()),
        }
    }
}

/// The keys of a kind beside those that all take.
fn takes(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Http => &["url", "status", "body", "warn_body", "slow"],
        Kind::Tcp => &["address", "slow"],
        Kind::Process => &["process"],
        Kind::Port => &["port", "process"],
        Kind::Path => &["path"],
        Kind::Variable => &["variable", "files", "directory"],
        Kind::Disk => &["path", "warn_below", "fail_below"],
        Kind::Marker => &["path", "max_age"],
        Kind::Command => &["command", "cwd"],
        Kind::Log => &["path", "pattern", "window"],
        Kind::Sqlite => &["path", "max_wal", "deep"],
        Kind::Equality => &["left", "right", "tolerance"],
        Kind::Count => &["path", "url", "password", "query", "collapse"],
        Kind::Postgres => &["url", "password"],
        Kind::Outbox => &["path", "url", "password", "table", "pending", "oldest"],
        Kind::Redis => &["address", "password", "graphs", "data_dir", "max_age"],
        Kind::Ollama => &["url", "model", "embed"],
        Kind::Docker => &["socket", "project", "services"],
        Kind::Usage => &["memory_above", "cpu_above"],
    }
}

fn typed_keys(raw: &raw::Check) -> Vec<(Range<usize>, &'static str)> {
    fn at<T>(typed: Option<&Spanned<T>>, key: &'static str) -> Option<(Range<usize>, &'static str)> {
        typed.map(|t| (t.span(), key))
    }
    [
        at(raw.url.as_ref(), "url"),
        at(raw.password.as_ref(), "password"),
        at(raw.status.as_ref(), "status"),
        at(raw.body.as_ref(), "body"),
        at(raw.warn_body.as_ref(), "warn_body"),
        at(raw.slow.as_ref(), "slow"),
        at(raw.address.as_ref(), "address"),
        at(raw.process.as_ref(), "process"),
        at(raw.port.as_ref(), "port"),
        at(raw.path.as_ref(), "path"),
        at(raw.variable.as_ref(), "variable"),
        at(raw.files.as_ref(), "files"),
        at(raw.directory.as_ref(), "directory"),
        at(raw.warn_below.as_ref(), "warn_below"),
        at(raw.fail_below.as_ref(), "fail_below"),
        at(raw.max_age.as_ref(), "max_age"),
        at(raw.command.as_ref(), "command"),
        at(raw.cwd.as_ref(), "cwd"),
        at(raw.pattern.as_ref(), "pattern"),
        at(raw.window.as_ref(), "window"),
        at(raw.max_wal.as_ref(), "max_wal"),
        at(raw.deep.as_ref(), "deep"),
        at(raw.query.as_ref(), "query"),
        at(raw.left.as_ref(), "left"),
        at(raw.right.as_ref(), "right"),
        at(raw.tolerance.as_ref(), "tolerance"),
        at(raw.collapse.as_ref(), "collapse"),
        at(raw.table.as_ref(), "table"),
        at(raw.pending.as_ref(), "pending"),
        at(raw.oldest.as_ref(), "oldest"),
        at(raw.graphs.as_ref(), "graphs"),
        at(raw.data_dir.as_ref(), "data_dir"),
        at(raw.model.as_ref(), "model"),
        at(raw.embed.as_ref(), "embed"),
        at(raw.socket.as_ref(), "socket"),
        at(raw.project.as_ref(), "project"),
        at(raw.services.as_ref(), "services"),
        at(raw.memory_above.as_ref(), "memory_above"),
        at(raw.cpu_above.as_ref(), "cpu_above"),
    ]
    .into_iter()
    .flatten()
    .collect()
}
