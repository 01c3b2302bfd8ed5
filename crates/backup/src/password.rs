//! The repository's password file: made once, never overwritten, never carried in arguments or environment.

use std::io;
use std::path::Path;

use steady_disk::write_atomic;

use crate::error::BackupError;
use crate::manifest::hex;

/// Makes a password when there is none and no repository that would need the old one.
pub(crate) fn ensure(repository_exists: bool, repository: &Path, file: &Path) -> Result<(), BackupError> {
    match (file.exists(), repository_exists) {
        (true, _) => Ok(()),
        (false, true) => Err(missing(repository, file)),
        (false, false) => {
            let mut secret = [0_u8; 32];
            getrandom::fill(&mut secret).map_err(|e| {
                BackupError::io("draw random bytes for", file)(io::Error::other(e.to_string()))
            })?;
            Ok(write_atomic(file, hex(&secret).as_bytes(), 0o600)?)
        }
    }
}

pub(crate) fn read(repository: &Path, file: &Path) -> Result<String, BackupError> {
    match std::fs::read_to_string(file) {
        Ok(text) => Ok(text.trim_end().to_owned()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Err(missing(repository, file)),
        Err(e) => Err(BackupError::io("read the password file", file)(e)),
    }
}

fn missing(repository: &Path, file: &Path) -> BackupError {
    BackupError::PasswordMissing { path: repository.to_owned(), password_file: file.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_password_is_private_random_and_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (dir.path().join("one"), dir.path().join("two"));
        ensure(false, dir.path(), &one).unwrap();
        ensure(false, dir.path(), &two).unwrap();
        let first = read(dir.path(), &one).unwrap();
        assert_eq!(first.len(), 64);
        assert_ne!(first, read(dir.path(), &two).unwrap());
        assert_eq!(std::fs::metadata(&one).unwrap().permissions().mode() & 0o777, 0o600);
        ensure(true, dir.path(), &one).unwrap();
        ensure(false, dir.path(), &one).unwrap();
        assert_eq!(read(dir.path(), &one).unwrap(), first);
    }

    #[test]
    fn a_lost_password_of_an_existing_repository_is_said_and_no_new_one_is_made() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("password");
        let error = ensure(true, dir.path(), &file).unwrap_err();
        assert!(error.to_string().contains("put it back"), "{error}");
        assert!(!file.exists());
    }
}
