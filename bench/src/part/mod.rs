//! What is measured. Each part runs alone and leaves one file of results.

pub mod backup;
pub mod brain;
pub mod health;
pub mod logs;
pub mod restart;
pub mod scale;

use std::fs;
use std::time::Duration;

use anyhow::Context;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::machine::Machine;
use crate::workspace::Workspace;

/// One part's results, with the machine as it was.
#[derive(Debug, Serialize, Deserialize)]
pub struct Results<T> {
    pub machine: Machine,
    pub rows: Vec<T>,
}

/// Between "all are up" and the first measurement: supervisors that hold a successor back after a short life
/// (runit, s6 and supervisord: one second) no longer do so, and start-up has settled.
pub const SETTLED: Duration = Duration::from_millis(2500);

pub fn keep<T: Serialize>(workspace: &Workspace, part: &str, results: &Results<T>) -> anyhow::Result<()> {
    let path = workspace.results(part);
    fs::write(&path, serde_json::to_vec_pretty(results)?)
        .with_context(|| format!("cannot write {}", path.display()))
}

/// What the last run of a part left, if there was one.
pub fn kept<T: DeserializeOwned>(workspace: &Workspace, part: &str) -> Option<Results<T>> {
    serde_json::from_slice(&fs::read(workspace.results(part)).ok()?).ok()
}

pub fn milliseconds(span: Duration) -> f64 {
    span.as_secs_f64() * 1e3
}

/// The 99th of a hundred.
pub fn p99(mut values: Vec<f64>) -> anyhow::Result<f64> {
    values.sort_by(f64::total_cmp);
    let rank = (values.len() * 99).div_ceil(100).saturating_sub(1);
    values.get(rank).copied().context("nothing was measured")
}
