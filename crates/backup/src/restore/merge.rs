//! A restore of chosen files: a new tree of the live one, in which they have taken their places.

use std::path::{Path, PathBuf};

use steady_disk::fsync_dir;
use walkdir::WalkDir;

use super::carry::{copy_entry, dress_like};
use crate::chosen::Chosen;
use crate::error::BackupError;

/// Copies all that is not chosen from `live` into `into`, where the chosen files are already. The services are
/// stopped, so a database comes with its `-wal` or `-journal`. Never by hard links: the live tree is kept for
/// *Undo*, and a file that both trees share would change in both.
pub(crate) fn merge(live: &Path, into: &Path, chosen: &Chosen) -> Result<(), BackupError> {
    let mut folders: Vec<(PathBuf, PathBuf)> = vec![(live.to_owned(), into.to_owned())];
    let mut walk = WalkDir::new(live).min_depth(1).follow_links(false).sort_by_file_name().into_iter();
    while let Some(entry) = walk.next() {
        let entry = entry.map_err(|e| BackupError::io("look at", live)(e.into()))?;
        let relative = entry.path().strip_prefix(live).unwrap_or(entry.path());
        let to = into.join(relative);
        let is_dir = entry.file_type().is_dir();
        if chosen.holds(relative) || belongs_to_chosen(relative, chosen) {
            if is_dir {
                walk.skip_current_dir();
            }
            continue;
        }
        let placed = std::fs::symlink_metadata(&to).ok();
        match (is_dir, placed) {
            (true, Some(placed)) if placed.is_dir() => folders.push((entry.path().to_owned(), to)),
            (true, None) => {
                std::fs::create_dir(&to).map_err(BackupError::io("create the folder", &to))?;
                folders.push((entry.path().to_owned(), to));
            }
            // What was chosen has this place now.
            (true, Some(_)) => walk.skip_current_dir(),
            (false, Some(_)) => {}
            (false, None) => copy_entry(entry.path(), &to)?,
        }
    }
    for (from, to) in folders.iter().rev() {
        dress_like(from, to)?;
        fsync_dir(to)?;
    }
    Ok(())
}

/// A live `-wal` beside a restored database would be replayed into it.
fn belongs_to_chosen(relative: &Path, chosen: &Chosen) -> bool {
    let text = relative.as_os_str().to_string_lossy();
    ["-wal", "-shm", "-journal"]
        .iter()
        .any(|end| text.strip_suffix(end).is_some_and(|main| chosen.holds(Path::new(main))))
}
