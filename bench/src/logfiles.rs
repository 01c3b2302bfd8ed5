//! What a logger left: all its files, read back.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::lines::{LINE, number};

/// What became of numbered lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    pub lost: u64,
    pub doubled: u64,
    /// Lines that are none of ours: parts of one, or two in one.
    pub torn: u64,
}

/// Whether any file ends with the last line.
pub fn ends_with(dir: &Path, last: u64) -> bool {
    files(dir).iter().any(|file| last_number(file) == Some(last))
}

/// The number of the newest line that is whole in its file.
pub fn progress(dir: &Path) -> Option<u64> {
    let bytes = tail(&dir.join("current"), 2 * LINE)?;
    bytes.split(|byte| *byte == b'\n').filter_map(number).max()
}

/// Looks for the lines `0..count` in all files of a directory, compressed ones included.
pub fn tally(dir: &Path, count: u64) -> anyhow::Result<Tally> {
    let mut seen = vec![0_u8; usize::try_from(count)?];
    let mut torn = 0;
    for file in files(dir) {
        let compressed = file.extension().is_some_and(|extension| extension == "zst");
        let bytes: Box<dyn Read> = match File::open(&file)? {
            bytes if compressed => Box::new(zstd::Decoder::new(bytes)?),
            bytes => Box::new(bytes),
        };
        for line in BufReader::new(bytes).split(b'\n') {
            let place = number(&line?).and_then(|number| usize::try_from(number).ok());
            match place.and_then(|place| seen.get_mut(place)) {
                Some(times) => *times = times.saturating_add(1),
                None => torn += 1,
            }
        }
    }
    let lost = seen.iter().filter(|times| **times == 0).map(|_| 1).sum();
    let doubled = seen.iter().map(|times| u64::from(times.saturating_sub(1))).sum();
    Ok(Tally { lost, doubled, torn })
}

/// A logger's own small files (a configuration, a lock, a state) are no logs.
fn files(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let names = entries.flatten().map(|entry| entry.path());
    let is_log = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name == "current" || name.starts_with('@') || name.starts_with("20")
    };
    names.filter(is_log).collect()
}

fn last_number(file: &Path) -> Option<u64> {
    number(tail(file, LINE)?.strip_suffix(b"\n")?)
}

/// The last bytes of a file that has as many.
fn tail(file: &Path, count: u64) -> Option<Vec<u8>> {
    let mut file = File::open(file).ok()?;
    let at = file.metadata().ok()?.len().checked_sub(count)?;
    file.seek(SeekFrom::Start(at)).ok()?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_doubled_and_torn_lines_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let line = |number: u64| format!("{number:010} {:.<88}\n", "");
        let archive = [line(0), line(1), line(1)].concat();
        let compressed = zstd::encode_all(archive.as_bytes(), 1).unwrap();
        fs::write(dir.path().join("20261122T091530Z-00000001.log.zst"), compressed).unwrap();
        fs::write(dir.path().join("config"), "s10\n").unwrap();
        fs::write(dir.path().join("current"), [line(3), "half of".to_owned(), line(4)].concat()).unwrap();
        assert_eq!(tally(dir.path(), 5).unwrap(), Tally { lost: 2, doubled: 1, torn: 1 });
        assert!(!ends_with(dir.path(), 3) && !ends_with(dir.path(), 5));
        fs::write(dir.path().join("current"), [line(3), line(4)].concat()).unwrap();
        assert!(ends_with(dir.path(), 4));
        assert_eq!(progress(dir.path()), Some(4));
    }
}
