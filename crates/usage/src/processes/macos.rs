use std::io;
use std::time::Duration;

use libproc::pid_rusage::{RUsageInfoV2, pidrusage};
use rustix::process::{Pid, getpgid};
use steady_model::process::ProcessId;
use sysinfo::{ProcessRefreshKind, ProcessStatus, ProcessesToUpdate, System};

use crate::{Memory, Process};

/// Not told here: the time of ended children. The system counts it in a unit that differs between machines, and the
/// factor is out of reach without unsafe code.
pub struct Processes(System);

impl Processes {
    pub fn new() -> io::Result<Self> {
        System::new().map(Self).map_err(io::Error::other)
    }

    #[expect(clippy::unnecessary_wraps, reason = "the other system's can fail")]
    pub fn all(&mut self) -> io::Result<Vec<Process>> {
        self.0.refresh_processes_specifics(
            ProcessesToUpdate::All,
            true,
            ProcessRefreshKind::nothing().with_cpu(),
        );
        Ok(self.0.processes().values().filter_map(seen).collect())
    }

    #[expect(clippy::unused_self, reason = "the other system's needs it")]
    pub fn memory(&self, pid: u32, _: Memory) -> io::Result<u64> {
        let pid = i32::try_from(pid).map_err(io::Error::other)?;
        pidrusage::<RUsageInfoV2>(pid).map(|usage| usage.ri_phys_footprint).map_err(io::Error::other)
    }
}

fn seen(process: &sysinfo::Process) -> Option<Process> {
    let pid = process.pid().as_u32();
    let group = getpgid(Pid::from_raw(i32::try_from(pid).ok()?)).ok()?;
    Some(Process {
        id: ProcessId { pid, started: process.start_time() },
        parent: process.parent().map_or(0, sysinfo::Pid::as_u32),
        group: u32::try_from(group.as_raw_nonzero().get()).ok()?,
        alive: process.status() != ProcessStatus::Zombie,
        own: Duration::from_millis(process.accumulated_cpu_time()),
        children: Duration::ZERO,
    })
}
