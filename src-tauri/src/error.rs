use std::io;
use std::path::PathBuf;

use steady_client::ClientError;
use steady_disk::{DiskError, LockError};

#[derive(Debug, thiserror::Error)]
pub enum AppError {
    #[cfg_attr(target_os = "macos", expect(dead_code, reason = "the window server speaks for itself there"))]
    #[error(
        "there is no display to show the icon on ({why}); `steady status --watch` shows the same in a terminal"
    )]
    NoDisplay { why: String },
    #[error("cannot use {} as the home: {source}", home.display())]
    Home { home: PathBuf, source: io::Error },
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error("the windowing system failed: {0}")]
    Tauri(#[from] tauri::Error),
    #[error("cannot start a thread or process of the app: {0}")]
    Spawn(io::Error),
}
