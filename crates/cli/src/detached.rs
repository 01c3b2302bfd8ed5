//! Starting a process of ours that outlives this one.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::Context;

/// The agent's own log starts anew at this size; one old one is kept.
const LOG_MAX: u64 = 10_000_000;

/// Starts `program` in a process group of its own, so that Ctrl-C here does not reach it.
pub fn spawn(program: &Path, args: &[&str], paths: &[(&str, &Path)], log: &Path) -> anyhow::Result<Child> {
    if std::fs::metadata(log).is_ok_and(|m| m.len() > LOG_MAX) {
        let _ = std::fs::rename(log, log.with_extension("log.old"));
    }
    let out = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(log)
        .with_context(|| format!("cannot open the log {}", log.display()))?;
    let mut command = Command::new(program);
    command.args(args);
    for (flag, path) in paths {
        command.arg(flag).arg(path);
    }
    command
        .stdin(Stdio::null())
        .stdout(out.try_clone()?)
        .stderr(out)
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))
}

/// A program that is installed beside this one, if it is there.
pub fn beside(name: &str) -> anyhow::Result<Option<PathBuf>> {
    let own = std::env::current_exe().context("cannot tell where this program is")?;
    Ok(own.parent().map(|dir| dir.join(name)).filter(|p| p.is_file()))
}
