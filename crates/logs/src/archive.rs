//! The names of log files: `current`, `<UTC time>-<sequence>.log` for what was rotated away, the same with
//! `.zst` once it is compressed; and for files that others write, `<file>.<UTC time>-<sequence>[.zst]`.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::source::Source;
use crate::times;

pub const CURRENT: &str = "current";
/// The next `current`, while a rotation is under way.
pub const NEXT: &str = ".next";
/// Ends the name of a compressed archive.
pub const PACKED: &str = ".zst";

const TIME: &str = "%Y%m%dT%H%M%SZ";
/// How long a time is when it is written so.
const TIME_LEN: usize = 16;
/// A directory that changes faster than it can be listed is taken as it was seen last.
const LOOKS: usize = 20;

/// What stands around time and sequence in an archive's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Naming {
    prefix: String,
    suffix: &'static str,
}

impl Naming {
    /// Of a service's own directory.
    pub fn service() -> Self {
        Self { prefix: String::new(), suffix: ".log" }
    }

    /// Beside a file that somebody else writes.
    pub fn beside(file_name: &str) -> Self {
        Self { prefix: format!("{file_name}."), suffix: "" }
    }

    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    pub fn name(&self, at: Timestamp, seq: u64) -> String {
        format!("{}{}-{seq:08}{}", self.prefix, at.strftime(TIME), self.suffix)
    }

    /// The time and the sequence of a plain or compressed archive.
    fn parse(&self, name: &str) -> Option<(Timestamp, u64)> {
        let name = name.strip_suffix(PACKED).unwrap_or(name);
        let (time, seq) = name.strip_prefix(&self.prefix)?.strip_suffix(self.suffix)?.split_once('-')?;
        if time.len() != TIME_LEN || seq.is_empty() || !seq.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let at = DateTime::strptime(TIME, time).ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp();
        Some((at, seq.parse().ok()?))
    }
}

/// One rotated file, plain or compressed. While it is being compressed both may be there: they are one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Archive {
    /// The order of archives; the time in the name is for people, and a clock may jump.
    pub seq: u64,
    /// When it was rotated away.
    pub at: Timestamp,
    /// Its plain name, which may be gone.
    pub plain: PathBuf,
}

impl Archive {
    pub fn packed(&self) -> PathBuf {
        let mut path = self.plain.clone().into_os_string();
        path.push(PACKED);
        path.into()
    }

    /// `None` when it was pruned since it was listed.
    pub fn open(&self) -> io::Result<Option<Source>> {
        if let Some(file) = open_if_there(&self.plain)? {
            return Ok(Some(Source::Plain(file)));
        }
        // Compressed meanwhile: the plain one goes after the other has come.
        open_if_there(&self.packed())?.map(Source::packed).transpose()
    }

    /// What it takes on disk, bytes, plain and compressed together.
    pub fn bytes(&self) -> io::Result<u64> {
        Ok(size_if_there(&self.plain)? + size_if_there(&self.packed())?)
    }

    pub fn remove(&self) -> io::Result<()> {
        remove_if_there(&self.plain)?;
        remove_if_there(&self.packed())
    }
}

/// The archives in a directory, oldest first. A directory that is not there has none.
///
/// Listed until two looks agree: a directory that is read while a file in it is replaced by its compressed
/// form may show neither.
pub fn list(dir: &Path, naming: &Naming) -> io::Result<Vec<Archive>> {
    let mut seen = look(dir, naming)?;
    for _ in 0..LOOKS {
        let again = look(dir, naming)?;
        if again == seen {
            break;
        }
        seen = again;
    }
    Ok(seen)
}

fn look(dir: &Path, naming: &Naming) -> io::Result<Vec<Archive>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e),
    };
    let mut found = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let Some(name) = name.to_str() else { continue };
        if let Some((at, seq)) = naming.parse(name) {
            let plain = dir.join(name.strip_suffix(PACKED).unwrap_or(name));
            found.push(Archive { seq, at, plain });
        }
    }
    found.sort();
    // A plain and a compressed one of one name are one archive.
    found.dedup();
    Ok(found)
}

/// A log directory as it was at one moment: its archives, and the file that follows them.
pub struct LogFiles {
    pub archives: Vec<Archive>,
    pub current: Option<File>,
    /// The sequence that `current` will have once it is rotated away.
    pub current_seq: u64,
}

impl LogFiles {
    /// No file is in it twice, none is left out, also while the sink rotates and compresses.
    pub fn look(dir: &Path) -> io::Result<Self> {
        let naming = Naming::service();
        let mut archives = look(dir, &naming)?;
        for _ in 0..LOOKS {
            let current = open_if_there(&dir.join(CURRENT))?;
            let indexed = times::newest(dir)?;
            let after = look(dir, &naming)?;
            // Nothing was rotated between the two looks, so `current` is what follows the newest archive.
            if after == archives {
                // With `keep = 0` the index alone knows how many there were.
                let current_seq =
                    archives.last().map_or(indexed.unwrap_or(1), |newest: &Archive| newest.seq + 1);
                return Ok(Self { archives, current, current_seq });
            }
            archives = after;
        }
        Err(io::Error::new(io::ErrorKind::ResourceBusy, "the log rotates faster than it can be read"))
    }
}

pub fn open_if_there(path: &Path) -> io::Result<Option<File>> {
    if_there(File::open(path))
}

fn size_if_there(path: &Path) -> io::Result<u64> {
    Ok(if_there(fs::metadata(path))?.map_or(0, |m| m.len()))
}

pub fn remove_if_there(path: &Path) -> io::Result<()> {
    if_there(fs::remove_file(path)).map(|_| ())
}

fn if_there<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_carries_utc_time_and_a_sequence_that_reads_back() {
        let at: Timestamp = "2026-11-22T09:15:30.5Z".parse().unwrap();
        let whole: Timestamp = "2026-11-22T09:15:30Z".parse().unwrap();
        let name = Naming::service().name(at, 42);
        assert_eq!(name, "20261122T091530Z-00000042.log");
        assert_eq!(Naming::service().parse(&name), Some((whole, 42)));
        assert_eq!(Naming::service().parse(&format!("{name}.zst")), Some((whole, 42)));
        let beside = Naming::beside("queries.jsonl");
        let name = beside.name(at, 7);
        assert_eq!(name, "queries.jsonl.20261122T091530Z-00000007");
        assert_eq!(beside.parse(&name), Some((whole, 7)));
        assert_eq!(beside.parse(&format!("{name}.zst")), Some((whole, 7)));
    }

    #[test]
    fn other_files_are_no_archives() {
        for name in [
            "current",
            "notes-12.log",
            "20261122T091530Z-x.log",
            "20261122T091530Z-.log",
            "20261199T091530Z-1.log",
            "20261122T091530Z-1.log.gz",
            ".20261122T091530Z-1.log.zst.tmp",
        ] {
            assert_eq!(Naming::service().parse(name), None, "{name}");
        }
        assert_eq!(Naming::beside("a.log").parse("b.log.20261122T091530Z-00000007"), None);
    }

    #[test]
    fn an_archive_that_is_there_plain_and_compressed_is_one() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["20261122T091530Z-00000001.log", "20261122T091530Z-00000001.log.zst"] {
            fs::write(dir.path().join(name), "x").unwrap();
        }
        let found = list(dir.path(), &Naming::service()).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].bytes().unwrap(), 2);
        found[0].remove().unwrap();
        assert_eq!(list(dir.path(), &Naming::service()).unwrap(), []);
    }
}
