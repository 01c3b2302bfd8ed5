//! What a client asks of restore points and their copies.

use std::time::Duration;

use reqwest::Method;
use steady_model::api::{Accepted, BackupRequest, RestoreRequest, VerifyRequest};
use steady_model::backup::{RestorePlan, RestorePoint};
use steady_model::contents::{PointDiff, PointFolder};
use steady_model::copy::CopyRequest;
use steady_model::older::ImportRequest;
use steady_model::retention::PrunePlan;

use crate::http::{ANSWER, url};
use crate::{Client, ClientError};

/// What is read from a copy may be far away, and slow to say that it cannot be reached.
const FAR: Duration = Duration::from_secs(300);

impl Client {
    pub async fn back_up(&self) -> Result<Accepted, ClientError> {
        self.post(&["backups"]).await
    }

    /// As [`Self::back_up`], for a reason that the point shall say.
    pub async fn back_up_for(&self, reason: String) -> Result<Accepted, ClientError> {
        self.tell(&["backups"], &BackupRequest { reason: Some(reason) }).await
    }

    /// Newest first.
    pub async fn points(&self) -> Result<Vec<RestorePoint>, ClientError> {
        self.get(&["backups"]).await
    }

    pub async fn plan(&self, point: &str, how: &RestoreRequest) -> Result<RestorePlan, ClientError> {
        let body = serde_json::to_value(how).map_err(|e| ClientError::Setup { why: e.to_string() })?;
        let patience = if how.from.is_some() { FAR } else { ANSWER };
        self.within(patience, Method::POST, url(&["backups", point, "plan"]), Some(&body)).await
    }

    pub async fn restore(&self, point: &str, how: &RestoreRequest) -> Result<Accepted, ClientError> {
        self.tell(&["backups", point, "restore"], how).await
    }

    pub async fn verify(&self, point: &str, how: &VerifyRequest) -> Result<Accepted, ClientError> {
        self.tell(&["backups", point, "verify"], how).await
    }

    pub async fn drill(&self) -> Result<Accepted, ClientError> {
        self.post(&["drills"]).await
    }

    /// One folder of a restore point; `None` is the data directory.
    pub async fn files(&self, point: &str, path: Option<&str>) -> Result<PointFolder, ClientError> {
        let mut url = url(&["backups", point, "files"]);
        if let Some(path) = path {
            url.query_pairs_mut().append_pair("path", path);
        }
        self.typed(Method::GET, url, None).await
    }

    pub async fn diff(&self, before: &str, after: &str) -> Result<PointDiff, ClientError> {
        self.get(&["backups", before, "diff", after]).await
    }

    pub async fn prune_plan(&self) -> Result<PrunePlan, ClientError> {
        self.get(&["backups", "prune"]).await
    }

    pub async fn prune(&self) -> Result<Accepted, ClientError> {
        self.post(&["backups", "prune"]).await
    }

    /// Ends an operation, or an attempt to copy, early.
    pub async fn cancel(&self, operation: &str) -> Result<Accepted, ClientError> {
        self.typed(Method::DELETE, url(&["operations", operation]), None).await
    }

    /// Copies the restore points to the place of this name.
    pub async fn copy(&self, name: &str, init: bool) -> Result<Accepted, ClientError> {
        self.tell(&["copies", name], &CopyRequest { init }).await
    }

    /// Takes in older copies from these folders; of none, from those of the configuration.
    pub async fn import(&self, folders: Vec<String>) -> Result<Accepted, ClientError> {
        self.tell(&["backups", "import"], &ImportRequest { folders }).await
    }

    /// Tells the agent that the key of the backups is kept elsewhere now, or was written down.
    pub async fn backup_key_changed(&self) -> Result<Accepted, ClientError> {
        self.post(&["backups", "key"]).await
    }

    /// The points that a copy holds, read from it now.
    pub async fn points_of_copy(&self, name: &str) -> Result<Vec<RestorePoint>, ClientError> {
        self.within(FAR, Method::GET, url(&["copies", name, "points"]), None).await
    }

    pub async fn undo(&self) -> Result<Accepted, ClientError> {
        self.post(&["restores", "undo"]).await
    }

    /// Tries once more to end a restore that was interrupted.
    pub async fn recover(&self) -> Result<Accepted, ClientError> {
        self.post(&["restores", "recover"]).await
    }
}
