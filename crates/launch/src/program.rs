//! Where a program is.

use std::env;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::Environment;

/// A name with `/` counts from the process's directory; one without is looked up in its `PATH`, then beside
/// this program, so that what is installed together is found together. `None` is nowhere.
pub fn find_program(name: &str, cwd: &Path, environment: &Environment) -> Option<PathBuf> {
    if name.contains('/') {
        return Some(cwd.join(name));
    }
    let path = environment.get("PATH").unwrap_or_default();
    let beside = env::current_exe().ok().and_then(|me| Some(me.parent()?.to_owned()));
    // A relative entry would mean another program in another directory.
    env::split_paths(path)
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
    fn a_program_is_one_that_can_run_from_an_absolute_entry_of_its_own_path() {
        let dir = tempfile::tempdir().unwrap();
        let (plain, program) = (dir.path().join("plain"), dir.path().join("program"));
        fs::create_dir_all(&plain).unwrap();
        fs::create_dir_all(&program).unwrap();
        fs::write(plain.join("tool"), "").unwrap();
        fs::write(program.join("tool"), "").unwrap();
        fs::set_permissions(program.join("tool"), Permissions::from_mode(0o755)).unwrap();
        let path = env::join_paths([Path::new("relative"), &plain, &program]).unwrap();
        let marks = [("PATH".into(), path)];
        let environment = crate::environment(&steady_model::config::Env::default(), marks).unwrap();
        assert_eq!(find_program("tool", Path::new("/"), &environment), Some(program.join("tool")));
        assert_eq!(find_program("no such tool", Path::new("/"), &environment), None);
        assert_eq!(find_program("./tool", Path::new("/srv"), &environment), Some("/srv/./tool".into()));
    }
}
