//! What the system tells about processes. Blocking, and quick.
//!
//! One file per system behind `look`, `all`, `argv`, `environment`, `since` and `boot_id`.

#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(target_os = "macos", path = "macos.rs")]
mod system;

use std::ffi::OsString;

use steady_model::process::ProcessId;
use steady_model::time::WallTime;
pub use system::{all, boot_id, look};

/// The longest command line shown, characters.
const COMMAND_SHOWN: usize = 160;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub id: ProcessId,
    pub group: u32,
    /// Not a zombie.
    pub alive: bool,
}

/// A process's program and arguments; `None` when it is gone or the system does not tell.
pub fn argv(pid: u32) -> Option<Vec<OsString>> {
    system::argv(pid).filter(|argv| !argv.is_empty())
}

/// The environment that a process was started with; `None` when the system does not tell.
pub fn environment(pid: u32) -> Option<Vec<OsString>> {
    system::environment(pid).filter(|vars| !vars.is_empty())
}

/// When a process began, by today's clock.
pub fn since(pid: u32) -> Option<WallTime> {
    system::since(pid)
}

/// The command line as people read it, shortened.
pub fn command(pid: u32) -> Option<String> {
    let argv = argv(pid)?;
    let words: Vec<_> = argv.iter().map(|arg| arg.to_string_lossy()).collect();
    let line = words.join(" ");
    match line.char_indices().nth(COMMAND_SHOWN) {
        Some((end, _)) => Some(format!("{}…", line.get(..end).unwrap_or_default())),
        None => Some(line),
    }
}
