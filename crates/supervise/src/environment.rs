//! A service's environment: little is inherited, and a mark is left.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
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
    service: OsString,
    home: OsString,
}

impl Mark {
    pub fn new(service: &str, home: &Path) -> Self {
        Self { service: service.into(), home: home.into() }
    }

    /// The mark that a process carries, and the run that it belongs to. `None` also when the system hides its
    /// environment.
    ///
    /// Descendants inherit it: it says *ours*, not *the service itself*.
    pub fn of(pid: u32) -> Option<(Self, u64)> {
        let environment = process_info::environment(pid)?;
        let value = |name: &str| {
            let of = |var: &'_ OsString| -> Option<OsString> {
                let value = var.as_bytes().strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
                Some(OsString::from_vec(value.to_vec()))
            };
            environment.iter().find_map(of)
        };
        let mark = Self { service: value(SERVICE)?, home: value(HOME)? };
        let run = value(RUN)?;
        Some((mark, OsStr::to_str(&run)?.parse().ok()?))
    }

    /// The run that a process carrying this mark belongs to.
    pub fn run_of(&self, pid: u32) -> Option<u64> {
        Self::of(pid).filter(|(mark, _)| mark == self).map(|(_, run)| run)
    }
}

/// The whole environment of a service, with its mark. Blocks for its files and secrets.
pub fn environment(configured: &Env, mark: &Mark, run: u64) -> Result<Environment, EnvError> {
    let marks = [
        (SERVICE.into(), mark.service.clone()),
        (HOME.into(), mark.home.clone()),
        (RUN.into(), run.to_string().into()),
    ];
    steady_launch::environment(configured, marks)
}
