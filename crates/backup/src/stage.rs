//! Writes a restore point's data into a new folder, durably and without ever leaving it.
//!
//! An own loop: the repository library's restore panics on a damaged pack and skips files that look equal.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, chownat, utimensat};
use steady_disk::{create_private_dir, fsync_dir};

use crate::chosen::Chosen;
use crate::error::BackupError;
use crate::manifest::{DATA, RelPath};
use crate::repository::{ContentId, Contents, Meta, Stored, StoredKind};

pub(crate) struct Written {
    pub files: u64,
    pub bytes: u64,
}

/// `into` must not exist; it is private (0700) until all is in it.
pub(crate) fn stage(
    contents: &Contents,
    id: &str,
    into: &Path,
    only: &Chosen,
    mut on_bytes: impl FnMut(u64),
) -> Result<Written, BackupError> {
    let root = contents.folder(id, DATA)?;
    std::fs::DirBuilder::new().create(into).map_err(BackupError::io("create the staging folder", into))?;
    create_private_dir(into)?;
    let mut written = Written { files: 0, bytes: 0 };
    let mut folders: Vec<(PathBuf, Meta)> = vec![(into.to_owned(), root)];
    let mut links = HardLinks::default();
    for stored in contents.walk(id, DATA)? {
        let Some(relative) = RelPath::new(&stored.path) else {
            let why = format!("it names {}, which leads out of the data", stored.path.display());
            return Err(BackupError::Untrusted { id: id.to_owned(), why });
        };
        let is_way = matches!(stored.kind, StoredKind::Dir) && only.leads_through(relative.as_path());
        if !is_way && !only.holds(relative.as_path()) {
            continue;
        }
        let path = relative.below(into);
        match &stored.kind {
            StoredKind::Dir => {
                // Everything is created anew, so a link of the point can never stand in for a folder.
                std::fs::create_dir(&path).map_err(BackupError::io("create the folder", &path))?;
                folders.push((path, stored.meta));
            }
            StoredKind::File if links.link(&stored, &path)? => written.files += 1,
            StoredKind::File => {
                let bytes = write_file(contents, &stored, &path)?;
                on_bytes(bytes);
                written.files += 1;
                written.bytes += bytes;
            }
            StoredKind::Link(target) => {
                std::os::unix::fs::symlink(target, &path)
                    .map_err(BackupError::io("create the link", &path))?;
                dress(&path, &stored.meta)?;
                written.files += 1;
            }
            StoredKind::Other(kind) => {
                let why = format!("{relative} in it is a {kind}");
                return Err(BackupError::Untrusted { id: id.to_owned(), why });
            }
        }
    }
    // Inner ones first: a folder's time and mode must stand when nothing is written in it any more.
    for (path, meta) in folders.iter().rev() {
        dress(path, meta)?;
        fsync_dir(path)?;
    }
    fsync_dir(into.parent().unwrap_or(into))?;
    Ok(written)
}

/// Files that had more than one name, with the first of them that was written.
#[derive(Default)]
struct HardLinks {
    written: BTreeMap<(u64, u64), (PathBuf, ContentId)>,
}

impl HardLinks {
    /// Whether `path` is another name of a file that was written already, and is one again.
    fn link(&mut self, stored: &Stored, path: &Path) -> Result<bool, BackupError> {
        if stored.meta.links < 2 {
            return Ok(false);
        }
        let file = (stored.meta.device, stored.meta.inode);
        match self.written.get(&file) {
            // Numbers of files are given again: only the same bytes prove the same file.
            Some((first, content)) if *content == stored.content() => {
                std::fs::hard_link(first, path).map_err(BackupError::io("link", path))?;
                Ok(true)
            }
            Some(_) => Ok(false),
            None => {
                self.written.insert(file, (path.to_owned(), stored.content()));
                Ok(false)
            }
        }
    }
}

fn write_file(contents: &Contents, stored: &Stored, path: &Path) -> Result<u64, BackupError> {
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(BackupError::io("create", path))?;
    let mut counted = Counted { file, bytes: 0, failed: None };
    let read = contents.read(stored, &mut counted);
    if let Some(source) = counted.failed {
        return Err(BackupError::Io { action: "write", path: path.to_owned(), source });
    }
    read?;
    dress(path, &stored.meta)?;
    counted.file.sync_all().map_err(BackupError::io("flush", path))?;
    Ok(counted.bytes)
}

/// Owner, attributes, mode and time, in this order: a new owner or a write clears set-user-id, and attributes cannot
/// be set on what may only be read. Owner and attributes are kept where the system lets us.
pub(crate) fn dress(path: &Path, meta: &Meta) -> Result<(), BackupError> {
    let owner = rustix::fs::Uid::from_raw(meta.uid);
    let group = rustix::fs::Gid::from_raw(meta.gid);
    // Only root may give files away; for others all that they could back up is theirs, or is readable as theirs.
    let _ = chownat(CWD, path, Some(owner), Some(group), AtFlags::SYMLINK_NOFOLLOW);
    let _refused = crate::attributes::write(path, &meta.attributes);
    if !std::fs::symlink_metadata(path).is_ok_and(|m| m.is_symlink()) {
        std::fs::set_permissions(path, Permissions::from_mode(meta.mode))
            .map_err(BackupError::io("set the mode of", path))?;
    }
    let time =
        Timespec { tv_sec: meta.modified.as_second(), tv_nsec: meta.modified.subsec_nanosecond().into() };
    let times = Timestamps { last_access: time, last_modification: time };
    utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)
        .map_err(|e| BackupError::io("set the time of", path)(e.into()))
}

/// Counts, and keeps the disk's own reason: the repository's error would hide a full disk.
struct Counted {
    file: File,
    bytes: u64,
    failed: Option<io::Error>,
}

impl Write for Counted {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self.file.write(buf) {
            Ok(count) => {
                self.bytes += count as u64;
                Ok(count)
            }
            Err(e) => {
                let told = io::Error::from(e.kind());
                self.failed = Some(e);
                Err(told)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
