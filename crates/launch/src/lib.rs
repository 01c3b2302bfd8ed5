//! What a process of the user's is started with, be it a service or a job: its environment and its program.
//!
//! Owns the rules for both. Must never start anything itself, nor let anything through that is neither listed
//! here nor configured.

use std::collections::BTreeMap;
use std::env;
use std::ffi::{OsStr, OsString};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A whole environment, by name.
pub type Environment = BTreeMap<OsString, OsString>;

/// All that is inherited: where programs, the user's files and the session are.
const INHERITED: [&str; 7] = ["PATH", "HOME", "USER", "LANG", "LC_ALL", "TMPDIR", "XDG_RUNTIME_DIR"];

/// What is configured wins over what is inherited, and `marks` over both.
pub fn environment(
    configured: &BTreeMap<String, String>,
    marks: impl IntoIterator<Item = (OsString, OsString)>,
) -> Environment {
    let inherited = INHERITED.into_iter().filter_map(|name| Some((name.into(), env::var_os(name)?)));
    let configured = configured.iter().map(|(name, value)| (name.into(), value.into()));
    inherited.chain(configured).chain(marks).collect()
}

/// A name with `/` counts from the process's directory; one without is looked up in its `PATH`, then beside
/// this program, so that what is installed together is found together. `None` is nowhere.
pub fn find_program(name: &str, cwd: &Path, environment: &Environment) -> Option<PathBuf> {
    if name.contains('/') {
        return Some(cwd.join(name));
    }
    let path = environment.get(OsStr::new("PATH")).cloned().unwrap_or_default();
    let beside = env::current_exe().ok().and_then(|me| Some(me.parent()?.to_owned()));
    // A relative entry would mean another program in another directory.
    env::split_paths(&path)
        .filter(|dir| dir.is_absolute())
        .chain(beside)
        .map(|dir| dir.join(name))
        .find(|file| file.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};

    use super::*;

    #[test]
    fn little_is_inherited_and_a_mark_wins_over_the_configuration() {
        let configured = BTreeMap::from([("PATH".into(), "/bin".into()), ("MARK".into(), "forged".into())]);
        let seen = environment(&configured, [("MARK".into(), "ours".into())]);
        assert_eq!(seen.get(OsStr::new("PATH")).unwrap(), "/bin");
        assert_eq!(seen.get(OsStr::new("MARK")).unwrap(), "ours");
        assert!(
            !seen.contains_key(OsStr::new("CARGO_MANIFEST_DIR")),
            "the test runner's own variable got through"
        );
    }

    #[test]
    fn a_program_is_one_that_can_run_from_an_absolute_entry_of_its_own_path() {
        let dir = tempfile::tempdir().unwrap();
        let (plain, program) = (dir.path().join("plain"), dir.path().join("program"));
        fs::create_dir_all(&plain).unwrap();
        fs::create_dir_all(&program).unwrap();
        fs::write(plain.join("tool"), "").unwrap();
        fs::write(program.join("tool"), "").unwrap();
        fs::set_permissions(program.join("tool"), Permissions::from_mode(0o755)).unwrap();
        let path = env::join_paths([Path::new("relative"), &plain, &program]).unwrap();
        let environment = Environment::from([("PATH".into(), path)]);
        assert_eq!(find_program("tool", Path::new("/"), &environment), Some(program.join("tool")));
        assert_eq!(find_program("no such tool", Path::new("/"), &environment), None);
        assert_eq!(find_program("./tool", Path::new("/srv"), &environment), Some("/srv/./tool".into()));
    }
}
