use std::collections::HashMap;
use std::sync::Arc;

use rustic_core::repofile::{Chunker, SnapshotFile};
use rustic_core::{ConfigOptions, Credentials, FileType, Id, KeyOptions, LsOptions, NoProgressBars, TreeId};

use super::bars::Bars;
use super::{Contents, Repository, Site, connect, failed, hex_id, index_failed};
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
        site: &Site,
        password: &str,
        key: &KeyPlace,
        events: &Arc<Events>,
    ) -> Result<Self, BackupError> {
        Self::open_telling(site, password, key, Bars::copying(events))
    }

    /// Creates another repository whose chunks are as large as here; else a backup straight into it would store all
    /// of the data again.
    pub(crate) fn init_like(&self, site: &Site, password: &str) -> Result<(), BackupError> {
        let mut config = ConfigOptions::default().set_chunker(Chunker::FixedSize);
        if let Some(size) = self.open.config().chunk_size {
            config = config.set_chunk_size(bytesize::ByteSize::b(size as u64));
        }
        connect(site, NoProgressBars)?
            .0
            .init(&Credentials::password(password), &KeyOptions::default(), &config)
            .map_err(failed("be created", &site.shown()))?;
        site.flush()
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

    /// The library leaves out in silence what the index here does not know: ask [`Self::lacks`] afterwards.
    pub(crate) fn copy_into(&self, point: &str, site: &Site, there: Repository) -> Result<(), BackupError> {
        let ours = self.snapshot(point)?;
        let Repository { at, open, .. } = there;
        let target = open.to_indexed_ids().map_err(index_failed(&at))?;
        self.repo.copy(&target, [&ours]).map_err(failed("copy a restore point", &at))?;
        site.flush()
    }

    /// Whether every chunk of every file of a point of ours is known there, and the file that holds it is there, as
    /// long as it must be; the answer is what is not. The folders are read here, so that a far place is asked for
    /// little.
    pub(crate) fn lacks(&self, point: &str, there: &Self) -> Result<Option<String>, BackupError> {
        let listed = there.backend.list_with_size(FileType::Pack);
        let packs: HashMap<Id, u32> =
            listed.map_err(failed("list its files", &there.at))?.into_iter().collect();
        let snapshot = self.snapshot(point)?;
        Ok(self.all_there(point, snapshot.tree, there, &packs).err())
    }

    fn all_there(
        &self,
        point: &str,
        top: TreeId,
        there: &Self,
        packs: &HashMap<Id, u32>,
    ) -> Result<(), String> {
        let stored = |pack: Id, end: u32, part: &str| match packs.get(&pack) {
            Some(size) if *size >= end => Ok(()),
            Some(_) => Err(format!("the file {} with {part} is cut off", pack.to_hex().as_str())),
            None => Err(format!("the file {} with {part} is not there", pack.to_hex().as_str())),
        };
        let tree_is_there = |tree: &TreeId, part: &str| {
            let entry = there.repo.get_index_entry(tree).map_err(|_| format!("{part} is missing"))?;
            stored(*entry.pack, entry.location.offset.saturating_add(entry.location.length), part)
        };
        tree_is_there(&top, "its list of files")?;
        let root = self.node(point, "").map_err(|e| e.to_string())?;
        let nodes = self.repo.ls(&root, &LsOptions::default()).map_err(|e| e.to_string())?;
        for item in nodes {
            let listed = item.map_err(failed("list a restore point", &self.at));
            let (path, node) = listed.map_err(|e| e.to_string())?;
            let part = format!("a part of {}", path.display());
            if let Some(tree) = &node.subtree {
                tree_is_there(tree, &part)?;
            }
            for chunk in node.content.iter().flatten() {
                let entry = there.repo.get_index_entry(chunk).map_err(|_| format!("{part} is missing"))?;
                stored(*entry.pack, entry.location.offset.saturating_add(entry.location.length), &part)?;
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
