//! When the bytes of a log file were written: a small index beside it, since the lines are kept as they come
//! and may carry no time.
//!
//! `.times-<sequence>` belongs to the archive with that sequence, and before that to the `current` which
//! will get it, so that a rotation need not touch it. It is 8 bytes `STTIMES1` (the 1 is the version), then
//! entries of 16 bytes, little endian: an offset into the plain file (u64) and a UTC second (i64). Bytes from
//! that offset on, up to the next entry, were written in that second or, where they are few, within
//! [`COARSE`]. An entry is written before its bytes are: a killed sink leaves one too many, never one too few.
//! One that a full disk refused only makes the index coarser.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use crate::archive::remove_if_there;

const MAGIC: &[u8; 8] = b"STTIMES1";
const PREFIX: &str = ".times-";
const ENTRY: usize = 16;
/// An entry is worth its bytes once this many were written after the last one, bytes ...
const WORTH: u64 = 1024;
/// ... or once this much time has passed.
pub const COARSE: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    pub offset: u64,
    pub at: Timestamp,
}

/// The writing end, for `current`. It opens its file only to write an entry.
#[derive(Debug)]
pub struct Times {
    path: PathBuf,
    /// Where the next entry goes, bytes.
    end: u64,
    first: Option<Entry>,
    last: Option<Entry>,
}

impl Times {
    /// Goes on with the index of a `current` of `size` bytes; one that cannot be about it starts anew.
    pub fn open(dir: &Path, seq: u64, size: u64) -> io::Result<Self> {
        let path = path_of(dir, seq);
        let entries = read_file(&path)?;
        let fits = entries.iter().all(|e| e.offset <= size) && size > 0;
        if entries.is_empty() || !fits {
            remove_if_there(&path)?;
            return Ok(Self { path, end: 0, first: None, last: None });
        }
        let end = (MAGIC.len() + entries.len() * ENTRY) as u64;
        Ok(Self { path, end, first: entries.first().copied(), last: entries.last().copied() })
    }

    /// When the first byte of the file was written.
    pub fn begun(&self) -> Option<Timestamp> {
        self.first.filter(|e| e.offset == 0).map(|e| e.at)
    }

    /// Call it before bytes are written at `offset`, where a line begins.
    pub fn mark(&mut self, offset: u64, now: Timestamp) -> io::Result<()> {
        let at = Timestamp::from_second(now.as_second()).unwrap_or(now);
        if self.last.is_some_and(|last| offset < last.offset) {
            // Somebody emptied the file.
            self.end = 0;
            self.last = None;
        }
        if self.last.is_some_and(|last| !worth(last, offset, at)) {
            return Ok(());
        }
        let entry = Entry { offset, at };
        let mut bytes = Vec::with_capacity(MAGIC.len() + ENTRY);
        if self.end == 0 {
            remove_if_there(&self.path)?;
            bytes.extend(MAGIC);
        }
        bytes.extend(offset.to_le_bytes());
        bytes.extend(at.as_second().to_le_bytes());
        let file =
            OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&self.path)?;
        file.write_all_at(&bytes, self.end)?;
        if self.end == 0 {
            self.first = Some(entry);
        }
        self.end += bytes.len() as u64;
        self.last = Some(entry);
        Ok(())
    }
}

fn worth(last: Entry, offset: u64, at: Timestamp) -> bool {
    let passed = at.duration_since(last.at).unsigned_abs();
    passed >= Duration::from_secs(1) && (offset - last.offset >= WORTH || passed >= COARSE)
}

/// The index of one file, for readers. Without entries it knows nothing.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Index {
    entries: Vec<Entry>,
}

impl Index {
    /// One that is not there, or is not an index, is empty.
    pub fn read(dir: &Path, seq: u64) -> io::Result<Self> {
        Ok(Self { entries: read_file(&path_of(dir, seq))? })
    }

    fn upto(&self, offset: u64) -> usize {
        self.entries.partition_point(|e| e.offset <= offset)
    }

    /// When the byte at `offset` was written, at the earliest.
    pub fn at(&self, offset: u64) -> Option<Timestamp> {
        self.entries.get(self.upto(offset).checked_sub(1)?).map(|e| e.at)
    }

    /// Whether the byte at `offset` may have been written at `since` or later; `None` when nothing tells.
    ///
    /// In doubt it says yes: a line too many does less harm than one too few.
    pub fn reaches(&self, offset: u64, since: Timestamp) -> Option<bool> {
        let next = self.upto(offset);
        let at = self.entries.get(next.checked_sub(1)?)?.at;
        let coarse = at.saturating_add(COARSE).unwrap_or(at);
        let latest = match self.entries.get(next) {
            // The clock may have jumped back between them.
            Some(next) if next.at >= at => coarse.min(next.at),
            _ => coarse,
        };
        Some(latest >= since)
    }

    /// From where on there may be bytes of `since` or later; `None` when there are none before the end.
    pub fn first_reaching(&self, since: Timestamp) -> Option<u64> {
        if self.entries.first().is_none_or(|first| first.offset > 0) {
            return Some(0);
        }
        self.entries.iter().map(|e| e.offset).find(|offset| self.reaches(*offset, since) == Some(true))
    }
}

fn path_of(dir: &Path, seq: u64) -> PathBuf {
    dir.join(format!("{PREFIX}{seq:08}"))
}

fn read_file(path: &Path) -> io::Result<Vec<Entry>> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e),
    };
    let Some(body) = bytes.strip_prefix(MAGIC) else { return Ok(Vec::new()) };
    let mut entries: Vec<Entry> = Vec::new();
    // A torn entry at the end is none.
    let (whole, _) = body.as_chunks::<ENTRY>();
    for entry in whole {
        let (offset, second) = entry.split_at(8);
        let offset = u64::from_le_bytes(offset.try_into().unwrap_or_default());
        let second = i64::from_le_bytes(second.try_into().unwrap_or_default());
        let Ok(at) = Timestamp::from_second(second) else { break };
        if entries.last().is_some_and(|last| offset < last.offset) {
            break;
        }
        entries.push(Entry { offset, at });
    }
    Ok(entries)
}

/// The highest sequence that a directory has an index of.
pub fn newest(dir: &Path) -> io::Result<Option<u64>> {
    Ok(sequences(dir)?.into_iter().max())
}

/// Removes the indices whose sequence is not wanted any more.
pub fn prune(dir: &Path, wanted: impl Fn(u64) -> bool) -> io::Result<()> {
    for seq in sequences(dir)? {
        if !wanted(seq) {
            remove_if_there(&path_of(dir, seq))?;
        }
    }
    Ok(())
}

/// What the index of `seq` takes on disk, bytes.
pub fn bytes(dir: &Path, seq: u64) -> u64 {
    fs::metadata(path_of(dir, seq)).map_or(0, |m| m.len())
}

fn sequences(dir: &Path) -> io::Result<Vec<u64>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e),
    };
    let mut found = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        found.extend(name.to_str().and_then(|n| n.strip_prefix(PREFIX)).and_then(|n| n.parse::<u64>().ok()));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    #[test]
    fn what_is_read_is_what_was_marked_and_a_restart_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let mut times = Times::open(dir.path(), 7, 0).unwrap();
        times.mark(0, at(0)).unwrap();
        times.mark(5000, at(0)).unwrap(); // the same second
        times.mark(5100, at(1)).unwrap();
        times.mark(5200, at(5)).unwrap(); // too few bytes for an entry of their own
        let mut times = Times::open(dir.path(), 7, 5300).unwrap();
        assert_eq!(times.begun(), Some(at(0)));
        times.mark(5300, at(11)).unwrap();
        let index = Index::read(dir.path(), 7).unwrap();
        let got: Vec<_> = [0, 5000, 5100, 5250, 5300, 9999].map(|o| index.at(o).unwrap()).into();
        assert_eq!(got, [at(0), at(0), at(1), at(1), at(11), at(11)]);
        assert_eq!(index.first_reaching(at(12)), Some(5300));
        assert_eq!(index.first_reaching(at(11)), Some(5100), "coarse: it includes rather than leaves out");
        assert_eq!(index.first_reaching(at(99)), None);
        assert_eq!(index.reaches(5000, at(2)), Some(false));
    }

    #[test]
    fn a_torn_entry_costs_only_itself_and_a_foreign_file_only_the_index() {
        let dir = tempfile::tempdir().unwrap();
        let mut times = Times::open(dir.path(), 1, 0).unwrap();
        times.mark(0, at(0)).unwrap();
        times.mark(2000, at(9)).unwrap();
        let path = path_of(dir.path(), 1);
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() - 3]).unwrap();
        let mut times = Times::open(dir.path(), 1, 2500).unwrap();
        times.mark(2500, at(20)).unwrap();
        let index = Index::read(dir.path(), 1).unwrap();
        assert_eq!((index.at(2400), index.at(2500)), (Some(at(0)), Some(at(20))));
        fs::write(&path, "STTIMES2 of a later Steady").unwrap();
        assert_eq!(Index::read(dir.path(), 1).unwrap(), Index::default());
    }

    /// Version 1 as it is on disk.
    #[test]
    fn an_index_of_version_1_is_understood() {
        let dir = tempfile::tempdir().unwrap();
        let mut bytes = b"STTIMES1".to_vec();
        bytes.extend([0; 8]);
        bytes.extend([0x00, 0xf1, 0x53, 0x65, 0, 0, 0, 0]);
        fs::write(dir.path().join(".times-00000003"), bytes).unwrap();
        assert_eq!(newest(dir.path()).unwrap(), Some(3));
        assert_eq!(Index::read(dir.path(), 3).unwrap().at(10), Some(at(0)));
        prune(dir.path(), |seq| seq != 3).unwrap();
        assert_eq!(newest(dir.path()).unwrap(), None);
    }

    #[test]
    fn a_file_that_was_emptied_or_replaced_starts_a_new_index() {
        let dir = tempfile::tempdir().unwrap();
        let mut times = Times::open(dir.path(), 1, 0).unwrap();
        times.mark(0, at(0)).unwrap();
        times.mark(9000, at(5)).unwrap();
        times.mark(0, at(6)).unwrap();
        assert_eq!(times.begun(), Some(at(6)));
        assert_eq!(Index::read(dir.path(), 1).unwrap().at(9000), Some(at(6)));
        assert_eq!(Times::open(dir.path(), 1, 0).unwrap().begun(), None);
    }
}
