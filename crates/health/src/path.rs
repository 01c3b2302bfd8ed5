//! Path: a directory that exists, can be listed and is not empty.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use steady_model::check::Status;

use crate::probe::{Probe, Seen};
use crate::worker::Worker;

pub struct PathProbe {
    path: PathBuf,
    worker: Worker,
}

impl PathProbe {
    pub fn new(path: PathBuf) -> Self {
        Self { path, worker: Worker::new() }
    }
}

impl Probe for PathProbe {
    async fn look(&mut self) -> Seen {
        let path = self.path.clone();
        self.worker.look(move || look(&path)).await
    }

    fn overdue(&self, timeout: Duration) -> Seen {
        let seen = self.worker.overdue(timeout);
        Seen { evidence: format!("{}: {}", self.path.display(), seen.evidence), ..seen }
            .so("See whether its volume is connected and its server answers")
    }
}

/// Lists instead of asking whether it exists: macOS lets a program without the grant for a folder see that it
/// is there, and refuses only the listing.
pub(crate) fn look(path: &Path) -> Seen {
    let shown = path.display();
    let first = match fs::read_dir(path) {
        Ok(mut entries) => entries.next(),
        Err(e) => return refused(path, &e),
    };
    match first {
        Some(Ok(_)) => Seen::fact(Status::Pass, format!("{shown} is a readable directory")),
        Some(Err(e)) => refused(path, &e),
        None => Seen::fact(Status::Fail, format!("{shown} is empty"))
            .so("Bring its files or its volume back, from a backup if need be"),
    }
}

fn refused(path: &Path, e: &io::Error) -> Seen {
    let shown = path.display();
    let fact = |evidence: String| Seen::fact(Status::Fail, evidence);
    match e.kind() {
        ErrorKind::NotFound => fact(format!("{shown} does not exist"))
            .so("Bring the folder or its volume back, or correct its path in steady.toml"),
        ErrorKind::NotADirectory => {
            fact(format!("{shown} is not a directory")).so("Correct its path in steady.toml")
        }
        ErrorKind::PermissionDenied => fact(format!("{shown} exists but may not be read: {e}"))
            .so("Give Steady access to the folder (macOS: Privacy & Security, Full Disk Access)"),
        _ => fact(format!("{shown} cannot be listed: {e}")),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn missing_empty_no_directory_and_readable_are_told_apart_and_all_facts() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::create_dir(path("empty")).unwrap();
        fs::create_dir(path("vault")).unwrap();
        fs::write(path("vault/note.md"), "x").unwrap();
        for (name, status, words) in [
            ("missing", Status::Fail, "missing does not exist"),
            ("empty", Status::Fail, "empty is empty"),
            ("vault/note.md", Status::Fail, "note.md is not a directory"),
            ("vault", Status::Pass, "vault is a readable directory"),
        ] {
            let seen = look(&path(name));
            assert_eq!((seen.status, seen.fact), (status, true), "{name}: {seen:?}");
            assert!(seen.evidence.ends_with(words), "{}", seen.evidence);
        }
    }

    #[test]
    fn a_directory_without_permission_is_not_called_missing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("private");
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
        // Root may read everything: then the kernel's word is taken from the error itself.
        let seen = match fs::read_dir(&path) {
            Err(_) => look(&path),
            Ok(_) => refused(&path, &ErrorKind::PermissionDenied.into()),
        };
        assert_eq!((seen.status, seen.fact), (Status::Fail, true));
        assert!(seen.evidence.contains("exists but may not be read"), "{}", seen.evidence);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    }
}
