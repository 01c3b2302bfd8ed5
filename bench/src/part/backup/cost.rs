//! The same data kept by each program: time, room and memory of each step.

use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::archive::corpus::Corpus;
use crate::archive::cost::Run;
use crate::archive::tool::{Keeper, Tool};
use crate::archive::tree;
use crate::machine::Machine;
use crate::part::{Results, keep};
use crate::say;
use crate::workspace::{Workspace, scratch};

pub const PART: &str = "backup";
/// Over `LARGE`: Steady alone, one round.
pub const PART_LARGE: &str = "backup-large";
const ROUNDS: u64 = 3;
/// Points of one repository in the last round.
pub const DAYS: u64 = 14;
/// Megabytes of data over which the copies of all programs would not fit beside each other.
const LARGE: u64 = 4000;

/// One program; one value for each round.
#[derive(Debug, Serialize, Deserialize)]
pub struct Row {
    pub tool: Tool,
    pub version: String,
    /// Of the data, MB.
    pub source: f64,
    pub first: Vec<Run>,
    /// MB of the first copy.
    pub size: Vec<f64>,
    /// After a day's work.
    pub increment: Vec<Run>,
    /// MB that it added.
    pub added: Vec<f64>,
    /// Of all data; none where a program has nothing to compare with.
    pub verify: Vec<Run>,
    pub restore: Vec<Run>,
    /// MB of the copies of `DAYS` days.
    pub days: Option<f64>,
}

impl Row {
    /// MB of the largest process of any step.
    pub fn memory(&self) -> f64 {
        let all = [&self.first, &self.increment, &self.verify, &self.restore];
        all.into_iter().flatten().map(|run| run.memory).fold(0.0, f64::max)
    }
}

pub fn run(workspace: &Workspace, megabytes: u64) -> anyhow::Result<()> {
    let machine = Machine::look();
    let large = megabytes > LARGE;
    let dir = scratch()?;
    say(&format!("backup: making {megabytes} MB of data"));
    let corpus = Corpus::make(dir.path().join("data"), megabytes)?;
    let tools: &[Tool] = if large { &[Tool::Steady] } else { &Tool::ALL };
    let mut rows: Vec<Row> = Vec::new();
    for tool in tools {
        let Some(version) = tool.version() else { continue };
        rows.push(Row {
            tool: *tool,
            version,
            source: megabytes_of(&corpus.root)?,
            first: Vec::new(),
            size: Vec::new(),
            increment: Vec::new(),
            added: Vec::new(),
            verify: Vec::new(),
            restore: Vec::new(),
            days: None,
        });
    }
    let rounds = if large { 1 } else { ROUNDS };
    for round in 1..=rounds {
        let folder = dir.path().join(format!("round-{round}"));
        let mut keepers = round_of(round, workspace, &folder, &corpus, &mut rows)?;
        if round == rounds && !large {
            say(&format!("backup: {DAYS} days"));
            days(&corpus, &mut keepers, &mut rows, round)?;
        }
        std::fs::remove_dir_all(&folder)?;
    }
    let part = if large { PART_LARGE } else { PART };
    keep(workspace, part, &Results { machine, rows })
}

/// Each step by all programs before the next: a change of the machine's speed meets all of them.
fn round_of<'a>(
    round: u64,
    workspace: &'a Workspace,
    folder: &Path,
    corpus: &Corpus,
    rows: &mut [Row],
) -> anyhow::Result<Vec<Keeper<'a>>> {
    let mut keepers = Vec::new();
    for (number, row) in rows.iter_mut().enumerate() {
        let place = folder.join(number.to_string());
        let mut keeper = Keeper::new(row.tool, workspace, place, &corpus.root)?;
        let empty = keeper.size()?;
        row.first.push(told(round, row.tool, "first", keeper.backup()?));
        row.size.push(megabytes(keeper.size()? - empty));
        keepers.push(keeper);
    }
    corpus.change(round)?;
    for (row, keeper) in rows.iter_mut().zip(&mut keepers) {
        let before = keeper.size()?;
        row.increment.push(told(round, row.tool, "increment", keeper.backup()?));
        row.added.push(megabytes(keeper.size()? - before));
        keeper.forget_old()?;
    }
    for (row, keeper) in rows.iter_mut().zip(&keepers) {
        row.verify.extend(keeper.verify()?.map(|run| told(round, row.tool, "verify", run)));
    }
    for (row, keeper) in rows.iter_mut().zip(&keepers) {
        row.restore.push(told(round, row.tool, "restore", keeper.restore(round == 1)?));
    }
    Ok(keepers)
}

/// What the days after the second add; old whole copies go meanwhile, so that there is room for this.
fn days(corpus: &Corpus, keepers: &mut [Keeper<'_>], rows: &mut [Row], round: u64) -> anyhow::Result<()> {
    for row in rows.iter_mut() {
        row.days = Some(row.size.last().context("no copy")? + row.added.last().context("no second copy")?);
    }
    for day in 3..=DAYS {
        corpus.change(round + day)?;
        for (row, keeper) in rows.iter_mut().zip(keepers.iter_mut()) {
            let before = keeper.size()?;
            keeper.backup()?;
            let added = megabytes(keeper.size()? - before);
            row.days = row.days.map(|so_far| so_far + added);
            keeper.forget_old()?;
        }
    }
    Ok(())
}

fn told(round: u64, tool: Tool, step: &str, run: Run) -> Run {
    let Run { seconds, cpu, memory } = run;
    let name = tool.name();
    say(&format!(
        "backup, round {round}: {name}, {step}: {seconds:.2} s, {cpu:.2} s of processors, {memory:.0} MB"
    ));
    run
}

fn megabytes_of(root: &Path) -> anyhow::Result<f64> {
    Ok(megabytes(tree::size(root)?))
}

#[expect(clippy::cast_precision_loss, reason = "bytes of a disk")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
