//! What is asked of the repository and changes nothing. It has one lock: while something is done there is no answer.

use std::path::Path;

use steady_model::contents::{PointDiff, PointFolder};
use steady_model::retention::PrunePlan;

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

    fn idle(&self) -> Result<&Backups, OperationError> {
        if let Some(doing) = *self.doing.borrow() {
            return Err(OperationError::Busy { doing });
        }
        self.backups.as_deref().ok_or(OperationError::NotConfigured)
    }
}
