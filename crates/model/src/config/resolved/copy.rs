use std::path::PathBuf;
use std::time::Duration;

/// Where verified restore points are copied to.
#[derive(Debug, Clone, PartialEq)]
pub struct CopyTarget {
    pub name: String,
    pub to: PathBuf,
    pub stale_after: Duration,
    pub same_volume: bool,
}
