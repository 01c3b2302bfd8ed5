//! The key of the repository: fetched for the engine, shown to its owner, kept elsewhere.

use std::path::PathBuf;

use steady_launch::Secret;
use steady_model::key::{BackupKeyView, KeptIn};
use steady_model::time::WallTime;

use super::{Backups, Inner, unexpected};
use crate::error::BackupError;
use crate::key::KeyRing;
use crate::protocol::{Command, Done};

/// What a recovery sheet tells.
#[derive(Debug)]
pub struct Recovery {
    pub key: Secret,
    pub repository: PathBuf,
    /// The id of the repository; the key opens it.
    pub id: String,
}

impl Backups {
    /// Where the key is kept; `None` before there is one. Reads one small file.
    pub fn key_kept(&self) -> Result<Option<BackupKeyView>, BackupError> {
        self.inner.keys.view()
    }

    /// The key, proved on the repository.
    pub async fn recovery(&self) -> Result<Recovery, BackupError> {
        let key = self.inner.key().await?;
        let Done::Identity(id) = self.inner.engine(Command::Identify, &|_| {}).await? else {
            return Err(unexpected("a question for the repository's id"));
        };
        Ok(Recovery { key, repository: self.inner.repository.clone(), id })
    }

    /// A person says that they have the key elsewhere.
    pub fn note_key_saved(&self, now: WallTime) -> Result<(), BackupError> {
        self.inner.keys.note_saved(now)
    }

    /// Keeps the key at another place, if it opens the repository: one that does not must take no other's place. Cut
    /// off anywhere it is still found, and once more ends it.
    pub async fn move_key(&self, to: KeptIn) -> Result<(), BackupError> {
        self.recovery().await?;
        let repository = self.inner.repository.clone();
        self.inner.with_keys(move |keys| keys.move_to(to, &repository)).await
    }
}

impl Inner {
    pub(super) async fn key(&self) -> Result<Secret, BackupError> {
        let repository = self.repository.clone();
        self.with_keys(move |keys| keys.find(&repository)).await
    }

    pub(super) async fn ensure_key(&self, exists: bool) -> Result<(), BackupError> {
        let repository = self.repository.clone();
        self.with_keys(move |keys| keys.ensure(&repository, exists)).await
    }

    /// A keychain may take its time.
    async fn with_keys<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&KeyRing) -> Result<T, BackupError> + Send + 'static,
    ) -> Result<T, BackupError> {
        let keys = self.keys.clone();
        let asked = tokio::task::spawn_blocking(move || ask(&keys)).await;
        asked.map_err(|e| BackupError::Worker { why: e.to_string() })?
    }
}
