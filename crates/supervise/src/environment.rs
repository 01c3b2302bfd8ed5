//! A service's environment: little is inherited, and a mark is left.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use crate::process_info;

const INHERITED: [&str; 7] = ["PATH", "HOME", "USER", "LANG", "LC_ALL", "TMPDIR", "XDG_RUNTIME_DIR"];
const SERVICE: &str = "STEADY_SERVICE";
const HOME: &str = "STEADY_HOME";

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

    /// Whether a process carries this mark. `false` also when the system hides its environment.
    ///
    /// Descendants inherit it: it says *ours*, not *the service itself*.
    pub fn is_on(&self, pid: u32) -> bool {
        let Some(environment) = process_info::environment(pid) else { return false };
        self.vars().iter().all(|(name, value)| {
            let mut var = OsString::from(name);
            var.push("=");
            var.push(value);
            environment.contains(&var)
        })
    }

    fn vars(&self) -> [(&'static str, OsString); 2] {
        [(SERVICE, self.service.clone().into()), (HOME, self.home.clone())]
    }
}

/// The whole environment of a service; what is configured wins over what is inherited, the mark over both.
pub fn environment(configured: &BTreeMap<String, String>, mark: &Mark) -> BTreeMap<OsString, OsString> {
    let inherited = INHERITED.into_iter().filter_map(|name| Some((name.into(), std::env::var_os(name)?)));
    let configured = configured.iter().map(|(name, value)| (name.into(), value.into()));
    let mark = mark.vars().into_iter().map(|(name, value)| (name.into(), value));
    inherited.chain(configured).chain(mark).collect()
}
