//! Copies of verified points in other repositories, and what is known of them.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use steady_disk::create_private_dir;
use steady_model::backup::RestorePoint;
use steady_model::config::CopyTarget;
use steady_model::time::WallTime;

use super::{Backups, unexpected};
use crate::catalogue::{read_versioned, write_versioned};
use crate::error::BackupError;
use crate::protocol::{Command, CopyTo, Done, Progress};

const VERSION: u32 = 1;

/// `backups/copies/NAME.json`: what was copied to a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyRecord {
    version: u32,
    /// The id of the repository there; another one is not touched.
    repository: String,
    /// Oldest copy first.
    pub copied: Vec<CopiedPoint>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopiedPoint {
    /// Its id here, and there.
    pub point: String,
    pub there: String,
    pub taken: WallTime,
    pub copied: WallTime,
}

impl Backups {
    fn copy_file(&self, copy: &CopyTarget, ending: &str) -> Result<PathBuf, BackupError> {
        let folder = self.inner.keys.folder().join("copies");
        create_private_dir(&folder)?;
        Ok(folder.join(format!("{}.{ending}", copy.name)))
    }

    fn copy_to(&self, copy: &CopyTarget, id: Option<String>) -> Result<CopyTo, BackupError> {
        let lock = self.copy_file(copy, "lock")?;
        Ok(CopyTo { folder: copy.to.clone(), lock, id, same_volume: copy.same_volume })
    }

    /// What was copied; `None` until [`Self::init_copy`].
    pub fn copied(&self, copy: &CopyTarget) -> Result<Option<CopyRecord>, BackupError> {
        read_versioned(&self.copy_file(copy, "json")?, VERSION)
    }

    /// Verified points that are not copied yet, newest first.
    pub fn uncopied(&self, copy: &CopyTarget) -> Result<Vec<RestorePoint>, BackupError> {
        let Some(record) = self.copied(copy)? else { return Ok(Vec::new()) };
        let mut points = self.catalogue()?;
        points.retain(|p| p.verified.is_some() && record.copied.iter().all(|c| c.point != p.id));
        Ok(points)
    }

    /// Creates the repository of a copy, or takes over the one that is there and opens with our password.
    pub async fn init_copy(&self, copy: &CopyTarget) -> Result<(), BackupError> {
        self.inner.ensure_repository().await?;
        let command = Command::InitCopy(self.copy_to(copy, None)?);
        let Done::CopyReady(id) = self.inner.engine(command, &|_| {}).await? else {
            return Err(unexpected("the preparation of a copy"));
        };
        let known = self.copied(copy)?.filter(|record| record.repository == id);
        let record = CopyRecord { version: VERSION, repository: id, copied: Vec::new() };
        write_versioned(&self.copy_file(copy, "json")?, &known.unwrap_or(record))
    }

    /// Copies one point, and proves that all of it arrived. Backups need not wait for it. Dropping the future ends
    /// the engine; what had arrived is not sent again.
    pub async fn copy(
        &self,
        copy: &CopyTarget,
        point: &RestorePoint,
        on_progress: impl Fn(Progress) + Send + Sync,
    ) -> Result<(), BackupError> {
        let record = self.copied(copy)?;
        let mut record = record.ok_or_else(|| BackupError::CopyNotReady { name: copy.name.clone() })?;
        let to = self.copy_to(copy, Some(record.repository.clone()))?;
        let command = Command::Copy { point: point.id.clone(), to };
        let Done::Copied(there) = self.inner.engine(command, &on_progress).await? else {
            return Err(unexpected("a copy"));
        };
        let copied = steady_clock::now().wall;
        record.copied.push(CopiedPoint { point: point.id.clone(), there, taken: point.taken, copied });
        write_versioned(&self.copy_file(copy, "json")?, &record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_of_format_1_is_still_read_and_a_newer_one_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("usb.json");
        let text = include_str!("../../tests/fixtures/copy-1.json");
        std::fs::write(&path, text).unwrap();
        let record: CopyRecord = read_versioned(&path, VERSION).unwrap().unwrap();
        assert_eq!(record.copied.len(), 1);
        write_versioned(&path, &record).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap().trim(), text.trim(), "the format changed");
        std::fs::write(&path, text.replace("\"version\": 1", "\"version\": 2")).unwrap();
        let error = read_versioned::<CopyRecord>(&path, VERSION).unwrap_err();
        assert!(matches!(error, BackupError::Newer { found: 2, .. }), "{error}");
    }
}
