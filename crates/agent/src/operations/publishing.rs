//! What the records of operations say, told to the World.

use super::{BackupEvent, Owner, key};

impl Owner {
    pub(super) async fn publish_last_drill(&self) {
        let Some((backups, _)) = &self.wiring.backups else { return };
        match backups.last_drill() {
            Ok(record) => self.tell(BackupEvent::LastDrill(record)).await,
            Err(e) => self.tell(BackupEvent::LastError(Some(e.to_string()))).await,
        }
    }

    pub(super) async fn publish_catalogue(&self) {
        let Some((backups, _)) = &self.wiring.backups else { return };
        key::publish(backups, &self.wiring.events).await;
        match backups.catalogue() {
            Ok(points) => self.tell(BackupEvent::Catalogue(points)).await,
            Err(e) => self.tell(BackupEvent::LastError(Some(e.to_string()))).await,
        }
    }

    pub(super) async fn publish_last_restore(&self) {
        let Some((backups, _)) = &self.wiring.backups else { return };
        match backups.last_restore() {
            Ok(record) => self.tell(BackupEvent::LastRestore(record)).await,
            Err(e) => self.tell(BackupEvent::LastError(Some(e.to_string()))).await,
        }
    }
}
