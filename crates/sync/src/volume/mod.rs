//! Whether a volume tells of changes: one that another machine may change does not.

#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(target_os = "macos", path = "macos.rs")]
mod system;

use std::path::Path;

/// Asks of the nearest directory that exists; what cannot be asked counts as local.
pub fn tells_changes(dir: &Path) -> bool {
    dir.ancestors().find(|a| a.is_dir()).is_none_or(system::is_local)
}
