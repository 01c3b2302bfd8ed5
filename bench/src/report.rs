//! `docs/benchmarks.md`, from the results that are there.

mod backup;
mod behind;
mod brain;
mod goals;
mod tables;

use std::fmt::Write;
use std::fs;

use anyhow::Context;

use crate::machine::Machine;
use crate::part::backup::{cost, cut, downtime};
use crate::part::{Results, brain as brain_part, health, kept, logs, restart, scale};
use crate::workspace::Workspace;

/// Everything that was measured last; a part that never ran is missing.
pub struct Measured {
    pub restart: Option<Results<restart::Row>>,
    pub hundred: Option<Results<scale::Row>>,
    pub growth: Option<Results<scale::Row>>,
    pub logs: Option<Results<logs::Row>>,
    pub health: Option<Results<health::Row>>,
    pub backup: Option<Results<cost::Row>>,
    pub large: Option<Results<cost::Row>>,
    pub cut: Option<Results<cut::Row>>,
    pub downtime: Option<Results<downtime::Row>>,
    pub brain: Option<Results<brain_part::Row>>,
    /// Bytes of the program that was measured.
    pub program: u64,
}

const HEAD: &str = "# Benchmarks\n\n\
    Written by `make bench`; do not edit. Steady beside public supervisors, log writers and backup programs, one after another on \
    one machine, each with its own defaults and the same services. `make bench PART=restart` (`hundred`, \
    `growth`, `logs`, `health`, `backup`, `cut`, `downtime`, `brain`) measures one part anew and keeps the rest. The code is in `bench/`; peers are installed \
    from Debian, npm and PyPI by `bench/install-peers`. Numbers of different machines do not compare; ratios \
    nearly do.\n";

pub fn write(workspace: &Workspace) -> anyhow::Result<()> {
    let measured = Measured {
        restart: kept(workspace, restart::PART),
        hundred: kept(workspace, scale::HUNDRED),
        growth: kept(workspace, scale::GROWTH),
        logs: kept(workspace, logs::PART),
        health: kept(workspace, health::PART),
        backup: kept(workspace, cost::PART),
        large: kept(workspace, cost::PART_LARGE),
        cut: kept(workspace, cut::PART),
        downtime: kept(workspace, downtime::PART),
        brain: kept(workspace, brain_part::PART),
        program: fs::metadata(&workspace.steady).map_or(0, |found| found.len()),
    };
    let path = workspace.root.join("docs/benchmarks.md");
    fs::write(&path, page(&measured)?).with_context(|| format!("cannot write {}", path.display()))
}

fn page(measured: &Measured) -> anyhow::Result<String> {
    let mut text = HEAD.to_owned();
    goals::write(&mut text, measured)?;
    if let Some(results) = &measured.restart {
        tables::restart(&mut text, results)?;
    }
    if let Some(results) = &measured.hundred {
        tables::hundred(&mut text, results)?;
    }
    if let Some(results) = &measured.growth {
        tables::growth(&mut text, results)?;
    }
    if let Some(results) = &measured.logs {
        tables::logs(&mut text, results)?;
    }
    if let Some(results) = &measured.health {
        tables::health(&mut text, results)?;
    }
    backup::tables(&mut text, measured)?;
    if let Some(results) = &measured.brain {
        brain::tables(&mut text, results)?;
    }
    Ok(text)
}

/// On what, when, and how busy it was.
fn circumstances(text: &mut String, machine: &Machine) -> std::fmt::Result {
    let Machine { date, processors, processor, memory_gib, kernel, load, nice } = machine;
    write!(
        text,
        "{date}, {processors} × {processor}, {memory_gib} GiB, Linux {kernel}; load before it began: {load:.1}"
    )?;
    if *load > 0.5 {
        text.push_str(" (the machine did other work too: medians and ratios hold better than maxima)");
    }
    if *nice != 0 {
        write!(text, "; everything measured ran at nice {nice}")?;
    }
    text.push_str(".\n\n");
    Ok(())
}
