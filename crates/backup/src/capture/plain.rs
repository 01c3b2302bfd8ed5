use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::Path;

use super::scan::meta;
use crate::repository::Meta;

/// Up to this size a file is read at once, and again when it changed meanwhile.
const SMALL: u64 = 1 << 20;
const TRIES: usize = 5;
/// Files of these kinds only grow: what was there at the scan is a true state of them.
const APPEND_ONLY: [&str; 3] = ["jsonl", "ndjson", "log"];

/// A plain file, read so that a change meanwhile is noticed.
pub(crate) enum Plain {
    /// Its bytes and what was known of it then.
    Read(Meta, Cursor<Vec<u8>>),
    /// Large: streamed up to the size it has now, and looked at again at the end.
    Stream(Meta),
}

pub(crate) fn open(path: &Path) -> io::Result<Plain> {
    let mut before = look(path)?;
    if before.size > SMALL {
        return Ok(Plain::Stream(before));
    }
    for _ in 0..TRIES {
        let mut bytes = Vec::new();
        File::open(path)?.take(SMALL + 1).read_to_end(&mut bytes)?;
        let after = look(path)?;
        if after == before && bytes.len() as u64 == after.size {
            return Ok(Plain::Read(after, Cursor::new(bytes)));
        }
        if only_grew(path, &before, &after) && bytes.len() as u64 >= before.size {
            bytes.truncate(usize::try_from(before.size).unwrap_or(usize::MAX));
            return Ok(Plain::Read(before, Cursor::new(bytes)));
        }
        before = after;
    }
    Err(io::Error::other(format!("it changed during each of {TRIES} attempts to read it")))
}

fn look(path: &Path) -> io::Result<Meta> {
    let metadata = std::fs::symlink_metadata(path)?;
    if metadata.is_file() { Ok(meta(&metadata)) } else { Err(io::Error::other("it is no longer a file")) }
}

/// Whether what was read is still true, asked after the last byte.
pub(crate) fn unchanged(path: &Path, before: &Meta) -> Result<(), String> {
    let after = look(path).map_err(|e| format!("it could not be looked at after it was read: {e}"))?;
    if after == *before || only_grew(path, before, &after) {
        return Ok(());
    }
    Err("it changed while it was read".to_owned())
}

fn only_grew(path: &Path, before: &Meta, after: &Meta) -> bool {
    let kind = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
    APPEND_ONLY.contains(&kind) && after.inode == before.inode && after.size >= before.size
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn large(path: &Path) -> Meta {
        std::fs::write(path, vec![b'a'; 2 << 20]).unwrap();
        match open(path).unwrap() {
            Plain::Stream(meta) => meta,
            Plain::Read(..) => panic!("a large file was read at once"),
        }
    }

    fn append(path: &Path) {
        std::fs::OpenOptions::new().append(true).open(path).unwrap().write_all(b"more").unwrap();
    }

    #[test]
    fn a_large_file_that_changed_while_it_was_read_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("index.bin");
        let before = large(&path);
        assert_eq!(unchanged(&path, &before), Ok(()));
        append(&path);
        assert!(unchanged(&path, &before).is_err());
        std::fs::remove_file(&path).unwrap();
        assert!(unchanged(&path, &before).is_err());
    }

    #[test]
    fn a_log_that_only_grew_is_true_up_to_the_size_seen_and_a_replaced_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.jsonl");
        let before = large(&path);
        append(&path);
        assert_eq!(unchanged(&path, &before), Ok(()));
        std::fs::rename(&path, dir.path().join("events.1.jsonl")).unwrap();
        std::fs::write(&path, vec![b'b'; 3 << 20]).unwrap();
        assert!(unchanged(&path, &before).is_err());
    }
}
