//! The programs that are compared, and how each is asked for the same.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};

use super::cost::{self, Run};
use super::steady::Engine;
use super::tree;
use crate::workspace::Workspace;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tool {
    Steady,
    Restic,
    Borg,
    Copy,
    Rsync,
    Tar,
}

impl Tool {
    pub const ALL: [Self; 6] = [Self::Steady, Self::Restic, Self::Borg, Self::Copy, Self::Rsync, Self::Tar];

    pub fn name(self) -> &'static str {
        match self {
            Self::Steady => "Steady",
            Self::Restic => "restic",
            Self::Borg => "borg",
            Self::Copy => "`cp -r`",
            Self::Rsync => "`rsync --link-dest`",
            Self::Tar => "`tar \\| zstd`",
        }
    }

    /// `None` when it is not installed.
    pub fn version(self) -> Option<String> {
        let package = match self {
            Self::Steady => return Some(env!("CARGO_PKG_VERSION").to_owned()),
            Self::Restic => "restic",
            Self::Borg => "borgbackup",
            Self::Copy => "coreutils",
            Self::Rsync => "rsync",
            Self::Tar => "zstd",
        };
        let output = Command::new("dpkg-query").args(["-W", "-f", "${Version}", package]).output().ok()?;
        (output.status.success()).then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// One program's copies of one source.
pub struct Keeper<'a> {
    tool: Tool,
    folder: PathBuf,
    source: PathBuf,
    engine: Option<Engine<'a>>,
    /// The newest copy's name.
    last: String,
    taken: u32,
}

impl<'a> Keeper<'a> {
    pub fn new(tool: Tool, workspace: &'a Workspace, folder: PathBuf, source: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(&folder)?;
        let engine = if tool == Tool::Steady {
            Some(Engine::create(&workspace.steady, &folder, source)?)
        } else {
            None
        };
        let keeper = Self { tool, folder, source: source.to_owned(), engine, last: String::new(), taken: 0 };
        match tool {
            Tool::Restic => {
                fs::write(keeper.folder.join("password"), "of no importance")?;
                keeper.run(&keeper.restic(&["init"]))?;
            }
            Tool::Borg => {
                let mut init = keeper.borg("init");
                init.args(["-e", "repokey"]).arg(keeper.place());
                keeper.run(&init)?;
            }
            _ => fs::create_dir_all(keeper.place())?,
        }
        Ok(keeper)
    }

    fn place(&self) -> PathBuf {
        self.engine
            .as_ref()
            .map_or_else(|| self.folder.join("copies"), |engine| engine.repository().to_owned())
    }

    pub fn size(&self) -> anyhow::Result<u64> {
        tree::size(&self.place())
    }

    pub fn backup(&mut self) -> anyhow::Result<Run> {
        self.taken += 1;
        let before = std::mem::replace(&mut self.last, format!("copy-{}", self.taken));
        let place = self.newest();
        let command = match self.tool {
            Tool::Steady => {
                let engine = self.engine.as_ref().context("no engine")?;
                let (run, point) = engine.backup(&self.source)?;
                ensure!(point.missing == 0, "the point is not whole");
                self.last = point.id;
                return Ok(run);
            }
            Tool::Restic => {
                let mut command = self.restic(&["--quiet", "backup"]);
                command.arg(&self.source);
                command
            }
            Tool::Borg => {
                let mut command = self.borg("create");
                command.arg(self.archive()).arg(&self.source);
                command
            }
            Tool::Copy => {
                let mut command = Command::new("cp");
                command.arg("-r").arg(&self.source).arg(&place);
                command
            }
            Tool::Rsync => {
                let mut command = Command::new("rsync");
                command.arg("-a");
                if !before.is_empty() {
                    command.arg(format!("--link-dest={}", self.place().join(before).display()));
                }
                command.arg(self.source.join("")).arg(&place);
                command
            }
            Tool::Tar => self.shell("tar -C \"$1\" -cf - . | zstd -q -3 -T2 -o \"$2\"", &self.source, &place),
        };
        self.run(&command)
    }

    /// The newest copy's place, of programs that keep whole copies.
    pub fn newest(&self) -> PathBuf {
        self.place().join(&self.last)
    }

    /// Only the newest whole copy stays, of programs that keep whole copies.
    pub fn forget_old(&self) -> anyhow::Result<()> {
        if matches!(self.tool, Tool::Copy | Tool::Rsync | Tool::Tar) {
            for entry in fs::read_dir(self.place())? {
                let entry = entry?;
                if entry.file_name() == self.last.as_str() {
                    continue;
                }
                if entry.file_type()?.is_dir() {
                    fs::remove_dir_all(entry.path())?;
                } else {
                    fs::remove_file(entry.path())?;
                }
            }
        }
        Ok(())
    }

    /// `None` where there is nothing to compare with.
    pub fn verify(&self) -> anyhow::Result<Option<Run>> {
        let command = match self.tool {
            Tool::Steady => {
                return self.engine.as_ref().context("no engine")?.verify(&self.last).map(Some);
            }
            Tool::Restic => self.restic(&["--quiet", "check", "--read-data"]),
            Tool::Borg => {
                let mut command = self.borg("check");
                command.arg("--verify-data").arg(self.place());
                command
            }
            Tool::Copy | Tool::Rsync => return Ok(None),
            Tool::Tar => {
                let mut command = Command::new("zstd");
                command.args(["-q", "-t"]).arg(self.newest());
                command
            }
        };
        self.run(&command).map(Some)
    }

    /// Restores the newest copy into a folder that is removed again; `exact` compares it with the source first.
    pub fn restore(&self, exact: bool) -> anyhow::Result<Run> {
        let into = self.folder.join("restored");
        let from = self.newest();
        let inside = into.join(self.source.strip_prefix("/")?);
        let (run, restored) = match self.tool {
            Tool::Steady => {
                (self.engine.as_ref().context("no engine")?.stage(&self.last, &into)?, into.clone())
            }
            Tool::Restic => {
                let mut command = self.restic(&["--quiet", "restore", "latest", "--target"]);
                command.arg(&into);
                (self.run(&command)?, inside)
            }
            Tool::Borg => {
                fs::create_dir_all(&into)?;
                let mut command = self.borg("extract");
                command.arg(self.archive()).current_dir(&into);
                (self.run(&command)?, inside)
            }
            Tool::Copy => {
                let mut command = Command::new("cp");
                command.arg("-r").arg(from).arg(&into);
                (self.run(&command)?, into.clone())
            }
            Tool::Rsync => {
                let mut command = Command::new("rsync");
                command.arg("-a").arg(from.join("")).arg(&into);
                (self.run(&command)?, into.clone())
            }
            Tool::Tar => {
                fs::create_dir_all(&into)?;
                let command = self.shell("zstd -q -d -c \"$1\" | tar -C \"$2\" -xf -", &from, &into);
                (self.run(&command)?, into.clone())
            }
        };
        if exact {
            tree::ensure_same(&self.source, &restored).with_context(|| self.tool.name())?;
        }
        fs::remove_dir_all(&into)?;
        Ok(run)
    }

    fn run(&self, command: &Command) -> anyhow::Result<Run> {
        Ok(cost::run(command, None, &self.folder)?.0)
    }

    fn restic(&self, args: &[&str]) -> Command {
        let mut command = Command::new("restic");
        command.env("RESTIC_CACHE_DIR", self.folder.join("cache"));
        command.arg("--repo").arg(self.place()).arg("--password-file").arg(self.folder.join("password"));
        command.args(args);
        command
    }

    fn borg(&self, what: &str) -> Command {
        let mut command = Command::new("borg");
        command.env("BORG_BASE_DIR", &self.folder).env("BORG_PASSPHRASE", "of no importance").arg(what);
        command
    }

    fn archive(&self) -> String {
        format!("{}::{}", self.place().display(), self.last)
    }

    fn shell(&self, script: &str, from: &Path, to: &Path) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script, self.tool.name()]).arg(from).arg(to);
        command
    }
}
