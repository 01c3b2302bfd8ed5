//! A restore in place through the agent: for how long the service is away.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

use crate::archive::corpus::Corpus;
use crate::clock::{Moment, pause, wait_until};
use crate::machine::Machine;
use crate::part::{Results, keep};
use crate::say;
use crate::workspace::{Workspace, scratch};

pub const PART: &str = "downtime";
const RESTORES: u64 = 3;
const BEAT: Duration = Duration::from_millis(5);
const UP: Duration = Duration::from_secs(30);

#[derive(Debug, Serialize, Deserialize)]
pub struct Row {
    pub megabytes: u64,
    /// Seconds without the service, each restore.
    pub away: Vec<f64>,
    /// Seconds from the command to its end, the safety point and all checks included.
    pub took: Vec<f64>,
}

/// The hidden command: a service that writes down when it was there.
pub fn beat(file: &Path) -> anyhow::Result<()> {
    let mut file = OpenOptions::new().create(true).append(true).open(file)?;
    loop {
        file.write_all(&Moment::now().0.to_ne_bytes())?;
        pause(BEAT);
    }
}

pub fn run(workspace: &Workspace, megabytes: u64) -> anyhow::Result<()> {
    let machine = Machine::look();
    let dir = scratch()?;
    let (home, beats) = (dir.path().join("home"), dir.path().join("beats"));
    let corpus = Corpus::make(dir.path().join("data"), megabytes)?;
    let agent = Agent::start(workspace, &home, &corpus.root, &beats)?;
    let mut row = Row { megabytes, away: Vec::new(), took: Vec::new() };
    for restore in 1..=RESTORES {
        agent.ask(&["backup"])?;
        corpus.change(restore)?;
        let begun = Moment::now();
        agent.ask(&["restore", "latest", "--yes"])?;
        let took = Moment::now().since(begun).as_secs_f64();
        let away = longest_gap(&beats, begun)?.as_secs_f64();
        say(&format!("downtime, restore {restore}: {away:.2} s away, {took:.1} s in all"));
        row.away.push(away);
        row.took.push(took);
    }
    drop(agent);
    keep(workspace, PART, &Results { machine, rows: vec![row] })
}

fn moments(beats: &Path) -> Vec<Moment> {
    let bytes = fs::read(beats).unwrap_or_default();
    let number = |bytes: &[u8]| Some(Moment(u64::from_ne_bytes(bytes.try_into().ok()?)));
    bytes.chunks_exact(8).filter_map(number).collect()
}

fn longest_gap(beats: &Path, from: Moment) -> anyhow::Result<Duration> {
    let all = moments(beats);
    let gaps = all.windows(2).filter_map(|pair| match pair {
        [before, after] if *after >= from => Some(after.since(*before)),
        _ => None,
    });
    gaps.max().context("the service was never there")
}

struct Agent<'a> {
    workspace: &'a Workspace,
    home: &'a Path,
    child: Child,
}

impl<'a> Agent<'a> {
    fn start(workspace: &'a Workspace, home: &'a Path, data: &Path, beats: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(home)?;
        let program = std::env::current_exe()?;
        let text = format!(
            "version = 1\n[service.beat]\ncommand = ['{}', 'beat', '{}']\n[backup]\nsource = '{}'\n",
            program.display(),
            beats.display(),
            data.display()
        );
        fs::write(home.join("steady.toml"), text)?;
        let log = File::create(home.join("said"))?;
        let mut command = Command::new(&workspace.steady);
        command.arg("agent").arg("--home").arg(home).stdin(Stdio::null());
        command.stdout(log.try_clone()?).stderr(log);
        let agent = Self { workspace, home, child: command.spawn().context("cannot start the agent")? };
        ensure!(wait_until(UP, || !moments(beats).is_empty()), "the service does not start");
        Ok(agent)
    }

    fn ask(&self, args: &[&str]) -> anyhow::Result<()> {
        let mut command = Command::new(&self.workspace.steady);
        let output = command.arg("--home").arg(self.home).args(args).stdin(Stdio::null()).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "steady {args:?}: {said}{}",
            String::from_utf8_lossy(&output.stdout)
        );
        Ok(())
    }
}

impl Drop for Agent<'_> {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let _ = self.child.wait();
    }
}
