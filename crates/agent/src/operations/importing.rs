//! Copies that something else made before Steady, taken in once.

use super::work::{self, Work};
use super::{OperationError, OperationsHandle, Owner};

impl OperationsHandle {
    /// Takes in what lies in these folders; of none, in those of the configuration.
    pub async fn import(&self, folders: Vec<String>) -> Result<String, OperationError> {
        self.begin(Work::Import(work::paths(folders))).await
    }
}

impl Owner {
    /// Those of the configuration, once in an agent's life, after the first backup of our own: that one is missed more.
    pub(super) fn import_older(&mut self) {
        let Some((backups, _)) = &self.wiring.backups else { return };
        if self.imported || self.running.is_some() || self.own_points().is_empty() || !backups.has_older() {
            return;
        }
        self.imported = true;
        if let Err(e) = self.begin(Work::Import(Vec::new())) {
            tracing::warn!("the import of older copies did not begin: {e}");
        }
    }
}
