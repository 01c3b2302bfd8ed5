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
use crate::events::Events;
use crate::manifest::{DATA, RelPath};
use crate::repository::{ContentId, Contents, Meta, Stored, StoredKind};
use crate::workers;

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
    events: &Events,
) -> Result<Written, BackupError> {
    let root = contents.folder(id, DATA)?;
    std::fs::DirBuilder::new().create(into).map_err(BackupError::io("create the staging folder", into))?;
    create_private_dir(into)?;
    let mut written = Written { files: 0, bytes: 0 };
    let mut folders: Vec<(PathBuf, Meta)> = vec![(into.to_owned(), root)];
    let mut files = Vec::new();
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
                continue;
            }
            StoredKind::File if links.are(&stored, &path) => events.file_done(),
            StoredKind::File => files.push((stored, path)),
            StoredKind::Link(target) => {
                std::os::unix::fs::symlink(target, &path)
                    .map_err(BackupError::io("create the link", &path))?;
                dress(&path, &stored.meta)?;
            }
            StoredKind::Other(kind) => {
                let why = format!("{relative} in it is a {kind}");
                return Err(BackupError::Untrusted { id: id.to_owned(), why });
            }
        }
        written.files += 1;
    }
    written.bytes = write_all(contents, files, events)?;
    links.make()?;
    // Inner ones first: a folder's time and mode must stand when nothing is written in it any more.
    for (path, meta) in folders.iter().rev() {
        dress(path, meta)?;
        fsync_dir(path)?;
    }
    fsync_dir(into.parent().unwrap_or(into))?;
    Ok(written)
}

/// Writes the files side by side; the largest first, so that no worker is left with it at the end.
fn write_all(
    contents: &Contents,
    mut files: Vec<(Stored, PathBuf)>,
    events: &Events,
) -> Result<u64, BackupError> {
    files.sort_by_key(|(stored, _)| std::cmp::Reverse(stored.meta.size));
    let work = workers::share(files, |queue| {
        let (mut bytes, mut unflushed) = (0, Unflushed::default());
        for (stored, path) in queue {
            let (file, count) = write_file(contents, &stored, &path, events)?;
            bytes += count;
            events.file_done();
            unflushed.add(file, path, count)?;
        }
        unflushed.flush()?;
        Ok(bytes)
    });
    work.into_iter().sum()
}

/// Files that are written and not yet on the disk. Several small ones are flushed at once: the first takes the
/// others' blocks and names along.
#[derive(Default)]
struct Unflushed {
    files: Vec<(File, PathBuf)>,
    bytes: u64,
}

impl Unflushed {
    /// Few enough for the limit of open files that macOS gives a program.
    const FILES: usize = 32;
    const BYTES: u64 = 8 << 20;

    fn add(&mut self, file: File, path: PathBuf, bytes: u64) -> Result<(), BackupError> {
        self.files.push((file, path));
        self.bytes += bytes;
        if self.files.len() < Self::FILES && self.bytes < Self::BYTES { Ok(()) } else { self.flush() }
    }

    fn flush(&mut self) -> Result<(), BackupError> {
        self.bytes = 0;
        for (file, path) in self.files.drain(..) {
            file.sync_all().map_err(BackupError::io("flush", &path))?;
        }
        Ok(())
    }
}

/// Files that have more than one name, and the names that are links to the first of them.
#[derive(Default)]
struct HardLinks {
    first: BTreeMap<(u64, u64), (PathBuf, ContentId)>,
    /// The first name, and another.
    others: Vec<(PathBuf, PathBuf)>,
}

impl HardLinks {
    /// Whether `path` is another name of a file that was met already, and will be one again.
    fn are(&mut self, stored: &Stored, path: &Path) -> bool {
        if stored.meta.links < 2 {
            return false;
        }
        let file = (stored.meta.device, stored.meta.inode);
        match self.first.get(&file) {
            // Numbers of files are given again: only the same bytes prove the same file.
            Some((first, content)) if *content == stored.content() => {
                self.others.push((first.clone(), path.to_owned()));
                true
            }
            Some(_) => false,
            None => {
                self.first.insert(file, (path.to_owned(), stored.content()));
                false
            }
        }
    }

    fn make(&self) -> Result<(), BackupError> {
        let link = |(first, path): &(PathBuf, PathBuf)| {
            std::fs::hard_link(first, path).map_err(BackupError::io("link", path))
        };
        self.others.iter().try_for_each(link)
    }
}

fn write_file(
    contents: &Contents,
    stored: &Stored,
    path: &Path,
    events: &Events,
) -> Result<(File, u64), BackupError> {
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(BackupError::io("create", path))?;
    let mut counted = Counted { file, bytes: 0, failed: None, events };
    let read = contents.read(stored, &mut counted);
    if let Some(source) = counted.failed {
        return Err(BackupError::Io { action: "write", path: path.to_owned(), source });
    }
    read?;
    dress(path, &stored.meta)?;
    Ok((counted.file, counted.bytes))
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
struct Counted<'a> {
    file: File,
    bytes: u64,
    failed: Option<io::Error>,
    events: &'a Events,
}

impl Write for Counted<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self.file.write(buf) {
            Ok(count) => {
                self.bytes += count as u64;
                self.events.advance(count as u64);
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
