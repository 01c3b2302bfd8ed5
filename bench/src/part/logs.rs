//! Lines through a log writer with rotation on: how fast, at what cost, and what a kill of the writer loses.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use super::{Results, keep};
use crate::clock::{Moment, wait_until};
use crate::lines::LINE;
use crate::logfiles;
use crate::logger::{KEEP, Logger};
use crate::machine::Machine;
use crate::summary::Summary;
use crate::workspace::{Workspace, scratch};
use crate::{fleet, processes, say};

pub const PART: &str = "logs";
const ROUNDS: usize = 3;
/// Of the throughput runs: ten rotations.
pub const LINES: u64 = 1_000_000;
/// Of the runs with kills: all of them are kept, so that all of them can be counted.
pub const COUNTED: u64 = KEEP * 90_000;
pub const KILLS: u64 = 5;
const LIMIT: Duration = Duration::from_secs(60);
/// A writer with a buffer of 4 kB, and one that writes each line.
const BATCHES: [u64; 2] = [40, 1];

#[derive(Debug, Serialize, Deserialize)]
pub struct Row {
    pub logger: Logger,
    pub version: String,
    /// MB per second from the first write to the last line in its file; buffered, then line by line.
    pub buffered: Summary,
    pub by_line: Summary,
    /// Processor seconds of the log writer per GB, buffered and line by line.
    pub cpu: [f64; 2],
    /// Kills of the log writer that met it, and what became of `COUNTED` lines.
    pub kills: u64,
    pub lost: u64,
    pub doubled: u64,
    pub torn: u64,
}

pub fn run(workspace: &Workspace) -> anyhow::Result<()> {
    let machine = Machine::look();
    let mut rows = Vec::new();
    let loggers: Vec<_> =
        Logger::ALL.into_iter().filter_map(|logger| Some((logger, logger.version(workspace)?))).collect();
    let mut speeds = vec![[Vec::new(), Vec::new()]; loggers.len()];
    let mut costs = vec![[Vec::new(), Vec::new()]; loggers.len()];
    for round in 1..=ROUNDS {
        for (((logger, _), speeds), costs) in loggers.iter().zip(&mut speeds).zip(&mut costs) {
            for ((batch, speeds), costs) in BATCHES.into_iter().zip(speeds).zip(costs) {
                let stream = Stream::start(*logger, LINES, batch, workspace)?;
                let took = stream.until_drained()?.as_secs_f64();
                let megabytes = f64::from(u32::try_from(LINES * LINE / 1_000_000)?);
                speeds.push(megabytes / took);
                costs.push(stream.cpu()?.as_secs_f64() / megabytes * 1000.0);
                let speed = megabytes / took;
                say(&format!(
                    "logs, round {round}: {} {speed:.0} MB/s, {batch} lines a write",
                    logger.name()
                ));
            }
        }
    }
    for (((logger, version), speeds), costs) in loggers.into_iter().zip(speeds).zip(costs) {
        let stream = Stream::start(logger, COUNTED, 1, workspace)?;
        let kills = stream.kill_writer()?;
        let drained = stream.until_drained();
        let tally = logfiles::tally(&stream.files, COUNTED)?;
        say(&format!("logs: {} after {kills} kills: {tally:?}", logger.name()));
        if let Err(e) = drained {
            say(&format!("logs: {}: {e:#}", logger.name()));
        }
        let [buffered, by_line] = speeds.map(|speeds| Summary::of(speeds).context("nothing was measured"));
        let cpu = costs.map(|costs| Summary::of(costs).map_or(0.0, |cost| cost.median));
        let (buffered, by_line) = (buffered?, by_line?);
        let (lost, doubled, torn) = (tally.lost, tally.doubled, tally.torn);
        rows.push(Row { logger, version, buffered, by_line, cpu, kills, lost, doubled, torn });
    }
    keep(workspace, PART, &Results { machine, rows })
}

/// One writer, its logger, and the supervisor of both.
struct Stream<'a> {
    logger: Logger,
    last: u64,
    files: PathBuf,
    begun: PathBuf,
    workspace: &'a Workspace,
    _dir: TempDir,
}

impl<'a> Stream<'a> {
    fn start(logger: Logger, lines: u64, batch: u64, workspace: &'a Workspace) -> anyhow::Result<Self> {
        let dir = scratch()?;
        let begun = dir.path().join("begun");
        let program = std::env::current_exe()?.display().to_string();
        let writer =
            [program, "lines".into(), lines.to_string(), batch.to_string(), begun.display().to_string()];
        let mut prepared = logger.prepare(dir.path(), &writer, workspace)?;
        let said = fs::File::create(dir.path().join("said"))?;
        fleet::spawn(prepared.supervisor.stdin(Stdio::null()).stdout(said.try_clone()?).stderr(said))
            .with_context(|| format!("cannot start the supervisor of {}", logger.name()))?;
        Ok(Self { logger, last: lines - 1, files: prepared.dir, begun, workspace, _dir: dir })
    }

    /// From the writer's begin until its last line is in a file.
    fn until_drained(&self) -> anyhow::Result<Duration> {
        let drained = wait_until(LIMIT, || logfiles::ends_with(&self.files, self.last));
        let now = Moment::now();
        ensure!(drained, "the last line did not arrive within {} s", LIMIT.as_secs());
        let begun = fs::read_to_string(&self.begun)?.parse().context("the writer says when it began")?;
        Ok(now.since(Moment(begun)))
    }

    fn writers(&self) -> anyhow::Result<Vec<i32>> {
        let found = processes::supervisors(&self.workspace.probe)?.into_iter().filter(|process| {
            let line = fs::read_to_string(format!("/proc/{}/cmdline", process.pid)).unwrap_or_default();
            self.logger.is(&process.name, &line)
        });
        Ok(found.map(|process| process.pid).collect())
    }

    fn cpu(&self) -> anyhow::Result<Duration> {
        Ok(self.writers()?.into_iter().map(processes::cpu_time).sum())
    }

    /// Kills the log writer at even distances of what it has written; says how often it could.
    fn kill_writer(&self) -> anyhow::Result<u64> {
        let mut killed = 0;
        for kill in 1..=KILLS {
            let due = (self.last + 1) / (KILLS + 1) * kill;
            if !wait_until(LIMIT, || logfiles::progress(&self.files) >= Some(due)) {
                break;
            }
            for writer in self.writers()? {
                // One that has just ended is as good as killed.
                killed += u64::from(processes::kill(writer).is_ok());
            }
        }
        Ok(killed)
    }
}

impl Drop for Stream<'_> {
    fn drop(&mut self) {
        if let Err(e) = processes::end_all(&self.workspace.probe) {
            say(&format!("{e:#}"));
        }
    }
}
