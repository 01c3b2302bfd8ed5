//! A service's environment: little is inherited, and a mark is left.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use steady_launch::{EnvError, Environment};
use steady_model::config::Env;

use crate::process_info;

const SERVICE: &str = "STEADY_SERVICE";
const HOME: &str = "STEADY_HOME";
/// Counts the spawns of a service.
const RUN: &str = "STEADY_RUN";

/// What tells a service's processes from all others, also when their leader is dead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    service: String,
    home: OsString,
}

impl Mark {
    pub fn new(service: &str, home: &Path) -> Self {
        Self { service: service.to_owned(), home: home.into() }
    }

    /// The run that a process carrying this mark belongs to. `None` also when the system hides its
    /// environment.
    ///
    /// Descendants inherit it: it says *ours*, not *the service itself*.
    pub fn run_of(&self, pid: u32) -> Option<u64> {
        let environment = process_info::environment(pid)?;
        let value = |name: &str| {
            environment
                .iter()
                .find_map(|var| var.as_bytes().strip_prefix(name.as_bytes())?.strip_prefix(b"="))
        };
        if value(SERVICE)? != self.service.as_bytes() || value(HOME)? != self.home.as_bytes() {
            return None;
        }
        std::str::from_utf8(value(RUN)?).ok()?.parse().ok()
    }
}

/// The whole environment of a service, with its mark. Blocks for its files and secrets.
pub fn environment(configured: &Env, mark: &Mark, run: u64) -> Result<Environment, EnvError> {
    let marks = [
        (SERVICE.into(), mark.service.clone().into()),
        (HOME.into(), mark.home.clone()),
        (RUN.into(), run.to_string().into()),
    ];
    steady_launch::environment(configured, marks)
}
