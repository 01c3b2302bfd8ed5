//! The names of log files: `current`, and `<UTC time>-<sequence>.log` for what was rotated away.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

pub const CURRENT: &str = "current";
/// The next `current`, while a rotation is under way.
pub const NEXT: &str = ".next";

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Archive {
    /// The order of archives; the time in the name is for people, and a clock may jump.
    pub seq: u64,
    pub path: PathBuf,
}

pub fn name(at: Timestamp, seq: u64) -> String {
    format!("{}-{seq:08}.log", at.strftime("%Y%m%dT%H%M%SZ"))
}

fn seq_of(name: &str) -> Option<u64> {
    let (time, seq) = name.strip_suffix(".log")?.rsplit_once('-')?;
    if time.len() != 16 || !time.ends_with('Z') {
        return None;
    }
    seq.parse().ok()
}

/// The archives of a log directory, oldest first. A directory that is not there has none.
pub fn list(dir: &Path) -> io::Result<Vec<Archive>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        if let Some(seq) = entry.file_name().to_str().and_then(seq_of) {
            found.push(Archive { seq, path: entry.path() });
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_carries_utc_time_and_a_sequence_that_reads_back() {
        let name = name("2026-11-22T09:15:30.5Z".parse().unwrap(), 42);
        assert_eq!(name, "20261122T091530Z-00000042.log");
        assert_eq!(seq_of(&name), Some(42));
    }

    #[test]
    fn other_files_are_no_archives() {
        for name in ["current", "notes-12.log", "20261122T091530Z-x.log", "20261122T091530Z-1.log.zst"] {
            assert_eq!(seq_of(name), None, "{name}");
        }
    }
}
