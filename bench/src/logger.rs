//! The log writers that are compared, each under the supervisor it comes with: 10 MB a file, 5 old ones kept.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::peer::{Peer, package};
use crate::workspace::Workspace;

const MAX_BYTES: u64 = 10_000_000;
pub const KEEP: u64 = 5;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Logger {
    Steady,
    Svlogd,
    S6Log,
    Multilog,
}

/// A logger that can be started.
pub struct Prepared {
    pub supervisor: Command,
    /// Where its files will be.
    pub dir: PathBuf,
}

impl Logger {
    pub const ALL: [Self; 4] = [Self::Steady, Self::Svlogd, Self::S6Log, Self::Multilog];

    pub fn name(self) -> &'static str {
        match self {
            Self::Steady => "Steady's sink",
            Self::Svlogd => "svlogd",
            Self::S6Log => "s6-log",
            Self::Multilog => "multilog",
        }
    }

    /// `None` when it is not installed.
    pub fn version(self, workspace: &Workspace) -> Option<String> {
        match self {
            Self::Steady => Peer::Steady.version(workspace),
            Self::Svlogd => package("runit"),
            Self::S6Log => package("s6"),
            Self::Multilog => package("daemontools"),
        }
    }

    /// Whether this process is the one that writes the files.
    pub fn is(self, name: &str, command_line: &str) -> bool {
        match self {
            Self::Steady => command_line.split('\0').nth(1) == Some("sink"),
            Self::Svlogd | Self::S6Log | Self::Multilog => name == self.name(),
        }
    }

    /// `writer` is the program whose output is logged, with its arguments.
    pub fn prepare(self, dir: &Path, writer: &[String], workspace: &Workspace) -> anyhow::Result<Prepared> {
        let files = dir.join("files");
        if self == Self::Steady {
            let home = dir.join("home");
            fs::create_dir(&home)?;
            let text = format!(
                "version = 1\n[agent]\nlisten = \"127.0.0.1:0\"\n[service.writer]\ncommand = {writer:?}\n\
                 log = {{ max_size = \"{} MB\", keep = {KEEP} }}\n",
                MAX_BYTES / 1_000_000
            );
            fs::write(home.join("steady.toml"), text)?;
            let mut supervisor = Command::new(&workspace.steady);
            supervisor.arg("agent").arg("--home").arg(&home);
            return Ok(Prepared { supervisor, dir: home.join("logs/writer") });
        }
        let scan = dir.join("scan");
        let log = scan.join("writer/log");
        fs::create_dir_all(&log)?;
        fs::create_dir(&files)?;
        let quoted: Vec<_> = writer.iter().map(|word| format!("'{word}'")).collect();
        script(&scan.join("writer/run"), &format!("exec {} 2>&1", quoted.join(" ")))?;
        let files_shown = files.display();
        let (logger, scanner) = match self {
            Self::Svlogd => {
                fs::write(files.join("config"), format!("s{MAX_BYTES}\nn{KEEP}\n"))?;
                (format!("exec svlogd {files_shown}"), "runsvdir")
            }
            Self::S6Log => (format!("exec s6-log n{KEEP} s{MAX_BYTES} {files_shown}"), "s6-svscan"),
            // It counts `current` among those it keeps.
            Self::Multilog | Self::Steady => {
                (format!("exec multilog s{MAX_BYTES} n{} {files_shown}", KEEP + 1), "svscan")
            }
        };
        script(&log.join("run"), &logger)?;
        let mut supervisor = Command::new(scanner);
        supervisor.arg(&scan);
        Ok(Prepared { supervisor, dir: files })
    }
}

fn script(path: &Path, body: &str) -> anyhow::Result<()> {
    fs::write(path, format!("#!/bin/sh\n{body}\n"))?;
    Ok(fs::set_permissions(path, Permissions::from_mode(0o755))?)
}
