use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use crate::capture::{Exclude, file_meta, sniff_sqlite};
use crate::error::BackupError;
use crate::stage::dress;

/// Copies what backups leave out (markers, locks, logs) from the live tree into the one that replaces it.
///
/// No restore point holds these files, so without this a restore would lose them: the sync would look as if it had
/// never run. The services are stopped, so a database that is left out is copied with its `-wal` or `-journal`.
/// What is already at their place in `into` is replaced.
pub(crate) fn carry(live: &Path, into: &Path, exclude: &Exclude) -> Result<(), BackupError> {
    if !live.exists() {
        return Ok(());
    }
    let mut walk = WalkDir::new(live).min_depth(1).follow_links(false).into_iter();
    while let Some(entry) = walk.next() {
        let entry = entry.map_err(|e| BackupError::io("look at", live)(e.into()))?;
        let relative = entry.path().strip_prefix(live).unwrap_or(entry.path());
        if !exclude.by_pattern(relative) {
            continue;
        }
        let to = into.join(relative);
        make_parents(relative, live, into)?;
        if entry.file_type().is_dir() {
            walk.skip_current_dir();
            copy_tree(entry.path(), &to)?;
        } else {
            copy_entry(entry.path(), &to)?;
            for sidecar in sidecars(entry.path()) {
                let name = sidecar.file_name().unwrap_or_default();
                copy_entry(&sidecar, &to.with_file_name(name))?;
            }
        }
    }
    Ok(())
}

/// What of a database's state lies beside it. Its `-shm` is rebuilt from these.
fn sidecars(file: &Path) -> Vec<PathBuf> {
    let is_database = matches!(sniff_sqlite(file), Ok(Some(_)));
    let beside = |end: &str| {
        let mut path = file.as_os_str().to_owned();
        path.push(end);
        PathBuf::from(path)
    };
    let all = [beside("-wal"), beside("-journal")];
    all.into_iter().filter(|p| is_database && p.is_file()).collect()
}

fn make_parents(relative: &Path, live: &Path, into: &Path) -> Result<(), BackupError> {
    let ancestors: Vec<&Path> = relative.ancestors().skip(1).filter(|p| !p.as_os_str().is_empty()).collect();
    for folder in ancestors.into_iter().rev() {
        let to = into.join(folder);
        if !to.exists() {
            std::fs::create_dir(&to).map_err(BackupError::io("create the folder", &to))?;
            dress_like(&live.join(folder), &to)?;
        }
    }
    Ok(())
}

fn copy_tree(from: &Path, to: &Path) -> Result<(), BackupError> {
    clear(to)?;
    for entry in WalkDir::new(from).follow_links(false) {
        let entry = entry.map_err(|e| BackupError::io("look at", from)(e.into()))?;
        let place = to.join(entry.path().strip_prefix(from).unwrap_or(entry.path()));
        if entry.file_type().is_dir() {
            std::fs::create_dir(&place).map_err(BackupError::io("create the folder", &place))?;
            dress_like(entry.path(), &place)?;
        } else {
            copy_entry(entry.path(), &place)?;
        }
    }
    Ok(())
}

pub(crate) fn copy_entry(from: &Path, to: &Path) -> Result<(), BackupError> {
    clear(to)?;
    let metadata = std::fs::symlink_metadata(from).map_err(BackupError::io("look at", from))?;
    if metadata.is_symlink() {
        let target = std::fs::read_link(from).map_err(BackupError::io("read the link", from))?;
        std::os::unix::fs::symlink(target, to).map_err(BackupError::io("create the link", to))?;
    } else if metadata.is_file() {
        std::fs::copy(from, to).map_err(BackupError::io("copy to", to))?;
        dress(to, &file_meta(from, &metadata))?;
        File::open(to).and_then(|f| f.sync_all()).map_err(BackupError::io("flush", to))?;
    }
    // Sockets and pipes are made anew by who needs them.
    Ok(())
}

pub(crate) fn dress_like(from: &Path, to: &Path) -> Result<(), BackupError> {
    let metadata = std::fs::metadata(from).map_err(BackupError::io("look at", from))?;
    dress(to, &file_meta(from, &metadata))
}

fn clear(place: &Path) -> Result<(), BackupError> {
    let gone = match std::fs::symlink_metadata(place) {
        Ok(m) if m.is_dir() => std::fs::remove_dir_all(place),
        Ok(_) => std::fs::remove_file(place),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e),
    };
    gone.map_err(BackupError::io("replace", place))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_backups_leave_out_is_there_after_a_restore_and_nothing_else_is() {
        let dir = tempfile::tempdir().unwrap();
        let (live, into) = (dir.path().join("live"), dir.path().join("into"));
        fs::create_dir_all(live.join("logs/old")).unwrap();
        fs::create_dir(&into).unwrap();
        for (name, text) in [(".sync_completed", "today"), ("logs/old/a.log", "line"), ("note.md", "live")] {
            fs::write(live.join(name), text).unwrap();
        }
        let cache = rusqlite::Connection::open(live.join("cache.db")).unwrap();
        cache.execute_batch("PRAGMA journal_mode=wal; CREATE TABLE t(x); INSERT INTO t VALUES (7)").unwrap();
        fs::write(into.join(".sync_completed"), "last year").unwrap();
        fs::write(into.join("note.md"), "restored").unwrap();

        let exclude = Exclude::new(&[".sync_*".into(), "*.log".into(), "cache.db".into()]).unwrap();
        carry(&live, &into, &exclude).unwrap();

        assert_eq!(fs::read_to_string(into.join(".sync_completed")).unwrap(), "today");
        assert_eq!(fs::read_to_string(into.join("logs/old/a.log")).unwrap(), "line");
        assert_eq!(fs::read_to_string(into.join("note.md")).unwrap(), "restored");
        let copy = rusqlite::Connection::open(into.join("cache.db")).unwrap();
        let x: i64 = copy.query_row("SELECT x FROM t", [], |r| r.get(0)).unwrap();
        assert_eq!(x, 7, "what was only in the -wal was lost");
    }
}
