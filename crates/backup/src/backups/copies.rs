//! Copies of verified points in other repositories, and what is known of them.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use steady_disk::create_private_dir;
use steady_model::backup::RestorePoint;
use steady_model::config::{CopyTarget, SecretRef};
use steady_model::time::WallTime;
use tempfile::NamedTempFile;

use super::{Backups, unexpected};
use crate::catalogue::{read_versioned, write_versioned};
use crate::error::BackupError;
use crate::protocol::{Command, CopyTo, Done, Progress};
use crate::secret_file;

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

/// Names of copies do not begin so.
const SECRET: &str = ".secret-";

/// What the engine needs to reach a copy, with the private files of its secrets: they go with this.
pub(super) struct Way {
    pub(super) to: CopyTo,
    _login: Option<NamedTempFile>,
    _password: Option<NamedTempFile>,
}

impl Way {
    fn new(copy: &CopyTarget, folder: &Path, id: Option<String>) -> Result<Self, BackupError> {
        let write = |key: &'static str, place: &Option<SecretRef>| {
            let name = format!("backup.copy.{}.{key}", copy.name);
            let written = place
                .as_ref()
                .map(|place| secret_file::write(&name, place, (folder, SECRET), <[u8]>::to_vec));
            written.transpose().map_err(|why| BackupError::CopySecret { name: copy.name.clone(), key, why })
        };
        let (login, password) = (write("login", &copy.login)?, write("password", &copy.password)?);
        let path = |file: &Option<NamedTempFile>| file.as_ref().map(|f| f.path().to_owned());
        let to = CopyTo {
            place: copy.to.clone(),
            login_file: path(&login),
            password_file: path(&password),
            limit: copy.limit,
            lock: folder.join(format!("{}.lock", copy.name)),
            id,
        };
        Ok(Self { to, _login: login, _password: password })
    }
}

/// The engine does not know the name of a copy.
pub(super) fn named(copy: &CopyTarget, error: BackupError) -> BackupError {
    match error {
        BackupError::Engine { code, message } => {
            let message = message
                .replace("backup.copy.NAME.", &format!("backup.copy.{}.", copy.name))
                .replace("backup copy NAME", &format!("backup copy {}", copy.name));
            BackupError::Engine { code, message }
        }
        error => error,
    }
}

impl Backups {
    fn copies_folder(&self) -> Result<PathBuf, BackupError> {
        let folder = self.inner.keys.folder().join("copies");
        create_private_dir(&folder)?;
        Ok(folder)
    }

    /// Removes the secrets that an agent which was killed left in files. Call it before the first copy.
    pub fn sweep_copies(&self) -> Result<(), BackupError> {
        secret_file::sweep(&self.copies_folder()?, SECRET);
        Ok(())
    }

    fn copy_record(&self, copy: &CopyTarget) -> Result<PathBuf, BackupError> {
        Ok(self.copies_folder()?.join(format!("{}.json", copy.name)))
    }

    pub(super) async fn way_to(&self, copy: &CopyTarget, id: Option<String>) -> Result<Way, BackupError> {
        let (copy, folder) = (copy.clone(), self.copies_folder()?);
        // A keychain may ask a person.
        let way = tokio::task::spawn_blocking(move || Way::new(&copy, &folder, id)).await;
        way.map_err(|e| BackupError::Worker { why: e.to_string() })?
    }

    /// What was copied; `None` until [`Self::init_copy`].
    pub fn copied(&self, copy: &CopyTarget) -> Result<Option<CopyRecord>, BackupError> {
        read_versioned(&self.copy_record(copy)?, VERSION)
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
        let way = self.way_to(copy, None).await?;
        let done = self.inner.engine(Command::InitCopy(way.to.clone()), &|_| {}).await;
        let Done::CopyReady(id) = done.map_err(|e| named(copy, e))? else {
            return Err(unexpected("the preparation of a copy"));
        };
        let known = self.copied(copy)?.filter(|record| record.repository == id);
        let record = CopyRecord { version: VERSION, repository: id, copied: Vec::new() };
        write_versioned(&self.copy_record(copy)?, &known.unwrap_or(record))
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
        let way = self.way_to(copy, Some(record.repository.clone())).await?;
        let command = Command::Copy { point: point.id.clone(), to: way.to.clone() };
        let done = self.inner.engine(command, &on_progress).await;
        let Done::Copied(there) = done.map_err(|e| named(copy, e))? else {
            return Err(unexpected("a copy"));
        };
        let copied = steady_clock::now().wall;
        record.copied.push(CopiedPoint { point: point.id.clone(), there, taken: point.taken, copied });
        write_versioned(&self.copy_record(copy)?, &record)
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
