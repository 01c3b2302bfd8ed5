//! What a stream dropped and has not said in the log yet, kept where a sink that is killed meanwhile leaves it to
//! the next one.
//!
//! Drops happen when the disk is full, so the file has its whole size from the stream's first opening on and is
//! only written over in place. That may still fail where every write takes new blocks (btrfs, APFS); then a kill
//! costs the count, as it does between reading bytes and counting them, which is microseconds.
//!
//! Format: one JSON object, filled up with spaces to [`SIZE`] bytes; version 1.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::drops::{Drops, Loss};

const NAME: &str = ".dropped";
const VERSION: u32 = 1;
const SIZE: usize = 512;
/// How much of a reason fits whatever needs escaping in it, characters.
const REASON: usize = 60;

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    version: u32,
    lines: u64,
    bytes: u64,
    in_line: bool,
    reason: String,
}

pub struct Ledger {
    path: PathBuf,
    /// Open while there is something to keep: a descriptor for each silent service would be too many.
    file: Option<File>,
}

impl Ledger {
    /// Makes room for it. Without room, as on a disk that is full already, it is tried again with the first drop.
    pub fn of(dir: &Path) -> Self {
        let mut ledger = Self { path: dir.join(NAME), file: None };
        if std::fs::metadata(&ledger.path).map_or(0, |meta| meta.len()) < SIZE as u64 {
            let _ = ledger.clear();
        }
        ledger
    }

    /// What a sink before did not say. A damaged file is nothing to keep a log waiting for.
    pub fn read(&self) -> Drops {
        let entry =
            std::fs::read(&self.path).ok().and_then(|bytes| serde_json::from_slice::<Entry>(&bytes).ok());
        match entry {
            Some(Entry { version: VERSION, lines, bytes, in_line, reason }) if bytes > 0 => {
                Drops::left(Loss { lines, bytes }, reason, in_line)
            }
            _ => Drops::default(),
        }
    }

    pub fn keep(&mut self, drops: &Drops) -> io::Result<()> {
        let Some((Loss { lines, bytes }, reason)) = drops.open_with_reason() else { return self.clear() };
        let reason = reason.chars().take(REASON).collect();
        let entry = Entry { version: VERSION, lines, bytes, in_line: drops.in_line(), reason };
        self.write(&serde_json::to_vec(&entry)?)
    }

    /// All is said.
    pub fn clear(&mut self) -> io::Result<()> {
        self.write(b"{}")?;
        self.file = None;
        Ok(())
    }

    fn write(&mut self, entry: &[u8]) -> io::Result<()> {
        let mut bytes = [b' '; SIZE];
        let room = bytes.get_mut(..entry.len()).ok_or(io::ErrorKind::FileTooLarge)?;
        room.copy_from_slice(entry);
        let file = match self.file.take() {
            Some(file) => file,
            None => {
                OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&self.path)?
            }
        };
        self.file.insert(file).write_all_at(&bytes, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Version 1 as the first release writes it, without the spaces.
    const V1: &str = r#"{"version":1,"lines":12,"bytes":3400,"in_line":true,"reason":"No space left on device (os error 28)"}"#;

    #[test]
    fn what_was_dropped_is_there_for_the_next_sink_and_gone_when_it_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let mut ledger = Ledger::of(dir.path());
        assert_eq!(ledger.read().open(), None);
        let mut drops = Drops::default();
        drops.count(b"one\ntwo\nhal", &"\u{1}\"".repeat(500));
        ledger.keep(&drops).unwrap();
        assert_eq!(std::fs::metadata(&ledger.path).unwrap().len(), SIZE as u64);
        let mut next = Ledger::of(dir.path()).read();
        assert_eq!((next.open(), next.in_line()), (Some(Loss { lines: 3, bytes: 11 }), true));
        assert_eq!(next.rest_of_line(b"f\nfour\n"), 2);
        next.said();
        ledger.keep(&next).unwrap();
        assert_eq!(ledger.read().open(), None);
    }

    #[test]
    fn version_1_is_read_and_written_the_same_and_anything_else_is_no_drop() {
        let dir = tempfile::tempdir().unwrap();
        let mut ledger = Ledger::of(dir.path());
        std::fs::write(&ledger.path, V1).unwrap();
        let drops = ledger.read();
        assert!(drops.note().unwrap().starts_with("steady: 12 lines (3400 bytes) dropped"));
        ledger.keep(&drops).unwrap();
        assert_eq!(std::fs::read_to_string(&ledger.path).unwrap().trim_end(), V1);
        for foreign in ["", "{", "\0\0\0", &V1.replace(":1,", ":2,")] {
            std::fs::write(&ledger.path, foreign).unwrap();
            assert_eq!(ledger.read().open(), None, "{foreign}");
        }
    }
}
