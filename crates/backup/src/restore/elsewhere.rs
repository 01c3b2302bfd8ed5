//! A restore to another place: beside it first, and by one rename when all is written and checked.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::journal::Paths;
use super::swap;
use crate::catalogue::{read_versioned, write_versioned};
use crate::error::BackupError;
use crate::plan;

const VERSION: u32 = 1;

/// `elsewhere.json`: trees that are being written. What a crash leaves of them is removed at the next start.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Unfinished {
    version: u32,
    trees: Vec<PathBuf>,
}

/// A place for a restore: an absolute path at which nothing is, or an empty folder.
#[derive(Debug)]
pub(crate) struct Place {
    pub at: PathBuf,
    /// Beside it, until it is whole.
    pub partial: PathBuf,
}

impl Place {
    /// `keep_off` are folders that the place may neither hold nor lie in.
    pub(crate) fn new(to: &Path, id: &str, keep_off: &[&Path]) -> Result<Self, BackupError> {
        let refuse = |why: &str| Err(BackupError::Place { path: to.to_owned(), why: why.to_owned() });
        let (Some(parent), Some(name)) = (to.parent().filter(|_| to.is_absolute()), to.file_name()) else {
            return refuse("it must be the absolute path of a folder");
        };
        let Ok(parent) = parent.canonicalize() else {
            return refuse("the folder it is to lie in does not exist; create it first");
        };
        let at = parent.join(name);
        match std::fs::symlink_metadata(&at) {
            Ok(m) if !m.is_dir() => return refuse("it is not a folder"),
            Ok(_) if std::fs::read_dir(&at).map_err(BackupError::io("look into", &at))?.next().is_some() => {
                return refuse("it is not empty; name a new folder");
            }
            Ok(_) if swap::is_mount_point(&at) => return refuse("it is a mount point; name a folder in it"),
            _ => {}
        }
        if keep_off.iter().any(|taken| at.starts_with(taken) || taken.starts_with(&at)) {
            return refuse("it overlaps the data directory, the repository or Steady's own folder");
        }
        let mut beside = std::ffi::OsString::from(".");
        beside.push(name);
        beside.push(format!(".steady-{id}"));
        Ok(Self { partial: parent.join(beside), at })
    }

    /// Bytes free on its volume.
    pub(crate) fn free(&self) -> Result<u64, BackupError> {
        plan::free(self.at.parent().unwrap_or(&self.at))
    }

    /// The whole tree takes its place.
    pub(crate) fn settle(&self) -> Result<(), BackupError> {
        swap::rename(&self.partial, &self.at)?;
        swap::flush_beside(&self.at)
    }
}

impl Paths {
    fn elsewhere_file(&self) -> PathBuf {
        self.dir.join("elsewhere.json")
    }

    pub(crate) fn note_tree(&self, tree: &Path) -> Result<(), BackupError> {
        let mut known: Unfinished = read_versioned(&self.elsewhere_file(), VERSION)?.unwrap_or_default();
        known.trees.push(tree.to_owned());
        write_versioned(&self.elsewhere_file(), &Unfinished { version: VERSION, trees: known.trees })
    }

    /// Removes what is left of restores that did not end.
    pub(crate) fn clear_trees(&self) -> Result<(), BackupError> {
        let Some(known) = read_versioned::<Unfinished>(&self.elsewhere_file(), VERSION)? else {
            return Ok(());
        };
        for tree in &known.trees {
            swap::remove(tree)?;
        }
        if known.trees.is_empty() {
            return Ok(());
        }
        write_versioned(&self.elsewhere_file(), &Unfinished { version: VERSION, trees: Vec::new() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_new_or_empty_folder_away_from_the_data_is_a_place() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let data = root.join("data");
        for folder in ["data", "empty", "full"] {
            std::fs::create_dir(root.join(folder)).unwrap();
        }
        std::fs::write(root.join("full/x"), "x").unwrap();
        std::os::unix::fs::symlink(&data, root.join("link")).unwrap();
        let place = |to: &Path| Place::new(to, "id", &[&data]);
        assert!(place(&root.join("new")).is_ok() && place(&root.join("empty")).is_ok());
        for bad in ["full", "data", "data/inside", "link", "link/inside", "full/x", "nowhere/deep"] {
            assert!(place(&root.join(bad)).is_err(), "{bad}");
        }
        assert!(
            place(&root).is_err() && place(Path::new("relative")).is_err() && place(Path::new("/")).is_err()
        );
    }

    #[test]
    fn trees_of_format_1_are_removed_and_forgotten() {
        let home = tempfile::tempdir().unwrap();
        let paths = Paths::below(home.path()).unwrap();
        let tree = home.path().join(".x.steady-1");
        std::fs::create_dir(&tree).unwrap();
        let text = format!("{{\"version\": 1, \"trees\": [{:?}]}}", tree.to_str().unwrap());
        std::fs::write(paths.elsewhere_file(), text).unwrap();
        paths.clear_trees().unwrap();
        assert!(!tree.exists());
        paths.clear_trees().unwrap();
    }
}
