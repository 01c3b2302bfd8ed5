//! The end of a process, told by the kernel; also of one that is not our child.
//!
//! One file per system behind `ExitWatch::open`, `ExitWatch::gone` and `ExitWatch::signal`.

#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(target_os = "macos", path = "macos.rs")]
mod system;

use std::io;

use rustix::process::Pid;
use steady_model::process::ProcessId;
pub use system::ExitWatch;

use crate::process_info;

/// Watches exactly this process; `None` when it is gone already.
pub fn watch(process: &ProcessId) -> io::Result<Option<ExitWatch>> {
    let Some(pid) = pid_of(process.pid) else { return Ok(None) };
    let watch = ExitWatch::open(pid)?;
    // Asked after the watch was opened: what it watches now cannot be replaced any more.
    let same = process_info::look(process.pid).is_some_and(|seen| seen.id == *process && seen.alive);
    Ok(watch.filter(|_| same))
}

pub fn pid_of(pid: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(pid).ok()?)
}
