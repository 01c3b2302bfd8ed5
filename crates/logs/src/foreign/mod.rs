//! Logs that others write, such as `queries.jsonl` or the log of a service that launchd owns.
//!
//! A writer that has the file open goes on writing into a renamed file, and never into a new one. So a file
//! is rotated only while no process has it open for writing; else the answer says who has. There is no
//! copying and truncating: it loses what is written in between.
//!
//! Processes of other users cannot be looked into without being root. A file of another user is therefore
//! refused; a root process that holds a file of this user goes unseen, and what it writes stays in the
//! archive, which is kept plain as long as it grows.

#[cfg(any(target_os = "macos", test))]
mod lsof;
#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(target_os = "macos", path = "macos.rs")]
mod open_files;

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use steady_model::config::Rotation;
use steady_model::time::WallTime;

use crate::archive::{self, Archive, Naming};
use crate::bounds::surplus;
use crate::compress::{Compressed, compress, remove_temporaries};

/// A process that has the file open for writing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Writer {
    pub pid: u32,
    /// Its program's name, as the system tells it.
    pub command: String,
}

/// What came of a file that somebody else writes.
#[derive(Debug)]
pub enum Foreign {
    /// It was `bytes` long and is now `archive`, compressed if that was asked for and nobody writes to it.
    Rotated {
        archive: PathBuf,
        bytes: u64,
    },
    /// There is nothing to do: `bytes` are within the limits.
    Small {
        bytes: u64,
    },
    /// It is due, but these processes would go on writing into the old file.
    Unsafe {
        bytes: u64,
        writers: Vec<Writer>,
    },
    Missing,
    /// It belongs to another user, is no regular file, or the system refused.
    Denied {
        reason: String,
    },
}

/// Rotates `path` if it is due and nobody has it open for writing. Blocking; compresses before it returns.
///
/// Archives stand beside it: `<file>.<UTC time>-<sequence>`, with `.zst` once compressed, bounded by `keep`
/// and `total_bytes`. The file is not made anew: its writer does that.
pub fn rotate(path: &Path, rotation: &Rotation, now: WallTime) -> Foreign {
    match try_rotate(path, rotation, now.0) {
        Ok(done) => done,
        Err(e) if e.kind() == io::ErrorKind::NotFound => Foreign::Missing,
        Err(e) => Foreign::Denied { reason: e.to_string() },
    }
}

fn try_rotate(path: &Path, rotation: &Rotation, now: Timestamp) -> io::Result<Foreign> {
    let meta = fs::symlink_metadata(path)?;
    let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else {
        return Ok(Foreign::Denied { reason: "it has no directory".to_owned() });
    };
    if !meta.is_file() {
        return Ok(Foreign::Denied { reason: "it is no regular file".to_owned() });
    }
    if meta.uid() != rustix::process::geteuid().as_raw() {
        return Ok(Foreign::Denied { reason: format!("it belongs to another user (uid {})", meta.uid()) });
    }
    let naming = Naming::beside(&name.to_string_lossy());
    let archives = archive::list(dir, &naming)?;
    finish(dir, &naming, &archives, rotation)?;
    let bytes = meta.len();
    if !is_due(&meta, rotation, now) {
        return Ok(Foreign::Small { bytes });
    }
    let writers = open_files::writers(path, &meta)?;
    if !writers.is_empty() {
        return Ok(Foreign::Unsafe { bytes, writers });
    }
    let seq = archives.last().map_or(1, |newest| newest.seq + 1);
    let archive = Archive { seq, at: now, plain: dir.join(naming.name(now, seq)) };
    fs::rename(path, &archive.plain)?;
    steady_disk::fsync_dir(dir).map_err(io::Error::other)?;
    let done = if rotation.compress { pack(&archive)? } else { Compressed::Kept };
    prune(dir, &naming, rotation)?;
    let archive = if done == Compressed::Done { archive.packed() } else { archive.plain };
    Ok(Foreign::Rotated { archive, bytes })
}

fn is_due(meta: &Metadata, rotation: &Rotation, now: Timestamp) -> bool {
    // Not every file system tells when a file was made; there its size alone decides.
    let age = meta.created().ok().and_then(|born| Timestamp::try_from(born).ok());
    let old = age.zip(rotation.max_age).is_some_and(|(born, max)| now.duration_since(born) >= jiff_span(max));
    meta.len() > 0 && (meta.len() >= rotation.max_bytes || old)
}

fn jiff_span(limit: std::time::Duration) -> jiff::SignedDuration {
    jiff::SignedDuration::try_from(limit).unwrap_or(jiff::SignedDuration::MAX)
}

/// Ends what was left: a compression that was killed, or an archive that had a late writer.
fn finish(dir: &Path, naming: &Naming, archives: &[Archive], rotation: &Rotation) -> io::Result<()> {
    remove_temporaries(dir, naming.prefix())?;
    for archive in archives.iter().filter(|_| rotation.compress) {
        if archive.plain.try_exists()? {
            pack(archive)?;
        }
    }
    Ok(())
}

/// Compresses an archive unless somebody writes to it: its writer may have opened it between the look and
/// the rename.
fn pack(archive: &Archive) -> io::Result<Compressed> {
    compress(archive, |packed| {
        let unchanged = || {
            let meta = fs::metadata(&archive.plain)?;
            let writers = open_files::writers(&archive.plain, &meta)?;
            // The size last: nobody can write any more when it is asked.
            Ok::<_, io::Error>(writers.is_empty() && fs::metadata(&archive.plain)?.len() == packed)
        };
        unchanged().unwrap_or(false)
    })
}

fn prune(dir: &Path, naming: &Naming, rotation: &Rotation) -> io::Result<()> {
    let archives = archive::list(dir, naming)?;
    let sizes = archives.iter().map(Archive::bytes).collect::<io::Result<Vec<u64>>>()?;
    for old in archives.iter().take(surplus(&sizes, rotation)) {
        old.remove()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
