//! Which processes run. Blocking, and quick.
//!
//! One file per system behind `all`, `command` and `about`.

#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(target_os = "macos", path = "macos.rs")]
mod system;

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};

use std::collections::BTreeSet;
use steady_model::time::WallTime;

use crate::census::Census;
pub use system::{about, command};

/// What is shown of a command line, characters.
const SHOWN: usize = 160;
/// Steady's programs, which lie side by side.
const OURS: [&str; 2] = ["steady", "steady-app"];

/// All processes that have a command line: no zombies, no threads of the kernel.
pub static RUNNING: Census<Vec<Running>> = Census::new(system::all);

pub struct Running {
    pub pid: u32,
    /// Program and arguments, a blank between them.
    pub command: String,
}

/// More about one of them.
pub struct About {
    /// Earlier is older, in a unit of the system's own.
    pub order: u64,
    pub since: Option<WallTime>,
    pub group: u32,
    /// `None` where the system does not tell, as of another user's.
    pub program: Option<PathBuf>,
}

/// The process groups of what checks have started: a check must not find what another check has in its arguments.
static GROUPS: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// One such group, until it is dropped.
pub struct OurGroup(u32);

impl OurGroup {
    pub fn new(group: u32) -> Self {
        GROUPS.lock().unwrap_or_else(PoisonError::into_inner).insert(group);
        Self(group)
    }
}

impl Drop for OurGroup {
    fn drop(&mut self) {
        GROUPS.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
    }
}

/// Whether it is Steady itself: this process, another of the same program, or what a check has started.
pub fn is_ours(pid: u32, about: &About) -> bool {
    static ME: LazyLock<Option<PathBuf>> = LazyLock::new(|| env::current_exe().ok());
    let same_program =
        about.program.as_deref().zip(ME.as_deref()).is_some_and(|(its, mine)| is_sibling(its, mine));
    pid == std::process::id()
        || same_program
        || GROUPS.lock().unwrap_or_else(PoisonError::into_inner).contains(&about.group)
}

fn is_sibling(its: &Path, mine: &Path) -> bool {
    its == mine
        || its.parent() == mine.parent()
            && its.file_name().is_some_and(|name| OURS.iter().any(|ours| name == *ours))
}

fn joined<'a>(argv: impl Iterator<Item = &'a OsString>) -> String {
    let words: Vec<_> = argv.map(|word| word.to_string_lossy()).collect();
    words.join(" ")
}

/// As it is shown: on one line, shortened.
pub fn shown(command: &str) -> String {
    crate::probe::one_line(command, SHOWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_programs_of_one_installation_are_ours_and_those_of_another_are_not() {
        let mine = Path::new("/opt/steady/bin/steady");
        for (its, ours) in [
            ("/opt/steady/bin/steady", true),
            ("/opt/steady/bin/steady-app", true),
            ("/opt/steady/bin/steady-brain", false),
            ("/usr/bin/steady", false),
        ] {
            assert_eq!(is_sibling(Path::new(its), mine), ours, "{its}");
        }
    }

    #[test]
    fn this_process_is_among_all_and_known_as_ours() {
        let me = std::process::id();
        let all = system::all().unwrap();
        let mine = all.iter().find(|process| process.pid == me).unwrap();
        assert!(mine.command.contains("steady_health"), "{}", mine.command);
        assert_eq!(command(me).as_deref(), Some(mine.command.as_str()));
        assert!(is_ours(me, &about(me).unwrap()));
    }
}
