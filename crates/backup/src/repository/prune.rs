//! Takes snapshots away, and gives back the room that only they needed.
//!
//! With `instant_delete`: files that nobody needs go at once. The library's other way marks them first and removes
//! them 23 hours later, so that the repository grows before it shrinks (H6); it is for repositories that several
//! programs write. Ours has one writer, and [`crate::engine`]'s lock keeps even our own readers out. A `restic` that
//! only reads, as the manual allows, is seen by its lock.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytesize::ByteSize;
use rustic_core::repofile::SnapshotId;
use rustic_core::{LimitOption, PruneOptions, PrunePlan};

use super::bars::Bars;
use super::{Repository, Site, failed, flush, index_failed};
use crate::error::BackupError;
use crate::events::Events;
use crate::key::KeyPlace;

/// restic renews its lock every five minutes, and takes one of half an hour for that of a dead process.
const RESTIC_LOCK_AT_MOST: Duration = Duration::from_secs(30 * 60);
/// At most this much, or a tenth of the repository, is written anew in one go: it needs room before it gives any.
const REWRITTEN_AT_LEAST: u64 = 256 << 20;

impl Repository {
    /// As [`Repository::open`], with the steps of a removal told.
    pub(crate) fn open_to_prune(
        at: &Path,
        password: &str,
        key: &KeyPlace,
        events: &Arc<Events>,
    ) -> Result<Self, BackupError> {
        Self::open_telling(&Site::folder(at), password, key, Bars::pruning(events))
    }

    /// Ids of all snapshots.
    pub(crate) fn ids(&self) -> Result<Vec<String>, BackupError> {
        let ids = self.open.list::<SnapshotId>().map_err(failed("list its restore points", &self.at))?;
        Ok(ids.map(|id| id.to_hex().as_str().to_owned()).collect())
    }

    /// Bytes that the repository would give back without these snapshots.
    pub(crate) fn freed_without(&self, ids: &[String]) -> Result<u64, BackupError> {
        self.plan(&self.present(ids)?).map(|(_, plan)| freed(&plan))
    }

    /// Removes these snapshots, and what no other needs; how many there were, and the bytes given back.
    ///
    /// Killed anywhere it leaves a repository in which all others are whole: first the snapshots go, one file each,
    /// then the new index is written, then the old one goes, then the files that no index names.
    pub(crate) fn remove(self, ids: &[String]) -> Result<(u64, u64), BackupError> {
        let ids = self.present(ids)?;
        // Before anything is removed: a damaged index ends it here.
        let (options, plan) = self.plan(&ids)?;
        let freed = freed(&plan);
        self.unused_by_restic()?;
        if !ids.is_empty() {
            self.open.delete_snapshots(&ids).map_err(failed("remove restore points", &self.at))?;
            flush(&self.at)?;
        }
        self.open.prune(&options, plan).map_err(failed("give back room", &self.at))?;
        flush(&self.at)?;
        Ok((ids.len() as u64, freed))
    }

    /// Those of a removal that was cut off may be gone.
    fn present(&self, ids: &[String]) -> Result<Vec<SnapshotId>, BackupError> {
        let all = self.open.list::<SnapshotId>().map_err(failed("list its restore points", &self.at))?;
        Ok(all.filter(|id| ids.iter().any(|wanted| *wanted == id.to_hex().as_str())).collect())
    }

    fn plan(&self, without: &[SnapshotId]) -> Result<(PruneOptions, PrunePlan), BackupError> {
        let rewritten = (self.size() / 10).max(REWRITTEN_AT_LEAST);
        let options = PruneOptions::default()
            .instant_delete(true)
            .max_repack(LimitOption::Size(ByteSize::b(rewritten)))
            .ignore_snaps(without.to_vec());
        let plan = self.open.prune_plan(&options).map_err(index_failed(&self.at))?;
        Ok((options, plan))
    }

    fn size(&self) -> u64 {
        let files = walkdir::WalkDir::new(self.at.join("data")).into_iter();
        files
            .filter_map(|entry| entry.ok()?.metadata().ok())
            .filter(std::fs::Metadata::is_file)
            .map(|m| m.len())
            .sum()
    }

    fn unused_by_restic(&self) -> Result<(), BackupError> {
        let locks = self.at.join("locks");
        let now = SystemTime::from(steady_clock::now().wall.0);
        let Ok(entries) = std::fs::read_dir(&locks) else { return Ok(()) };
        let renewed = entries.filter_map(|entry| entry.ok()?.metadata().ok()?.modified().ok());
        let ages = renewed.map(|renewed| now.duration_since(renewed).unwrap_or_default());
        match ages.min() {
            Some(age) if age < RESTIC_LOCK_AT_MOST => {
                Err(BackupError::ReadByRestic { path: self.at.clone(), age })
            }
            _ => Ok(()),
        }
    }
}

fn freed(plan: &PrunePlan) -> u64 {
    let sizes = plan.stats.size_sum();
    sizes.remove + sizes.repackrm + plan.stats.size_unref + plan.stats.size_to_delete.total()
}
