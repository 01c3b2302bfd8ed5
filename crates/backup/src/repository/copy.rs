use std::sync::Arc;

use rustic_core::repofile::{Chunker, SnapshotFile};
use rustic_core::{ConfigOptions, Credentials, KeyOptions, LsOptions, NoProgressBars};

use super::bars::Bars;
use super::{Contents, Repository, connect, failed, flush, hex_id, index_failed};
use crate::error::BackupError;
use crate::events::Events;
use crate::key::KeyPlace;

/// A copied snapshot has another id: its moment and its content tell that it is the same.
fn same(one: &SnapshotFile, other: &SnapshotFile) -> bool {
    one.tree == other.tree && one.time == other.time && one.label == other.label
}

impl Repository {
    /// Tells repositories apart, whatever their place.
    pub(crate) fn id(&self) -> String {
        self.open.config().id.to_hex().as_str().to_owned()
    }

    /// As [`Repository::open`], with the steps of a copy that is made into it told.
    pub(crate) fn open_to_copy(
        at: &std::path::Path,
        password: &str,
        key: &KeyPlace,
        events: &Arc<Events>,
    ) -> Result<Self, BackupError> {
        Self::open_telling(at, password, key, Bars::copying(events))
    }

    /// Creates another repository whose chunks are as large as here; else a backup straight into it would store all
    /// of the data again.
    pub(crate) fn init_like(&self, at: &std::path::Path, password: &str) -> Result<(), BackupError> {
        let mut config = ConfigOptions::default().set_chunker(Chunker::FixedSize);
        if let Some(size) = self.open.config().chunk_size {
            config = config.set_chunk_size(bytesize::ByteSize::b(size as u64));
        }
        connect(at, NoProgressBars)?
            .init(&Credentials::password(password), &KeyOptions::default(), &config)
            .map_err(failed("be created", at))?;
        flush(at)
    }
}

impl Contents {
    fn snapshot(&self, id: &str) -> Result<SnapshotFile, BackupError> {
        let all = self.repo.get_all_snapshots().map_err(failed("list its restore points", &self.at))?;
        all.into_iter()
            .find(|s| hex_id(s) == id)
            .ok_or_else(|| BackupError::NoSuchPoint { id: id.to_owned() })
    }

    /// The id that a point of ours has in another repository.
    pub(crate) fn find_copy(&self, point: &str, there: &Repository) -> Result<Option<String>, BackupError> {
        let ours = self.snapshot(point)?;
        let all = there.open.get_all_snapshots().map_err(failed("list its restore points", &there.at))?;
        Ok(all.iter().find(|s| same(s, &ours)).map(hex_id))
    }

    /// The library leaves out in silence what the index here does not know: ask [`Self::proves`] of the copy.
    pub(crate) fn copy_into(&self, point: &str, there: Repository) -> Result<(), BackupError> {
        let ours = self.snapshot(point)?;
        let Repository { at, open } = there;
        let target = open.to_indexed_ids().map_err(index_failed(&at))?;
        self.repo.copy(&target, [&ours]).map_err(failed("copy a restore point", &at))?;
        flush(&at)
    }

    /// Whether every chunk of every file of a point is known here, and the pack that holds it is there.
    pub(crate) fn proves(&self, point: &str) -> Result<(), String> {
        let root = self.node(point, "").map_err(|e| e.to_string())?;
        let nodes = self.repo.ls(&root, &LsOptions::default()).map_err(|e| e.to_string())?;
        let mut packs = std::collections::BTreeSet::new();
        for item in nodes {
            let (path, node) =
                item.map_err(failed("list a restore point", &self.at)).map_err(|e| e.to_string())?;
            for chunk in node.content.iter().flatten() {
                let entry = self
                    .repo
                    .get_index_entry(chunk)
                    .map_err(|_| format!("a part of {} is missing", path.display()))?;
                packs.insert(entry.pack.to_hex().as_str().to_owned());
            }
        }
        for pack in packs {
            let file = self.at.join("data").join(pack.get(..2).unwrap_or_default()).join(&pack);
            if !file.is_file() {
                return Err(format!("{} is not there", file.display()));
            }
        }
        Ok(())
    }

    /// Takes a snapshot away that is not whole. What it shares with others stays.
    pub(crate) fn forget(&self, point: &str) -> Result<(), BackupError> {
        let half = self.snapshot(point)?;
        self.repo.delete_snapshots(&[half.id]).map_err(failed("remove half a copy", &self.at))
    }
}
