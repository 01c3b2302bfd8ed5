//! What runs below this process: found, weighed, ended.
//!
//! The bench is the reaper of everything it starts (`adopt_orphans`): a daemon that leaves its parent lands
//! here, so "all that a supervisor is" means all of our descendants that are not the service under test.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process, wait};

use crate::clock::wait_until;

/// From now on, descendants whose parents end become children of this process.
#[cfg(target_os = "linux")]
pub fn adopt_orphans() -> anyhow::Result<()> {
    rustix::process::set_child_subreaper(Some(getpid())).context("cannot become the reaper of descendants")
}

#[cfg(not(target_os = "linux"))]
pub fn adopt_orphans() -> anyhow::Result<()> {
    bail!("the bench reads /proc: it runs on Linux only")
}

#[derive(Debug, Clone)]
pub struct Process {
    pub pid: i32,
    /// The first 15 characters of its name, as the kernel keeps them.
    pub name: String,
    /// `None` for a zombie.
    pub program: Option<PathBuf>,
}

/// Everything below this process.
pub fn descendants() -> anyhow::Result<Vec<Process>> {
    let mut all = Vec::new();
    for entry in fs::read_dir("/proc").context("cannot read /proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        all.extend(look(pid));
    }
    let mut family = HashSet::from([getpid().as_raw_nonzero().get()]);
    let mut found = Vec::new();
    // A parent may have a higher number than its child: again until nobody is added.
    loop {
        let before = found.len();
        for (process, parent) in &all {
            if family.contains(parent) && family.insert(process.pid) {
                found.push(process.clone());
            }
        }
        if found.len() == before {
            return Ok(found);
        }
    }
}

fn look(pid: i32) -> Option<(Process, i32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (head, tail) = stat.rsplit_once(") ")?;
    let name = head.split_once('(')?.1.to_owned();
    let parent = tail.split(' ').nth(1)?.parse().ok()?;
    Some((Process { pid, name, program: fs::read_link(format!("/proc/{pid}/exe")).ok() }, parent))
}

/// All descendants that are not `service`: what supervises it.
pub fn supervisors(service: &Path) -> anyhow::Result<Vec<Process>> {
    let mut found = descendants()?;
    found.retain(|process| process.program.as_deref().is_some_and(|program| program != service));
    Ok(found)
}

/// Proportional set size, kB. A process that has ended weighs nothing.
pub fn pss(pid: i32) -> u32 {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

/// Time on a processor so far, of all threads that live.
pub fn cpu_time(pid: i32) -> Duration {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return Duration::ZERO };
    let spent = tasks.flatten().filter_map(|task| {
        let stat = fs::read_to_string(task.path().join("schedstat")).ok()?;
        stat.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(spent.sum())
}

pub fn kill(pid: i32) -> anyhow::Result<()> {
    let pid = Pid::from_raw(pid).context("no process has this number")?;
    kill_process(pid, Signal::KILL).with_context(|| format!("cannot kill {pid:?}"))
}

/// Ends all descendants, supervisors before services so that nothing is started again, and reaps them.
pub fn end_all(service: &Path) -> anyhow::Result<()> {
    let limit = Duration::from_secs(20);
    let gone = wait_until(limit, || {
        for process in supervisors(service).unwrap_or_default() {
            let _ = kill(process.pid);
        }
        reap();
        supervisors(service).is_ok_and(|left| left.is_empty())
    }) && wait_until(limit, || {
        for process in descendants().unwrap_or_default() {
            let _ = kill(process.pid);
        }
        reap();
        descendants().is_ok_and(|left| left.is_empty())
    });
    if gone { Ok(()) } else { bail!("processes of the last measurement would not end: {:?}", descendants()?) }
}

/// Takes the status of every child that has ended. All of them are ours to forget.
pub fn reap() {
    while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
}
