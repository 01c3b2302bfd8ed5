use std::io;
use std::path::Path;

use jiff::Timestamp;
use rustix::process::getpgid;
use steady_model::time::WallTime;
use sysinfo::{Pid, Process, ProcessRefreshKind, ProcessStatus, ProcessesToUpdate, System, UpdateKind};

use super::{About, Running};

pub fn all() -> io::Result<Vec<Running>> {
    let mut system = System::new().map_err(io::Error::other)?;
    let kind = ProcessRefreshKind::nothing().with_cmd(UpdateKind::Always);
    system.refresh_processes_specifics(ProcessesToUpdate::All, true, kind);
    let line = |process: &Process| Some(Running { pid: process.pid().as_u32(), command: line(process)? });
    Ok(system.processes().values().filter_map(line).collect())
}

pub fn command(pid: u32) -> Option<String> {
    one(pid, ProcessRefreshKind::nothing().with_cmd(UpdateKind::Always), line)
}

pub fn about(pid: u32) -> Option<About> {
    one(pid, ProcessRefreshKind::nothing().with_exe(UpdateKind::Always), |process| {
        let order = process.start_time();
        let group = getpgid(rustix::process::Pid::from_raw(i32::try_from(pid).ok()?)).ok()?;
        Some(About {
            order,
            since: i64::try_from(order).ok().and_then(|s| Timestamp::from_second(s).ok()).map(WallTime),
            group: u32::try_from(group.as_raw_nonzero().get()).ok()?,
            program: process.exe().map(Path::to_owned),
        })
    })
}

fn line(process: &Process) -> Option<String> {
    let runs = process.status() != ProcessStatus::Zombie && !process.cmd().is_empty();
    runs.then(|| super::joined(process.cmd().iter()))
}

fn one<T>(pid: u32, kind: ProcessRefreshKind, read: impl Fn(&Process) -> Option<T>) -> Option<T> {
    let pid = Pid::from_u32(pid);
    let mut system = System::new().ok()?;
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), true, kind);
    system.process(pid).and_then(read)
}
