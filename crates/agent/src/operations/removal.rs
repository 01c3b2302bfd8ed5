//! When old restore points are removed, and how it went.

use std::time::Duration;

use steady_model::backup::RestorePoint;

use super::work::Work;
use super::{BackupEvent, OperationError, OperationsHandle, Owner};

/// Old points are removed this long after a backup: a person who has just taken one may want to use it.
const TIDY_AFTER: Duration = Duration::from_secs(10);

impl OperationsHandle {
    /// Removes the restore points that the rules do not keep.
    pub async fn prune(&self) -> Result<String, OperationError> {
        self.begin(Work::Prune).await
    }
}

impl Owner {
    /// After a good backup, and never after one that is not: what is removed is missed when nothing new is good.
    pub(super) fn plan_removal(&mut self) {
        let now = steady_clock::now().wall;
        let Some((backups, _)) = &self.wiring.backups else { return };
        let good = |points: Vec<RestorePoint>| points.first().is_some_and(|p| p.verified.is_some());
        if !backups.catalogue().is_ok_and(good) {
            return;
        }
        match backups.prune_is_due(now) {
            Ok(true) => self.tidy = Some(now.after(TIDY_AFTER)),
            Ok(false) => {}
            Err(e) => tracing::warn!("whether restore points are to be removed is not known: {e}"),
        }
    }

    pub(super) async fn publish_last_prune(&self) {
        let Some((backups, _)) = &self.wiring.backups else { return };
        match backups.last_prune() {
            Ok(record) => self.tell(BackupEvent::Pruned(record)).await,
            Err(e) => self.tell(BackupEvent::LastError(Some(e.to_string()))).await,
        }
    }
}
