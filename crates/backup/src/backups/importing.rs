//! Copies that something else made of the data directory before Steady, taken in as restore points.

use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use steady_model::backup::RestorePoint;
use steady_model::older::taken_at;
use steady_model::time::WallTime;

use super::{Backups, Inner, unexpected};
use crate::error::BackupError;
use crate::protocol::{Command, Done, Progress};
use crate::restore::OnProgress;

/// An older copy of the data directory.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    from: PathBuf,
    taken: WallTime,
}

impl Backups {
    /// Takes in `data-YYYYMMDD-HHMMSS` of each folder, or that folder itself, the oldest first; of no folders, those
    /// of the configuration. What was taken in already is not again. Nothing is written to them.
    pub async fn import(
        &self,
        folders: &[PathBuf],
        on_progress: impl Fn(Progress) + Send + Sync,
    ) -> Result<Vec<RestorePoint>, BackupError> {
        let _busy = self.inner.busy.lock().await;
        self.inner.import(folders, &on_progress).await
    }

    /// Whether the folders of the configuration hold copies that are not taken in.
    pub fn has_older(&self) -> bool {
        let known = self.catalogue().unwrap_or_default();
        let found =
            self.inner.config.import.iter().filter_map(|folder| self.inner.older(folder).ok()).flatten();
        found.into_iter().any(|found| !is_known(&known, found.taken))
    }
}

fn is_known(points: &[RestorePoint], taken: WallTime) -> bool {
    points.iter().any(|point| point.imported.is_some() && point.taken == taken)
}

impl Inner {
    async fn import(
        &self,
        folders: &[PathBuf],
        on_progress: OnProgress<'_>,
    ) -> Result<Vec<RestorePoint>, BackupError> {
        let folders = if folders.is_empty() { &self.config.import } else { folders };
        let mut all = Vec::new();
        for folder in folders {
            all.extend(self.older(folder)?);
        }
        all.sort_by_key(|found| found.taken);
        self.ensure_repository().await?;
        let mut points = Vec::new();
        for Found { from, taken } in all {
            if is_known(&self.catalogue.read()?, taken) {
                continue;
            }
            let (exclude, classes) = (self.config.exclude.clone(), self.config.capture.classes.clone());
            let command = Command::Import { from, taken, exclude, classes };
            let Done::Taken(taken) = self.engine(command, on_progress).await? else {
                return Err(unexpected("an import"));
            };
            self.catalogue.put(&taken.point)?;
            points.push(taken.point);
        }
        Ok(points)
    }

    /// What lies in `folder`, or is `folder`.
    fn older(&self, folder: &Path) -> Result<Vec<Found>, BackupError> {
        let refused = |why: &str| BackupError::Import { path: folder.to_owned(), why: why.to_owned() };
        let folder = folder.canonicalize().map_err(BackupError::io("look for older copies in", folder))?;
        let entries = match named(&folder) {
            Some(found) => vec![found],
            None => {
                let entries = std::fs::read_dir(&folder).map_err(BackupError::io("list", &folder))?;
                let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
                paths.filter(|path| path.is_dir()).filter_map(|path| named(&path)).collect()
            }
        };
        if entries.is_empty() {
            return Err(refused(
                "no folder in it is named data-YYYYMMDD-HHMMSS, and its own name is another",
            ));
        }
        let now = steady_clock::now().wall;
        if entries.iter().any(|found| found.taken > now) {
            return Err(refused("a name in it is dated in the future"));
        }
        let overlaps = |path: &Path| {
            [&self.source, &self.repository].iter().any(|own| path.starts_with(own) || own.starts_with(path))
        };
        if entries.iter().any(|found| overlaps(&found.from)) {
            return Err(refused("it overlaps the data directory or the repository"));
        }
        Ok(entries)
    }
}

fn named(folder: &Path) -> Option<Found> {
    let taken = taken_at(folder.file_name()?.to_str()?, &TimeZone::system())?;
    Some(Found { from: folder.to_owned(), taken })
}
