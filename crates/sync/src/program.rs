//! What a job is started with: its program and its environment.

use std::collections::BTreeMap;
use std::env;
use std::ffi::{OsStr, OsString};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use steady_model::config::Job;

const INHERITED: [&str; 7] = ["PATH", "HOME", "USER", "LANG", "LC_ALL", "TMPDIR", "XDG_RUNTIME_DIR"];
/// Tells a job's processes that they are one, and which.
const JOB: &str = "STEADY_JOB";

/// The whole environment of a job; what is configured wins over what is inherited.
pub fn environment(job: &Job) -> BTreeMap<OsString, OsString> {
    let inherited = INHERITED.into_iter().filter_map(|name| Some((name.into(), env::var_os(name)?)));
    let configured = job.env.iter().map(|(name, value)| (name.into(), value.into()));
    inherited.chain(configured).chain([(JOB.into(), OsString::from(&job.name))]).collect()
}

/// A name with `/` counts from the job's directory; one without is looked up in its `PATH`, then beside this
/// program, so that what is installed together is found together.
pub fn find(name: &str, cwd: &Path, environment: &BTreeMap<OsString, OsString>) -> Option<PathBuf> {
    if name.contains('/') {
        return Some(cwd.join(name));
    }
    let path = environment.get(OsStr::new("PATH")).cloned().unwrap_or_default();
    let beside = env::current_exe().ok().and_then(|me| Some(me.parent()?.to_owned()));
    env::split_paths(&path)
        .filter(|dir| dir.is_absolute())
        .chain(beside)
        .map(|dir| dir.join(name))
        .find(|file| file.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0))
}
