use std::ffi::OsString;
use std::io;
use std::process::Command;
use std::sync::OnceLock;

use jiff::Timestamp;
use steady_model::process::ProcessId;
use steady_model::time::WallTime;
use sysinfo::{Pid, Process, ProcessRefreshKind, ProcessStatus, ProcessesToUpdate, System, UpdateKind};

use super::Seen;

pub fn look(pid: u32) -> Option<Seen> {
    one(pid, ProcessRefreshKind::nothing(), seen).flatten()
}

pub fn all() -> io::Result<Vec<Seen>> {
    let mut system = System::new().map_err(io::Error::other)?;
    system.refresh_processes_specifics(ProcessesToUpdate::All, true, ProcessRefreshKind::nothing());
    Ok(system.processes().values().filter_map(seen).collect())
}

/// `kern.bootsessionuuid`: new with every boot, and unmoved by the clock.
pub fn boot_id() -> io::Result<String> {
    static ID: OnceLock<String> = OnceLock::new();
    if let Some(id) = ID.get() {
        return Ok(id.clone());
    }
    let out = Command::new("/usr/sbin/sysctl").args(["-n", "kern.bootsessionuuid"]).output()?;
    let id = String::from_utf8_lossy(&out.stdout).trim().to_owned();
    if !out.status.success() || id.is_empty() {
        return Err(io::Error::other("sysctl did not tell kern.bootsessionuuid"));
    }
    Ok(ID.get_or_init(|| id).clone())
}

pub fn argv(pid: u32) -> Option<Vec<OsString>> {
    let kind = ProcessRefreshKind::nothing().with_cmd(UpdateKind::Always);
    one(pid, kind, |process| process.cmd().to_vec())
}

/// The system hides the environment of programs that it protects; then this is `None`.
pub fn environment(pid: u32) -> Option<Vec<OsString>> {
    let kind = ProcessRefreshKind::nothing().with_environ(UpdateKind::Always);
    one(pid, kind, |process| process.environ().to_vec())
}

pub fn since(pid: u32) -> Option<WallTime> {
    let started = i64::try_from(look(pid)?.id.started).ok()?;
    Timestamp::from_second(started).ok().map(WallTime)
}

fn one<T>(pid: u32, kind: ProcessRefreshKind, read: impl Fn(&Process) -> T) -> Option<T> {
    let pid = Pid::from_u32(pid);
    let mut system = System::new().ok()?;
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), true, kind);
    system.process(pid).map(read)
}

fn seen(process: &Process) -> Option<Seen> {
    let pid = process.pid().as_u32();
    let group = rustix::process::getpgid(crate::exit_watch::pid_of(pid)).ok()?;
    Some(Seen {
        id: ProcessId { pid, started: process.start_time() },
        group: u32::try_from(group.as_raw_nonzero().get()).ok()?,
        alive: process.status() != ProcessStatus::Zombie,
    })
}
