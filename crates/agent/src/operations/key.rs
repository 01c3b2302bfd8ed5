//! Where the key of the backups is kept, as the World hears of it. The key itself never comes here.

use steady_backup::Backups;
use tokio::sync::mpsc;

use super::{BackupEvent, OperationError, OperationsHandle};

impl OperationsHandle {
    /// Somebody changed how the key is kept: it is looked at again.
    pub async fn key_changed(&self) -> Result<(), OperationError> {
        let backups = self.backups.as_deref().ok_or(OperationError::NotConfigured)?;
        publish(backups, &self.events).await;
        Ok(())
    }
}

pub(super) async fn publish(backups: &Backups, events: &mpsc::Sender<BackupEvent>) {
    let event = match backups.key_kept() {
        Ok(key) => BackupEvent::Key(key),
        Err(e) => BackupEvent::LastError(Some(e.to_string())),
    };
    // The World outlives its owners; when it is gone the agent is ending.
    let _ = events.send(event).await;
}
