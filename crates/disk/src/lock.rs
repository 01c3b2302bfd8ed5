use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Who says to hold a lock: information for people, never authority.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    pub pid: u32,
    /// What the holder does, e.g. `daily-sync`.
    pub what: String,
    /// UTC start, RFC 3339.
    pub since: String,
}

#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error("{} is locked by {}; wait for it to end, or stop it", path.display(), describe(holder.as_ref()))]
    Held { path: PathBuf, holder: Option<Holder> },
    #[error("cannot open the lock file {}: {source}; check that its directory exists and is writable", path.display())]
    Io { path: PathBuf, source: io::Error },
}

fn describe(holder: Option<&Holder>) -> String {
    match holder {
        Some(h) => format!("{} (pid {}, since {})", h.what, h.pid, h.since),
        None => "another process that did not say who it is".to_owned(),
    }
}

/// An exclusive `flock` on a file, released by the kernel when the process ends, however it ends.
///
/// The file itself is never removed: removing a locked file would let two processes hold two inodes.
#[derive(Debug)]
pub struct FileLock {
    file: File,
}

impl FileLock {
    /// Takes the lock or says at once who has it.
    pub fn try_acquire(path: &Path, holder: &Holder) -> Result<Self, LockError> {
        let io_at = |source| LockError::Io { path: path.to_owned(), source };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(io_at)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LockError::Held { path: path.to_owned(), holder: read_holder(&mut file) });
            }
            Err(TryLockError::Error(source)) => return Err(io_at(source)),
        }
        let mut lock = Self { file };
        // It is for people. On a full disk, too, there must be a way to what gives room back.
        let _ = lock.name(holder);
        Ok(lock)
    }

    /// Takes part in a lock that many may share and that an exclusive one keeps out. Says no holder: the file is
    /// theirs together.
    ///
    /// On a read-only disk the file is taken as it is; `None` where nobody has made it.
    pub fn try_share(path: &Path) -> Result<Option<Self>, LockError> {
        let io_at = |source| LockError::Io { path: path.to_owned(), source };
        let mut options = OpenOptions::new();
        let opened = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
        let mut file = match opened {
            Err(e) if e.kind() == io::ErrorKind::ReadOnlyFilesystem => match File::open(path) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
                opened => opened.map_err(io_at)?,
            },
            opened => opened.map_err(io_at)?,
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(Some(Self { file })),
            Err(TryLockError::WouldBlock) => {
                Err(LockError::Held { path: path.to_owned(), holder: read_holder(&mut file) })
            }
            Err(TryLockError::Error(source)) => Err(io_at(source)),
        }
    }

    /// Blocks its thread until whoever holds the lock has let go, and does not keep it.
    pub fn wait_until_free(path: &Path) -> io::Result<()> {
        match File::open(path) {
            Ok(file) => file.lock(),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(e) => Err(e),
        }
    }

    /// Writes who holds it; people read it when they are refused.
    pub fn name(&mut self, holder: &Holder) -> io::Result<()> {
        let note = serde_json::to_vec(holder)?;
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.file.write_all(&note)
    }
}

/// For a child process to inherit: the lock then lives until the last copy of the descriptor is closed.
impl AsFd for FileLock {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        // The note must not outlive the lock. Closing the descriptor releases the lock in any case.
        let _ = self.file.set_len(0);
    }
}

/// The holder's note; plain pid text of foreign programs is understood too.
fn read_holder(file: &mut File) -> Option<Holder> {
    let mut text = String::new();
    file.take(4096).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok().or_else(|| {
        let pid = text.trim().parse().ok()?;
        Some(Holder { pid, what: "another program".to_owned(), since: "an unknown time".to_owned() })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(what: &str) -> Holder {
        Holder { pid: std::process::id(), what: what.into(), since: "2026-11-22T10:00:00Z".into() }
    }

    #[test]
    fn a_second_holder_is_refused_and_told_who_holds_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".reindex_lock");
        let first = FileLock::try_acquire(&path, &holder("daily-sync")).unwrap();
        let err = FileLock::try_acquire(&path, &holder("sync now")).unwrap_err();
        assert!(matches!(&err, LockError::Held { holder: Some(h), .. } if h.what == "daily-sync"), "{err:?}");
        assert!(err.to_string().contains("daily-sync (pid"), "{err}");
        drop(first);
        FileLock::try_acquire(&path, &holder("sync now")).unwrap();
    }

    #[test]
    fn a_shared_lock_is_held_by_many_and_keeps_an_exclusive_one_out_and_is_kept_out_by_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("copying.lock");
        let (one, two) = (FileLock::try_share(&path).unwrap(), FileLock::try_share(&path).unwrap());
        drop(one);
        assert!(matches!(FileLock::try_acquire(&path, &holder("prune")), Err(LockError::Held { .. })));
        drop(two);
        let _alone = FileLock::try_acquire(&path, &holder("prune")).unwrap();
        let refused = FileLock::try_share(&path).unwrap_err();
        assert!(refused.to_string().contains("prune (pid"), "{refused}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_lock_is_held_also_when_there_is_no_room_to_say_by_whom() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("full.lock");
        std::os::unix::fs::symlink("/dev/full", &path).unwrap();
        let _held = FileLock::try_acquire(&path, &holder("prune")).unwrap();
        assert!(matches!(FileLock::try_acquire(&path, &holder("backup")), Err(LockError::Held { .. })));
    }

    #[test]
    fn a_lock_file_left_by_a_dead_process_blocks_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".reindex_lock");
        std::fs::write(&path, "4194303").unwrap();
        FileLock::try_acquire(&path, &holder("daily-sync")).unwrap();
    }
}
