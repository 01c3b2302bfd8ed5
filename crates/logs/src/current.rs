//! The file that is written now, and its rotation.
//!
//! Crash order of a rotation: the next file is made (`.next`), `current` is renamed to its archive name,
//! `.next` becomes `current`, old archives are removed. Killed after any step, `open` goes on from there;
//! no step touches bytes, so none can be lost.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;

use crate::archive::{self, CURRENT, NEXT};

pub struct Current {
    dir: PathBuf,
    pub file: File,
    /// The next archive's sequence number.
    seq: u64,
    pub at_line_start: bool,
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
        let seq = archive::list(dir)?.last().map_or(1, |newest| newest.seq + 1);
        let size = file.metadata()?.len();
        let at_line_start = match size.checked_sub(1) {
            Some(last) => {
                let mut byte = [0];
                file.read_exact_at(&mut byte, last)?;
                byte == *b"\n"
            }
            None => true,
        };
        Ok(Self { dir: dir.to_owned(), file, seq, at_line_start })
    }

    /// The size of the file as it is now: somebody may have emptied it.
    ///
    /// `None` when it was removed; then `open` makes a new one.
    pub fn size(&self) -> io::Result<Option<u64>> {
        let meta = self.file.metadata()?;
        Ok((meta.nlink() > 0).then_some(meta.len()))
    }

    /// Starts a new file and keeps the newest `keep` old ones. Call it at a line end.
    pub fn rotate(&mut self, keep: u32) -> io::Result<()> {
        let (current, next) = (self.dir.join(CURRENT), self.dir.join(NEXT));
        let fresh = open_for_writing(&next)?;
        let name = archive::name(steady_clock::now().wall.0, self.seq);
        fs::rename(&current, self.dir.join(name))?;
        fs::rename(&next, &current)?;
        let full = std::mem::replace(&mut self.file, fresh);
        self.seq += 1;
        self.at_line_start = true;
        flush_aside(full, self.dir.clone());
        self.prune(keep)
    }

    pub fn prune(&self, keep: u32) -> io::Result<()> {
        let archives = archive::list(&self.dir)?;
        let surplus = archives.len().saturating_sub(keep as usize);
        for old in archives.into_iter().take(surplus) {
            fs::remove_file(&old.path)?;
        }
        Ok(())
    }
}

fn open_for_writing(path: &Path) -> io::Result<File> {
    // Read too: `open` looks at the last byte. Not O_APPEND: splice(2) refuses it, and the sink's lock makes
    // this the only writer.
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// Makes a full file durable without keeping every other service's output waiting for the disk.
fn flush_aside(full: File, dir: PathBuf) {
    let flush = move || {
        // A failure here means that a power loss may take the newest lines; they stay readable until then.
        let _ = full.sync_all();
        let _ = steady_disk::fsync_dir(&dir);
    };
    let _ = thread::Builder::new().stack_size(64 << 10).spawn(flush);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(current: &Current, text: &str) {
        let at = current.size().unwrap().unwrap();
        current.file.write_all_at(text.as_bytes(), at).unwrap();
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
        current.rotate(1).unwrap();
        let archives = archive::list(dir.path()).unwrap();
        assert_eq!(archives.iter().map(|a| a.seq).collect::<Vec<_>>(), [8]);
        assert_eq!(fs::read_to_string(&archives[0].path).unwrap(), "three\n");
    }

    #[test]
    fn a_half_line_is_known_as_such_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let current = Current::open(dir.path()).unwrap();
        assert!(current.at_line_start);
        write(&current, "half");
        assert!(!Current::open(dir.path()).unwrap().at_line_start);
    }
}
