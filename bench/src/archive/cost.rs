//! What a command costs: time until its data is on the disk, processor time, and its largest process.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use serde::{Deserialize, Serialize};

use crate::clock::Moment;

/// One run of a command.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Run {
    /// Seconds, until all was on the disk.
    pub seconds: f64,
    /// Processor seconds of the command and all it started and waited for.
    pub cpu: f64,
    /// Megabytes of the largest process among them.
    pub memory: f64,
}

/// All run at the priority that Steady's engine gives itself.
const LOWEST_PRIORITY: i32 = 19;

/// The hidden command between the bench and what it measures: `getrusage` counts all children of a process, so each
/// measured command has a parent of its own.
pub fn weigh(result: &Path, volume: &Path, command: &[OsString]) -> anyhow::Result<()> {
    let (program, args) = command.split_first().context("nothing to measure")?;
    rustix::process::setpriority_process(None, LOWEST_PRIORITY)?;
    let begun = Moment::now();
    let status = Command::new(program).args(args).status();
    let status = status.with_context(|| format!("cannot run {}", program.display()))?;
    flush(volume)?;
    let seconds = Moment::now().since(begun).as_secs_f64();
    ensure!(status.success(), "{} failed: {status}", program.display());
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let spent = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    let run = Run { seconds, cpu: micro(spent), memory: kilo(usage.max_rss()) };
    fs::write(result, serde_json::to_vec(&run)?).context("cannot write the result")
}

#[expect(clippy::cast_precision_loss, reason = "microseconds of a run")]
fn micro(count: i64) -> f64 {
    count as f64 / 1e6
}

#[expect(clippy::cast_precision_loss, reason = "kilobytes of a process")]
fn kilo(count: i64) -> f64 {
    count as f64 * 1.024 / 1000.0
}

#[cfg(target_os = "linux")]
pub fn flush(volume: &Path) -> anyhow::Result<()> {
    Ok(rustix::fs::syncfs(File::open(volume)?)?)
}

#[cfg(not(target_os = "linux"))]
pub fn flush(_volume: &Path) -> anyhow::Result<()> {
    anyhow::bail!("the bench flushes one volume: it runs on Linux only")
}

/// Runs a command below `scratch`; its standard output is returned.
pub fn run(command: &Command, input: Option<&Path>, scratch: &Path) -> anyhow::Result<(Run, String)> {
    let (result, said, error) = (scratch.join("weighed"), scratch.join("said"), scratch.join("error"));
    flush(scratch)?;
    let mut weigher = Command::new(std::env::current_exe()?);
    weigher
        .arg("weigh")
        .arg(&result)
        .arg(scratch)
        .arg("--")
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        weigher.envs(value.map(|value| (name, value)));
    }
    weigher.current_dir(command.get_current_dir().unwrap_or(scratch));
    let input = input.map_or_else(|| Ok(Stdio::null()), |path| File::open(path).map(Stdio::from))?;
    let status = weigher.stdin(input).stdout(File::create(&said)?).stderr(File::create(&error)?).status()?;
    let said = fs::read_to_string(said).unwrap_or_default();
    let error = fs::read_to_string(error).unwrap_or_default();
    ensure!(status.success(), "{command:?}: {error}{}", said.lines().last().unwrap_or_default());
    let run = serde_json::from_slice(&fs::read(result)?)?;
    Ok((run, said))
}
