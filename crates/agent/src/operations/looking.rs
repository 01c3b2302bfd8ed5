//! What is asked of the repository and changes nothing. It has one lock: while something is done there is no answer.

use std::path::{Path, PathBuf};

use steady_model::api::RestoreRequest;
use steady_model::backup::{RestorePlan, RestorePoint};
use steady_model::contents::{PointDiff, PointFolder};
use steady_model::retention::PrunePlan;

use super::work::paths;
use super::{Backups, OperationError, OperationsHandle, known};

impl OperationsHandle {
    /// What a removal of old points would do.
    pub async fn prune_plan(&self) -> Result<PrunePlan, OperationError> {
        Ok(self.idle()?.prune_plan().await?)
    }

    /// One folder of a restore point, or one file.
    pub async fn files(&self, id: &str, path: &Path) -> Result<PointFolder, OperationError> {
        let backups = self.idle()?;
        known(backups, id)?;
        Ok(backups.files(id, path).await?)
    }

    pub async fn diff(&self, before: &str, after: &str) -> Result<PointDiff, OperationError> {
        let backups = self.idle()?;
        known(backups, before)?;
        known(backups, after)?;
        Ok(backups.diff(before, after).await?)
    }

    /// The points of a copy, newest first, with the ids that they have there.
    pub async fn points_of_copy(&self, name: &str) -> Result<Vec<RestorePoint>, OperationError> {
        let backups = self.backups.as_deref().ok_or(OperationError::NotConfigured)?;
        Ok(backups.open_copy(self.copies.target(name)?).await?.points().to_vec())
    }

    /// What a restore would do.
    pub async fn plan(&self, id: &str, how: RestoreRequest) -> Result<RestorePlan, OperationError> {
        let backups = self.backups.as_ref().ok_or(OperationError::NotConfigured)?;
        let (only, to) = (paths(how.only), how.to.map(PathBuf::from));
        if let Some(name) = how.from {
            let copy = backups.open_copy(self.copies.target(&name)?).await?;
            return Ok(copy.plan(id, to.as_deref(), &only).await?);
        }
        known(backups, id)?;
        Ok(match to {
            Some(to) => backups.plan_to(id, &to, &only).await?,
            None => backups.plan_of(id, &only).await?,
        })
    }

    fn idle(&self) -> Result<&Backups, OperationError> {
        if let Some(doing) = *self.doing.borrow() {
            return Err(OperationError::Busy { doing });
        }
        self.backups.as_deref().ok_or(OperationError::NotConfigured)
    }
}
