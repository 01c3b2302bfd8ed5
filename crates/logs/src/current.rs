//! The file that is written now, and its rotation.
//!
//! Crash order of a rotation: the next file is made (`.next`), `current` is renamed to its archive name,
//! `.next` becomes `current`, old archives are removed. Killed after any step, `open` goes on from there;
//! no step touches bytes, so none can be lost.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use steady_model::config::Rotation;

use crate::archive::{self, CURRENT, NEXT, Naming};
use crate::bounds::surplus;
use crate::times::{self, Times};

const BLOCK: u64 = 64 << 10;

pub struct Current {
    dir: PathBuf,
    pub file: File,
    /// The next archive's sequence number.
    seq: u64,
    pub at_line_start: bool,
    times: Times,
    /// When its first byte was written; `None` while it is empty.
    begun: Option<Timestamp>,
}

impl Current {
    /// Opens `current` where it was left, and ends a rotation that was cut short.
    pub fn open(dir: &Path) -> io::Result<Self> {
        let (current, next) = (dir.join(CURRENT), dir.join(NEXT));
        match (current.try_exists()?, next.try_exists()?) {
            (true, true) => fs::remove_file(&next)?,
            (false, true) => fs::rename(&next, &current)?,
            _ => {}
        }
        let file = open_for_writing(&current)?;
        let after = archive::list(dir, &Naming::service())?.last().map_or(1, |newest| newest.seq + 1);
        // With `keep = 0` the index alone knows how many there were.
        let seq = times::newest(dir)?.map_or(after, |indexed| indexed.max(after));
        let meta = file.metadata()?;
        let size = meta.len();
        let at_line_start = line_start(&file, size)? == size;
        let times = Times::open(dir, seq, size)?;
        // Without an index the file's birth is told, which is no later than its first byte.
        let born = || meta.created().or_else(|_| meta.modified()).ok()?.try_into().ok();
        let begun = if size == 0 { None } else { times.begun().or_else(born) };
        Ok(Self { dir: dir.to_owned(), file, seq, at_line_start, times, begun })
    }

    /// The size of the file as it is now: somebody may have emptied it.
    ///
    /// `None` when it was removed; then `open` makes a new one.
    pub fn size(&self) -> io::Result<Option<u64>> {
        let meta = self.file.metadata()?;
        Ok((meta.nlink() > 0).then_some(meta.len()))
    }

    /// Notes when the bytes from `offset` on, where a line begins, were written.
    pub fn mark(&mut self, offset: u64, now: Timestamp) {
        if offset == 0 || self.begun.is_none() {
            self.begun = Some(now);
        }
        // Without an entry `--since` is coarser, which is no reason to keep a line waiting.
        let _ = self.times.mark(offset, now);
    }

    /// When the file is too old to take another line.
    pub fn too_old_at(&self, max_age: Option<Duration>) -> Option<Timestamp> {
        self.begun?.saturating_add(max_age?).ok()
    }

    /// Starts a new file, and returns the full one. Call it at a line end.
    pub fn rotate(&mut self, now: Timestamp) -> io::Result<File> {
        let (current, next) = (self.dir.join(CURRENT), self.dir.join(NEXT));
        let fresh = open_for_writing(&next)?;
        let times = Times::open(&self.dir, self.seq + 1, 0)?;
        fs::rename(&current, self.dir.join(Naming::service().name(now, self.seq)))?;
        fs::rename(&next, &current)?;
        self.seq += 1;
        self.at_line_start = true;
        self.times = times;
        self.begun = None;
        Ok(std::mem::replace(&mut self.file, fresh))
    }

    /// Removes the oldest archives beyond the bounds of `rotation`, and indices without a file.
    pub fn prune(&self, rotation: &Rotation) -> io::Result<()> {
        let archives = archive::list(&self.dir, &Naming::service())?;
        let size = |a: &archive::Archive| Ok(a.bytes()? + times::bytes(&self.dir, a.seq));
        let sizes = archives.iter().map(size).collect::<io::Result<Vec<u64>>>()?;
        let (gone, kept) = archives.split_at_checked(surplus(&sizes, rotation)).unwrap_or((&archives, &[]));
        for old in gone {
            old.remove()?;
        }
        times::prune(&self.dir, |seq| seq == self.seq || kept.iter().any(|a| a.seq == seq))
    }

    pub fn ends_with(&self, line: &[u8]) -> bool {
        let mut end = vec![0; line.len()];
        let size = self.file.metadata().map_or(0, |meta| meta.len());
        let Some(start) = size.checked_sub(line.len() as u64) else { return false };
        self.file.read_exact_at(&mut end, start).is_ok() && end == line
    }

    /// Takes away the half line at the end, of a file of `size` bytes; returns how long it was.
    pub fn cut_half_line(&mut self, size: u64) -> io::Result<u64> {
        let start = line_start(&self.file, size)?;
        self.file.set_len(start)?;
        self.at_line_start = true;
        Ok(size - start)
    }
}

fn open_for_writing(path: &Path) -> io::Result<File> {
    // Read too: `open` looks at the last line. Not O_APPEND: splice(2) refuses it, and the sink's lock makes
    // this the only writer.
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// Where the last line of a file begins; its end when it ends at a line end.
fn line_start(file: &File, size: u64) -> io::Result<u64> {
    let mut end = size;
    let mut block = BLOCK.min(256);
    while end > 0 {
        let start = end.saturating_sub(block);
        let mut bytes = vec![0; usize::try_from(end - start).unwrap_or_default()];
        file.read_exact_at(&mut bytes, start)?;
        if let Some(last) = memchr::memrchr(b'\n', &bytes) {
            return Ok(start + last as u64 + 1);
        }
        end = start;
        // Most often the last byte is a line end: only a long line is worth a large block.
        block = BLOCK;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-22T09:15:30Z".parse().unwrap()
    }

    fn write(current: &Current, text: &str) {
        let at = current.size().unwrap().unwrap();
        current.file.write_all_at(text.as_bytes(), at).unwrap();
    }

    fn sequences(dir: &Path) -> Vec<u64> {
        archive::list(dir, &Naming::service()).unwrap().iter().map(|a| a.seq).collect()
    }

    #[test]
    fn a_rotation_killed_after_any_step_goes_on_where_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        write(&Current::open(dir.path()).unwrap(), "one\n");

        // Killed after `.next` was made.
        fs::write(at(NEXT), "").unwrap();
        write(&Current::open(dir.path()).unwrap(), "two\n");
        assert_eq!(fs::read_to_string(at(CURRENT)).unwrap(), "one\ntwo\n");
        assert!(!at(NEXT).exists());

        // Killed between the two renames.
        fs::write(at(NEXT), "").unwrap();
        fs::rename(at(CURRENT), at("20261122T091530Z-00000007.log")).unwrap();
        let mut current = Current::open(dir.path()).unwrap();
        write(&current, "three\n");
        assert_eq!(fs::read_to_string(at(CURRENT)).unwrap(), "three\n");

        // Killed before pruning; the sequence goes on.
        current.rotate(now()).unwrap();
        current.prune(&Rotation { keep: 1, ..Rotation::default() }).unwrap();
        assert_eq!(sequences(dir.path()), [8]);
        assert_eq!(fs::read_to_string(at("20261122T091530Z-00000008.log")).unwrap(), "three\n");
    }

    #[test]
    fn a_half_line_is_known_as_such_after_a_restart_and_can_be_taken_away() {
        let dir = tempfile::tempdir().unwrap();
        let current = Current::open(dir.path()).unwrap();
        assert!(current.at_line_start);
        write(&current, &format!("whole\n{}", "half".repeat(50_000)));
        let mut current = Current::open(dir.path()).unwrap();
        assert!(!current.at_line_start);
        assert_eq!(current.cut_half_line(200_006).unwrap(), 200_000);
        assert!(current.at_line_start);
        assert_eq!(fs::read_to_string(dir.path().join(CURRENT)).unwrap(), "whole\n");
    }

    #[test]
    fn the_age_of_a_file_survives_a_restart_and_its_index_goes_with_its_archive() {
        let dir = tempfile::tempdir().unwrap();
        let age = Some(Duration::from_secs(60));
        let due = now() + Duration::from_secs(60);
        let mut current = Current::open(dir.path()).unwrap();
        assert_eq!(current.too_old_at(age), None, "empty");
        current.mark(0, now());
        write(&current, "one\n");
        assert_eq!(current.too_old_at(age), Some(due));
        let mut current = Current::open(dir.path()).unwrap();
        assert_eq!((current.too_old_at(age), current.too_old_at(None)), (Some(due), None));
        current.rotate(now()).unwrap();
        assert_eq!(current.too_old_at(age), None);
        assert_eq!(times::newest(dir.path()).unwrap(), Some(1));
        current.prune(&Rotation { keep: 0, ..Rotation::default() }).unwrap();
        assert_eq!(times::newest(dir.path()).unwrap(), None);
    }
}
