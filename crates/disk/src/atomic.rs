use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// A durable write or directory that failed: what was done, where, and the system's reason.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}: {source}", path.display())]
pub struct DiskError {
    pub action: &'static str,
    pub path: PathBuf,
    pub source: io::Error,
}

impl DiskError {
    fn at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self { action, path, source }
    }
}

/// Replaces `path` with `bytes`: readers see the old file or the new one, also after a power loss.
///
/// `mode` is the permission of the new file, e.g. `0o600`. The temporary file lives in the same
/// directory (`.<name>.tmp-XXXXXX`), so the rename never crosses a volume.
pub fn write_atomic(path: &Path, bytes: &[u8], mode: u32) -> Result<(), DiskError> {
    let temp = stage(path, bytes, mode)?;
    // On macOS std's sync_all is F_FULLFSYNC.
    temp.as_file().sync_all().map_err(DiskError::at("flush", path))?;
    temp.persist(path).map_err(|e| DiskError::at("replace", path)(e.error))?;
    fsync_dir(directory_of(path))
}

/// The same for what means nothing after a reboot: whole for every reader and after every crash of a
/// process, possibly empty after a power loss. It never waits for the disk.
pub fn write_atomic_until_reboot(path: &Path, bytes: &[u8], mode: u32) -> Result<(), DiskError> {
    let temp = stage(path, bytes, mode)?;
    temp.persist(path).map_err(|e| DiskError::at("replace", path)(e.error))?;
    Ok(())
}

fn stage(path: &Path, bytes: &[u8], mode: u32) -> Result<NamedTempFile, DiskError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut temp = tempfile::Builder::new()
        .prefix(&format!(".{name}.tmp-"))
        .permissions(Permissions::from_mode(mode))
        .tempfile_in(directory_of(path))
        .map_err(DiskError::at("create a temporary file beside", path))?;
    temp.write_all(bytes).map_err(DiskError::at("write", path))?;
    // The umask may have taken bits that a marker read by others needs.
    temp.as_file()
        .set_permissions(Permissions::from_mode(mode))
        .map_err(DiskError::at("set the mode of", path))?;
    Ok(temp)
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes the entries of a directory durable (a rename is on disk only after this).
pub fn fsync_dir(dir: &Path) -> Result<(), DiskError> {
    File::open(dir).and_then(|d| d.sync_all()).map_err(DiskError::at("flush the directory", dir))
}

/// Creates `dir` and its parents with mode 0700; an existing directory is tightened to 0700.
pub fn create_private_dir(dir: &Path) -> Result<(), DiskError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .and_then(|()| fs::set_permissions(dir, Permissions::from_mode(0o700)))
        .map_err(DiskError::at("create the private directory", dir))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replaced_file_is_whole_with_the_asked_mode_and_leaves_no_temporary() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.json");
        write_atomic(&path, b"old", 0o600).unwrap();
        write_atomic_until_reboot(&path, b"newer", 0o600).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"newer");
        write_atomic(&path, b"new", 0o644).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_failed_replace_keeps_the_old_file_and_names_the_path() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("taken");
        fs::create_dir(&path).unwrap();
        let err = write_atomic(&path, b"new", 0o600).unwrap_err();
        assert!(err.to_string().contains("taken"), "{err}");
        assert!(path.is_dir());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "the temporary file stayed behind");
    }
}
