//! One archive into its compressed form.
//!
//! Crash order: a hidden temporary file is written and flushed, it gets the archive's name with `.zst`, the
//! directory is flushed, the plain one goes. Killed after any step the archive is there once or twice, never
//! never, and readers take two for one; the next `compress` goes on.

use std::fs::{self, File, FileTimes, OpenOptions};
use std::io::{self, BufReader};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use zstd::stream::write::Encoder;

use crate::archive::{Archive, open_if_there, remove_if_there};

/// The fastest: the machine has something else to do.
const LEVEL: i32 = 1;
/// 64 KiB. With it an encoder takes about 400 KiB, and log lines shrink nearly as well as with 512 KiB.
const WINDOW_LOG: u32 = 16;
/// Ends the name of a compressed file that is not finished.
const TEMP: &str = ".zst.tmp";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compressed {
    Done,
    /// It was pruned meanwhile.
    Gone,
    /// `finished` said no: the plain one stays.
    Kept,
}

/// Compresses `archive`. `still` is asked when the bytes are in the compressed file, with how many of them
/// there were: with `false` that is thrown away.
pub fn compress(archive: &Archive, still: impl FnOnce(u64) -> bool) -> io::Result<Compressed> {
    let Some(plain) = open_if_there(&archive.plain)? else { return Ok(Compressed::Gone) };
    let (temp, packed) = (temp_of(&archive.plain), archive.packed());
    let written = write(&plain, &temp).and_then(|bytes| {
        if !still(bytes) {
            return Ok(Compressed::Kept);
        }
        if !archive.plain.try_exists()? {
            return Ok(Compressed::Gone);
        }
        fs::rename(&temp, &packed)?;
        Ok(Compressed::Done)
    });
    match written {
        Ok(Compressed::Done) => {}
        other => {
            // A half one is of no use; a full disk has use for its room.
            remove_if_there(&temp)?;
            return other;
        }
    }
    if !archive.plain.try_exists()? {
        // Pruned between the look and the rename: it must not come back.
        remove_if_there(&packed)?;
        return Ok(Compressed::Gone);
    }
    let dir = archive.plain.parent().unwrap_or(Path::new("."));
    steady_disk::fsync_dir(dir).map_err(io::Error::other)?;
    remove_if_there(&archive.plain)?;
    Ok(Compressed::Done)
}

/// Removes what a compression that was killed left.
pub fn remove_temporaries(dir: &Path, prefix: &str) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        let ours = |n: &str| n.strip_prefix('.').is_some_and(|n| n.starts_with(prefix) && n.ends_with(TEMP));
        if name.to_str().is_some_and(ours) {
            remove_if_there(&dir.join(name))?;
        }
    }
    Ok(())
}

fn temp_of(plain: &Path) -> PathBuf {
    let name = plain.file_name().unwrap_or_default().to_string_lossy();
    plain.with_file_name(format!(".{name}{TEMP}"))
}

/// Returns how many plain bytes went in.
fn write(plain: &File, temp: &Path) -> io::Result<u64> {
    let meta = plain.metadata()?;
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(temp)?;
    let mut encoder = Encoder::new(file, LEVEL)?;
    encoder.window_log(WINDOW_LOG)?;
    encoder.include_checksum(true)?;
    let bytes = io::copy(&mut BufReader::with_capacity(32 << 10, plain), &mut encoder)?;
    let file = encoder.finish()?;
    file.set_times(FileTimes::new().set_modified(meta.modified()?))?;
    file.set_permissions(meta.permissions())?;
    file.sync_all()?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::archive::{Naming, PACKED, list};

    const NAME: &str = "20261122T091530Z-00000001.log";

    fn only(dir: &Path) -> Archive {
        let mut found = list(dir, &Naming::service()).unwrap();
        assert_eq!(found.len(), 1);
        found.remove(0)
    }

    fn text(archive: &Archive) -> String {
        let mut text = String::new();
        archive.open().unwrap().unwrap().read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn a_compression_killed_after_any_step_leaves_the_archive_once_and_is_done_again() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let lines = "the same line again and again\n".repeat(1000);
        fs::write(at(NAME), &lines).unwrap();
        let archive = only(dir.path());

        // Killed while the temporary file was written.
        let temp = temp_of(&archive.plain);
        fs::write(&temp, "half").unwrap();
        assert_eq!(text(&only(dir.path())), lines);
        remove_temporaries(dir.path(), "").unwrap();
        assert!(!temp.exists());

        // Killed between the rename and the removal: the same name twice is one archive.
        assert_eq!(compress(&archive, |_| true).unwrap(), Compressed::Done);
        fs::write(at(NAME), &lines).unwrap();
        assert_eq!(text(&only(dir.path())), lines);
        assert_eq!(compress(&archive, |_| true).unwrap(), Compressed::Done);
        assert_eq!(text(&only(dir.path())), lines);
        let names: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, [format!("{NAME}{PACKED}").as_str()]);
        assert!(only(dir.path()).bytes().unwrap() < 500);

        assert_eq!(compress(&archive, |_| true).unwrap(), Compressed::Gone);
    }

    #[test]
    fn a_compression_that_is_called_off_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(NAME), "one\n").unwrap();
        assert_eq!(compress(&only(dir.path()), |bytes| bytes != 4).unwrap(), Compressed::Kept);
        assert_eq!(text(&only(dir.path())), "one\n");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
