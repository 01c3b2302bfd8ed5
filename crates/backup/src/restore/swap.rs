use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use steady_disk::fsync_dir;

use crate::error::BackupError;

/// The identity of a tree, which a rename keeps. `None` when there is nothing.
pub(crate) fn inode(tree: &Path) -> Result<Option<u64>, BackupError> {
    match std::fs::symlink_metadata(tree) {
        Ok(metadata) => Ok(Some(metadata.ino())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(BackupError::io("look at", tree)(e)),
    }
}

/// A mount point cannot be renamed.
pub(crate) fn is_mount_point(dir: &Path) -> bool {
    let device = |p: &Path| std::fs::metadata(p).map(|m| m.dev()).ok();
    dir.parent().is_some_and(|parent| dir.exists() && device(dir) != device(parent))
}

/// How two trees change their places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Way {
    /// At once, where the volume can.
    #[default]
    Exchange,
    /// As on volumes that cannot.
    Renames,
}

/// Asked between the renames; an error ends there as a crash would.
type Gap<'a> = &'a dyn Fn(u8) -> Result<(), BackupError>;

/// Puts `other` in the place of `target` and `target` in that of `other`.
pub(crate) fn exchange(target: &Path, other: &Path, way: Way, gap: Gap<'_>) -> Result<(), BackupError> {
    if inode(target)?.is_none() {
        rename(other, target)?;
    } else if way == Way::Renames {
        in_three_renames(target, other, gap)?;
    } else {
        match renameat_with(CWD, target, CWD, other, RenameFlags::EXCHANGE) {
            Ok(()) => {}
            // Some network and FAT volumes cannot exchange. The gap between the renames is closed by `settle`.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => in_three_renames(target, other, gap)?,
            Err(e) => return Err(BackupError::io("exchange the data directory", target)(e.into())),
        }
    }
    flush_beside(target)
}

/// Takes the tree at `target` away to `other`, where nothing is: the way back when there was no data directory.
pub(crate) fn take_away(target: &Path, other: &Path) -> Result<(), BackupError> {
    rename(target, other)?;
    flush_beside(target)
}

fn in_three_renames(target: &Path, other: &Path, gap: Gap<'_>) -> Result<(), BackupError> {
    let aside = aside(other);
    rename(target, &aside)?;
    flush_beside(target)?;
    gap(1)?;
    rename(other, target)?;
    flush_beside(target)?;
    gap(2)?;
    rename(&aside, other)
}

fn aside(other: &Path) -> PathBuf {
    let mut path = other.as_os_str().to_owned();
    path.push(".aside");
    PathBuf::from(path)
}

/// Closes the gap that a crash between the three renames leaves.
pub(crate) fn settle(target: &Path, other: &Path) -> Result<(), BackupError> {
    let aside = aside(other);
    if inode(&aside)?.is_none() {
        return Ok(());
    }
    let free = if inode(target)?.is_none() { target } else { other };
    rename(&aside, free)?;
    flush_beside(target)
}

pub(crate) fn rename(from: &Path, to: &Path) -> Result<(), BackupError> {
    std::fs::rename(from, to).map_err(BackupError::io("move into place", to))
}

pub(crate) fn flush_beside(target: &Path) -> Result<(), BackupError> {
    Ok(fsync_dir(target.parent().unwrap_or(target))?)
}

/// Removes a tree; one that is gone already is fine.
pub(crate) fn remove(tree: &Path) -> Result<(), BackupError> {
    match std::fs::remove_dir_all(tree) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(BackupError::io("remove", tree)(e)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trees() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let (target, other) = (dir.path().join("data"), dir.path().join("data.restore-1"));
        for (tree, text) in [(&target, "old"), (&other, "new")] {
            std::fs::create_dir(tree).unwrap();
            std::fs::write(tree.join("f"), text).unwrap();
        }
        (dir, target, other)
    }

    fn text(tree: &Path) -> String {
        std::fs::read_to_string(tree.join("f")).unwrap()
    }

    #[test]
    fn both_ways_of_exchanging_change_the_places_of_two_trees() {
        for way in [Way::Exchange, Way::Renames] {
            let (_dir, target, other) = trees();
            exchange(&target, &other, way, &|_| Ok(())).unwrap();
            assert_eq!((text(&target), text(&other)), ("new".into(), "old".into()));
            exchange(&target, &other, way, &|_| Ok(())).unwrap();
            assert_eq!((text(&target), text(&other)), ("old".into(), "new".into()));
        }
    }

    #[test]
    fn a_crash_between_the_renames_is_settled_with_a_whole_tree_in_place() {
        let (_dir, target, other) = trees();
        rename(&target, &aside(&other)).unwrap();
        settle(&target, &other).unwrap();
        assert_eq!((text(&target), text(&other)), ("old".into(), "new".into()));

        rename(&target, &aside(&other)).unwrap();
        rename(&other, &target).unwrap();
        settle(&target, &other).unwrap();
        assert_eq!((text(&target), text(&other)), ("new".into(), "old".into()));
    }
}
