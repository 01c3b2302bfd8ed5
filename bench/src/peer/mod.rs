//! Who is measured: how each one is told to keep the same services running, and which version it is.

mod configured;
pub mod keeper;
mod scanned;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::workspace::Workspace;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Peer {
    Steady,
    Runit,
    S6,
    Supervisord,
    Pm2,
    Monit,
    Circus,
    /// Nobody's supervisor: what the kernel alone takes to end a process, to wake who waits for it and to start
    /// another. None can be quicker.
    Loop,
}

/// The services that a supervisor is given: one directory each, the same program in all.
#[derive(Debug)]
pub struct Stand {
    pub dir: PathBuf,
    pub services: Vec<PathBuf>,
    pub probe: PathBuf,
}

impl Peer {
    pub const ALL: [Self; 7] =
        [Self::Steady, Self::Runit, Self::S6, Self::Supervisord, Self::Pm2, Self::Circus, Self::Monit];

    pub fn name(self) -> &'static str {
        match self {
            Self::Steady => "Steady",
            Self::Runit => "runit",
            Self::S6 => "s6",
            Self::Supervisord => "supervisord",
            Self::Pm2 => "pm2",
            Self::Monit => "monit",
            Self::Circus => "circus",
            Self::Loop => "a bare loop",
        }
    }

    /// `None` when it is not installed.
    pub fn version(self, workspace: &Workspace) -> Option<String> {
        match self {
            Self::Steady => second_word(&output(Command::new(&workspace.steady).arg("--version"))?),
            Self::Runit => package("runit"),
            Self::S6 => package("s6"),
            Self::Supervisord => package("supervisor"),
            Self::Monit => package("monit"),
            Self::Pm2 => {
                let manifest = workspace.peers.join("npm/node_modules/pm2/package.json");
                let manifest: serde_json::Value =
                    serde_json::from_slice(&std::fs::read(manifest).ok()?).ok()?;
                Some(manifest.get("version")?.as_str()?.to_owned())
            }
            Self::Circus => {
                let said = output(Command::new(workspace.peers.join("venv/bin/circusd")).arg("--version"))?;
                said.split_whitespace().last().map(str::to_owned)
            }
            Self::Loop => Some(String::new()),
        }
    }

    /// Writes its configuration, and says how it is started.
    pub fn prepare(self, stand: &Stand, workspace: &Workspace) -> anyhow::Result<Command> {
        match self {
            Self::Steady => configured::steady(stand, &workspace.steady),
            Self::Runit => scanned::runit(stand),
            Self::S6 => scanned::s6(stand),
            Self::Supervisord => configured::supervisord(stand),
            Self::Pm2 => configured::pm2(stand, &workspace.peers.join("npm/node_modules/.bin/pm2")),
            Self::Circus => configured::circus(stand, &workspace.peers.join("venv/bin/circusd")),
            Self::Monit => configured::monit(stand),
            Self::Loop => keeper::prepare(stand),
        }
    }
}

/// The version of an installed Debian package.
pub fn package(name: &str) -> Option<String> {
    output(Command::new("dpkg-query").args(["-W", "-f", "${Version}", name]))
}

fn second_word(text: &str) -> Option<String> {
    text.split_whitespace().nth(1).map(str::to_owned)
}

fn output(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    Some(text).filter(|text| !text.is_empty())
}

impl Stand {
    pub fn new(dir: &Path, count: usize, probe: &Path) -> anyhow::Result<Self> {
        let services: Vec<_> = (0..count).map(|number| dir.join(format!("services/s{number:04}"))).collect();
        for service in &services {
            std::fs::create_dir_all(service)?;
        }
        Ok(Self { dir: dir.to_owned(), services, probe: probe.to_owned() })
    }

    /// Name and directory of each.
    pub fn named(&self) -> impl Iterator<Item = (std::borrow::Cow<'_, str>, &Path)> {
        self.services.iter().filter_map(|dir| Some((dir.file_name()?.to_string_lossy(), dir.as_path())))
    }
}
