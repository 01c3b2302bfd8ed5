//! A report of each panic below the data directory, for those who look after a log was rotated away.

use std::backtrace::Backtrace;
use std::fs;
use std::panic::{self, PanicHookInfo};
use std::path::{Path, PathBuf};

use steady_disk::{create_private_dir, write_atomic};
use tracing::error;

use crate::clock;

/// Below the data directory.
pub const FOLDER: &str = "crashes";
/// The newest are kept: a fault of each request must not fill the disk.
const KEPT: usize = 20;

/// From now on each panic is in the log and in a report of its own.
pub fn report_to(data: &Path) {
    let folder = data.join(FOLDER);
    panic::set_hook(Box::new(move |panic| {
        let text = text(panic);
        error!(target: "brain.server", "{}", text.lines().next().unwrap_or_default());
        // Nobody is left to tell why a report could not be written; the line above is in the log.
        let _ = write(&folder, &text);
    }));
}

fn text(panic: &PanicHookInfo<'_>) -> String {
    let thread = std::thread::current().name().unwrap_or("unnamed").to_owned();
    let version = env!("CARGO_PKG_VERSION");
    let trace = Backtrace::force_capture();
    format!("{panic}\nbrain {version}, thread {thread}, {}\n\n{trace}\n", clock::local_now())
        .replacen(":\n", ": ", 1)
}

fn write(folder: &Path, text: &str) -> Result<PathBuf, steady_disk::DiskError> {
    create_private_dir(folder)?;
    let stamp = clock::now().strftime("%Y%m%dT%H%M%S%6fZ").to_string();
    let path = folder.join(format!("panic-{stamp}.txt"));
    write_atomic(&path, text.as_bytes(), 0o600)?;
    let mut all: Vec<PathBuf> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    all.sort();
    for old in all.iter().rev().skip(KEPT) {
        let _ = fs::remove_file(old);
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_private_and_only_the_newest_are_kept() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join(FOLDER);
        let paths: Vec<_> = (0..=KEPT).map(|n| write(&folder, &format!("panic {n}")).unwrap()).collect();
        assert!(!paths[0].exists() && paths[1].exists());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), KEPT);
        assert_eq!(fs::read_to_string(&paths[KEPT]).unwrap(), format!("panic {KEPT}"));
        assert_eq!(folder.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    }
}
