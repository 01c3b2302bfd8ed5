use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::SecretRef;

/// Where verified restore points are copied to.
#[derive(Debug, Clone, PartialEq)]
pub struct CopyTarget {
    pub name: String,
    pub to: CopyPlace,
    /// User and password, or key id and key.
    pub login: Option<SecretRef>,
    /// The password of its repository; `None` is that of the repository here.
    pub password: Option<SecretRef>,
    /// Bytes a second that are sent at most.
    pub limit: Option<u64>,
    pub stale_after: Duration,
}

/// What holds the repository of a copy. It has no secret in it; shown, it is as the configuration says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CopyPlace {
    Folder {
        path: PathBuf,
        /// Whether it may lie on the volume of the repository.
        same_volume: bool,
    },
    /// A `REMOTE:PATH` of rclone's own configuration.
    Rclone {
        /// rclone, and what stands before its arguments.
        program: Vec<String>,
        remote: String,
    },
    /// A server that speaks restic's REST.
    Rest {
        /// Ends with a `/`.
        url: String,
        /// Of who vouches for the server, when the system does not know them: a file in PEM.
        certificate: Option<PathBuf>,
    },
    /// What speaks S3, reached through rclone.
    S3 {
        program: Vec<String>,
        /// `https://HOST`.
        endpoint: String,
        /// `BUCKET` or `BUCKET/PREFIX`.
        path: String,
        region: Option<String>,
    },
}

impl CopyPlace {
    /// A volume of this machine, which may be detached.
    pub fn is_folder(&self) -> bool {
        matches!(self, Self::Folder { .. })
    }
}

impl fmt::Display for CopyPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder { path, .. } => write!(f, "{}", path.display()),
            Self::Rclone { remote, .. } => write!(f, "rclone:{remote}"),
            Self::Rest { url, .. } => write!(f, "rest:{url}"),
            Self::S3 { endpoint, path, .. } => write!(f, "s3:{endpoint}/{path}"),
        }
    }
}
