//! The repository's side of a drill: a point in a scratch folder, and the record of the last drill.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use steady_disk::create_private_dir;
use steady_model::drill::DrillRecord;

use super::{Backups, Inner, Origin, Written, unexpected};
use crate::catalogue::{read_versioned, write_versioned};
use crate::chosen::Chosen;
use crate::error::BackupError;
use crate::plan;
use crate::protocol::{Command, Done, Progress};
use crate::restore::{Stager, remove_tree};

/// Since format 2 a step may be `loaded`.
const VERSION: u32 = 2;

/// `drills.json`.
#[derive(Debug, Serialize, Deserialize)]
struct Drills {
    version: u32,
    last: DrillRecord,
}

impl Backups {
    /// Writes a point to the scratch folder of drills, in place of what is there.
    ///
    /// Nothing may run on what was there: [`Self::clear_drill`] says the same.
    pub async fn stage_drill(
        &self,
        id: &str,
        on_progress: impl Fn(Progress) + Send + Sync,
    ) -> Result<Written, BackupError> {
        let _busy = self.inner.busy.lock().await;
        let point = plan::find(&self.inner.catalogue.read()?, id)?;
        let folder = self.inner.drill_folder();
        remove_tree(&folder)?;
        create_private_dir(&folder)?;
        let free = plan::free(&folder)?;
        if free < point.bytes {
            return Err(BackupError::NoRoom { path: folder, free, needed: point.bytes });
        }
        let into = self.drill_data();
        let command = Command::Stage { point: point.id, into: into.clone(), only: Chosen::default() };
        let Done::Staged { files, bytes } = self.inner.engine(command, &on_progress).await? else {
            return Err(unexpected("a restore"));
        };
        Ok(Written { at: into, files, bytes })
    }

    /// Compares what was staged with the point, opens its databases and counts their rows.
    pub async fn open_drill(
        &self,
        id: &str,
        on_progress: impl Fn(Progress) + Send + Sync,
    ) -> Result<(), BackupError> {
        let _busy = self.inner.busy.lock().await;
        let here = Origin::here(&self.inner);
        here.check(id, &self.drill_data(), &Chosen::default(), &on_progress).await
    }

    /// Removes the scratch folder, also one that an earlier agent left. No process may use it any more.
    pub async fn clear_drill(&self) -> Result<(), BackupError> {
        let _busy = self.inner.busy.lock().await;
        let folder = self.inner.drill_folder();
        let removed = tokio::task::spawn_blocking(move || remove_tree(&folder)).await;
        removed.map_err(|e| BackupError::Worker { why: e.to_string() })?
    }

    /// Where [`Self::stage_drill`] puts the data directory.
    pub fn drill_data(&self) -> PathBuf {
        self.inner.drill_folder().join("data")
    }

    pub fn last_drill(&self) -> Result<Option<DrillRecord>, BackupError> {
        Ok(read_versioned::<Drills>(&self.inner.drills_file(), VERSION)?.map(|drills| drills.last))
    }

    pub fn keep_drill(&self, last: &DrillRecord) -> Result<(), BackupError> {
        write_versioned(&self.inner.drills_file(), &Drills { version: VERSION, last: last.clone() })
    }
}

impl Inner {
    fn drill_folder(&self) -> PathBuf {
        self.keys.folder().join("drill")
    }

    fn drills_file(&self) -> PathBuf {
        self.keys.folder().join("drills.json")
    }
}
