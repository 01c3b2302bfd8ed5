//! What the system tells about processes. Blocking, and quick.
//!
//! One file per system behind `look`, `all`, `argv`, `environment`, `since` and `boot_id`.

#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(target_os = "macos", path = "macos.rs")]
mod system;

use std::ffi::OsString;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use steady_model::process::ProcessId;
use steady_model::time::WallTime;
pub use system::{boot_id, look};

/// The longest command line shown, characters.
const COMMAND_SHOWN: usize = 160;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub id: ProcessId,
    pub group: u32,
    /// Not a zombie.
    pub alive: bool,
}

/// All processes, as they were at some moment after this was called. A look at all takes milliseconds: who asks
/// while one goes on shares the next with all others who do.
pub fn all() -> io::Result<Arc<[Seen]>> {
    static ASKED: AtomicU64 = AtomicU64::new(0);
    // How many had asked when the newest look began, and what it found.
    static NEWEST: Mutex<(u64, Option<Arc<[Seen]>>)> = Mutex::new((0, None));
    let mine = ASKED.fetch_add(1, Ordering::SeqCst) + 1;
    let mut newest = NEWEST.lock().unwrap_or_else(PoisonError::into_inner);
    if newest.0 >= mine
        && let Some(found) = &newest.1
    {
        return Ok(found.clone());
    }
    let covers = ASKED.load(Ordering::SeqCst);
    let found: Arc<[Seen]> = system::all()?.into();
    *newest = (covers, Some(found.clone()));
    Ok(found)
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
