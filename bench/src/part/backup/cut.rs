//! Points taken while five databases are written to: are they whole, and does the writer feel it.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};

use crate::archive::commits::{self, Worth, Writer};
use crate::archive::steady::Engine;
use crate::clock::{Moment, pause};
use crate::machine::Machine;
use crate::part::{Results, keep};
use crate::say;
use crate::workspace::{Workspace, scratch};

pub const PART: &str = "cut";
pub const POINTS: u32 = 200;
pub const MEGABYTES: u64 = 100;
/// A new repository after so many points: the disk is not endless.
const POINTS_OF_A_REPOSITORY: u32 = 20;
const IDLE: Duration = Duration::from_secs(30);

#[derive(Debug, Serialize, Deserialize)]
pub struct Row {
    pub points: u32,
    pub steady: Tally,
    /// `cp -r` of the same, each followed by the same look.
    pub copy: Tally,
    /// Milliseconds for which the writers were held, the 99th of a hundred points.
    pub barrier_p99: f64,
    /// Milliseconds of a commit, the 99th of a hundred: with nothing beside it, while a point was taken, while it
    /// was copied.
    pub idle_p99: f64,
    pub backup_p99: f64,
    pub copy_p99: f64,
    /// The longest commit, milliseconds.
    pub idle_max: f64,
    pub backup_max: f64,
    pub copy_max: f64,
}

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Tally {
    pub torn: u32,
    pub skewed: u32,
}

impl Tally {
    fn count(&mut self, worth: Worth) {
        match worth {
            Worth::Whole => {}
            Worth::Torn => self.torn += 1,
            Worth::Skewed => self.skewed += 1,
        }
    }

    pub fn bad(self) -> u32 {
        self.torn + self.skewed
    }
}

type Window = (Moment, Moment);

pub fn run(workspace: &Workspace) -> anyhow::Result<()> {
    let machine = Machine::look();
    let dir = scratch()?;
    let data = dir.path().join("data");
    commits::make(&data, MEGABYTES)?;
    let writer = Writer::start(&data, dir.path().join("commits"))?;
    let begun = Moment::now();
    pause(IDLE);
    let idle = vec![(begun, Moment::now())];
    let (steady, points, barriers) = points(workspace, dir.path(), &data)?;
    let (copy, copies) = copies(dir.path(), &data)?;
    let commits = writer.commits()?;
    drop(writer);
    let took = |windows: &[Window]| during(&commits, windows);
    let (idle_p99, idle_max) = worst(took(&idle))?;
    let (backup_p99, backup_max) = worst(took(&points))?;
    let (copy_p99, copy_max) = worst(took(&copies))?;
    let (barrier_p99, _) = worst(barriers)?;
    let row = Row {
        points: POINTS,
        steady,
        copy,
        barrier_p99,
        idle_p99,
        backup_p99,
        copy_p99,
        idle_max,
        backup_max,
        copy_max,
    };
    say(&format!("cut: {row:?}"));
    keep(workspace, PART, &Results { machine, rows: vec![row] })
}

fn points(
    workspace: &Workspace,
    folder: &Path,
    data: &Path,
) -> anyhow::Result<(Tally, Vec<Window>, Vec<f64>)> {
    let (mut tally, mut windows, mut barriers) = (Tally::default(), Vec::new(), Vec::new());
    let (place, restored) = (folder.join("kept"), folder.join("restored"));
    for first in (0..POINTS).step_by(usize::try_from(POINTS_OF_A_REPOSITORY)?) {
        fs::create_dir(&place)?;
        let engine = Engine::create(&workspace.steady, &place, data)?;
        for _ in first..POINTS.min(first + POINTS_OF_A_REPOSITORY) {
            let (begun, ended, point) = engine.take(data)?;
            ensure!(point.missing == 0, "the point is not whole");
            windows.push((begun, ended));
            barriers.push(Duration::from_micros(point.barrier_micros).as_secs_f64() * 1e3);
            engine.stage(&point.id, &restored)?;
            tally.count(commits::judge(&restored));
            fs::remove_dir_all(&restored)?;
        }
        fs::remove_dir_all(&place)?;
        say(&format!("cut: {} points, {tally:?}", windows.len()));
    }
    Ok((tally, windows, barriers))
}

fn copies(folder: &Path, data: &Path) -> anyhow::Result<(Tally, Vec<Window>)> {
    let (mut tally, mut windows) = (Tally::default(), Vec::new());
    let copy = folder.join("copy");
    for _ in 0..POINTS {
        let begun = Moment::now();
        // A file that went away meanwhile fails it, and a script that does not look goes on all the same.
        Command::new("cp").arg("-r").arg(data).arg(&copy).output().context("cannot run cp")?;
        windows.push((begun, Moment::now()));
        tally.count(commits::judge(&copy));
        fs::remove_dir_all(&copy)?;
    }
    say(&format!("cut: {} copies by cp -r, {tally:?}", windows.len()));
    Ok((tally, windows))
}

/// Milliseconds of the commits that overlap a window.
fn during(commits: &[(Moment, f64)], windows: &[Window]) -> Vec<f64> {
    let overlaps = |at: Moment, took: f64| {
        let end =
            Moment(at.0 + Duration::from_secs_f64(took / 1e3).as_nanos().try_into().unwrap_or(u64::MAX));
        windows.iter().any(|(begun, ended)| at <= *ended && end >= *begun)
    };
    commits.iter().filter(|(at, took)| overlaps(*at, *took)).map(|(_, took)| *took).collect()
}

/// The 99th of a hundred, and the last.
fn worst(mut values: Vec<f64>) -> anyhow::Result<(f64, f64)> {
    values.sort_by(f64::total_cmp);
    let p99 = values.get(values.len().saturating_sub(1) * 99 / 100).copied();
    Ok((p99.context("nothing was measured")?, values.last().copied().context("nothing was measured")?))
}
