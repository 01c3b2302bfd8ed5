//! The part of a restore point that a person asked for.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::BackupError;
use crate::manifest::{Manifest, RelPath};

/// Files and folders below the data directory; empty is all of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chosen(Vec<RelPath>);

impl Chosen {
    /// From paths as typed: below `source`, or relative to it.
    pub(crate) fn new(typed: &[PathBuf], source: &Path) -> Result<Self, BackupError> {
        let below = |path: &PathBuf| {
            RelPath::new(path.strip_prefix(source).unwrap_or(path))
                .ok_or_else(|| BackupError::Chosen { path: path.clone(), source_dir: source.to_owned() })
        };
        typed.iter().map(below).collect::<Result<_, _>>().map(Self)
    }

    pub(crate) fn is_all(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.0.iter().map(ToString::to_string).collect()
    }

    /// Whether the path is chosen, or lies in a folder that is.
    pub(crate) fn holds(&self, path: &Path) -> bool {
        self.is_all() || self.0.iter().any(|c| path.starts_with(c.as_path()))
    }

    /// Whether something chosen lies in this folder.
    pub(crate) fn leads_through(&self, folder: &Path) -> bool {
        self.0.iter().any(|c| c.as_path().starts_with(folder))
    }

    /// What is chosen and not in the point.
    pub(crate) fn absent(&self, manifest: &Manifest) -> Option<&RelPath> {
        let stores = manifest.stores.iter().map(|s| &s.path);
        let files = manifest.files.iter().map(|f| &f.path);
        let links = manifest.links.iter().map(|l| &l.path);
        let all: Vec<&RelPath> = stores.chain(files).chain(links).chain(&manifest.folders).collect();
        self.0.iter().find(|c| !all.contains(c))
    }

    /// Bytes of what is chosen.
    pub(crate) fn bytes(&self, manifest: &Manifest) -> u64 {
        self.sizes(manifest).sum()
    }

    /// How many files that is.
    pub(crate) fn files(&self, manifest: &Manifest) -> u64 {
        self.sizes(manifest).count() as u64
    }

    fn sizes(&self, manifest: &Manifest) -> impl Iterator<Item = u64> {
        let stores = manifest.stores.iter().filter(|s| self.holds(s.path.as_path())).map(|s| s.bytes);
        let files = manifest.files.iter().filter(|f| self.holds(f.path.as_path())).map(|f| f.bytes);
        stores.chain(files)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(typed: &[&str]) -> Result<Chosen, BackupError> {
        Chosen::new(&typed.iter().map(PathBuf::from).collect::<Vec<_>>(), Path::new("/data"))
    }

    #[test]
    fn a_choice_is_below_the_data_whichever_way_it_is_typed() {
        assert_eq!(chosen(&["/data/vault/a.md"]).unwrap(), chosen(&["vault/a.md"]).unwrap());
        for out in ["../x", "/etc/passwd", "", "/data", "vault/../../x"] {
            assert!(chosen(&[out]).is_err(), "{out}");
        }
    }

    #[test]
    fn a_folder_is_chosen_with_all_in_it_and_with_nothing_that_only_begins_like_it() {
        let choice = chosen(&["vault/deep"]).unwrap();
        assert!(choice.holds(Path::new("vault/deep/a.md")) && choice.holds(Path::new("vault/deep")));
        assert!(!choice.holds(Path::new("vault/deeper.md")) && !choice.holds(Path::new("vault")));
        assert!(choice.leads_through(Path::new("vault")) && !choice.leads_through(Path::new("other")));
        assert!(Chosen::default().holds(Path::new("anything")));
    }
}
