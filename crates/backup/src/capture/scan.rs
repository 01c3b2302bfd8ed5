use std::collections::BTreeSet;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use walkdir::{DirEntry, WalkDir};

use super::exclude::{Exclude, is_unfinished};
use crate::error::BackupError;
use crate::manifest::{Omission, RelPath};
use crate::repository::Meta;

/// What lies in a data directory.
#[derive(Debug)]
pub(crate) struct Scan {
    pub root: Meta,
    /// In the repository's order: by components, a folder before what is in it.
    pub found: Vec<Found>,
    pub missing: Vec<Omission>,
    pub skipped: Vec<Omission>,
}

#[derive(Debug)]
pub(crate) struct Found {
    pub path: RelPath,
    pub meta: Meta,
    pub class: Class,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Class {
    Dir,
    Link(PathBuf),
    Plain,
    Database { wal: bool },
}

pub(crate) struct Databases {
    pub wal: Vec<RelPath>,
    pub others: Vec<RelPath>,
}

impl Scan {
    pub(crate) fn databases(&self) -> Databases {
        let of = |wanted: bool| {
            let matching = |f: &&Found| matches!(f.class, Class::Database { wal } if wal == wanted);
            self.found.iter().filter(matching).map(|f| f.path.clone()).collect()
        };
        Databases { wal: of(true), others: of(false) }
    }

    pub(crate) fn plain_bytes(&self) -> u64 {
        self.found.iter().filter(|f| f.class == Class::Plain).map(|f| f.meta.size).sum()
    }
}

/// Walks `source` without following links. Must run before this process opens any of its databases.
pub(crate) fn scan(source: &Path, exclude: &Exclude) -> Result<Scan, BackupError> {
    let at_root = |e: io::Error| BackupError::Source { path: source.to_owned(), why: e.to_string() };
    let root = std::fs::symlink_metadata(source).map_err(at_root)?;
    if !root.is_dir() {
        return Err(BackupError::Source { path: source.to_owned(), why: "it is not a directory".to_owned() });
    }
    let mut scan = Scan { root: meta(&root), found: Vec::new(), missing: Vec::new(), skipped: Vec::new() };
    let wanted = |entry: &DirEntry| {
        entry.path().strip_prefix(source).map_or(true, |p| !exclude.by_pattern(p))
            && !is_unfinished(entry.path())
    };
    for entry in WalkDir::new(source).min_depth(1).follow_links(false).into_iter().filter_entry(wanted) {
        match entry {
            Ok(entry) => scan.add(source, &entry),
            Err(error) => {
                let path = error.path().unwrap_or(source);
                scan.missing.push(Omission::new(relative(source, path), reason(error.io_error())));
            }
        }
    }
    scan.drop_sidecars(source);
    scan.found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(scan)
}

fn reason(error: Option<&io::Error>) -> String {
    error.map_or_else(|| "a loop of links".to_owned(), ToString::to_string)
}

fn relative<'a>(source: &Path, path: &'a Path) -> &'a Path {
    path.strip_prefix(source).unwrap_or(path)
}

impl Scan {
    fn add(&mut self, source: &Path, entry: &DirEntry) {
        let shown = relative(source, entry.path());
        let (Some(path), Ok(metadata)) = (RelPath::new(shown), entry.metadata()) else {
            self.missing.push(Omission::new(shown, "it vanished while it was looked at"));
            return;
        };
        let kind = metadata.file_type();
        let class = if kind.is_dir() {
            Class::Dir
        } else if kind.is_symlink() {
            match std::fs::read_link(entry.path()) {
                Ok(target) => Class::Link(target),
                Err(e) => return self.missing.push(Omission::new(shown, e.to_string())),
            }
        } else if kind.is_file() {
            match sniff_sqlite(entry.path()) {
                Ok(None) => Class::Plain,
                Ok(Some(wal)) => Class::Database { wal },
                Err(e) => return self.missing.push(Omission::new(shown, e.to_string())),
            }
        } else {
            let what = match () {
                () if kind.is_socket() => "a socket holds no data",
                () if kind.is_fifo() => "a pipe holds no data",
                () => "a device holds no data",
            };
            return self.skipped.push(Omission::new(shown, what));
        };
        self.found.push(Found { path, meta: meta(&metadata), class });
    }

    /// A `-wal`, `-shm` or `-journal` belongs to its database's present state, never to a copy of it: beside a
    /// restored database it would be replayed into it.
    fn drop_sidecars(&mut self, source: &Path) {
        let databases: BTreeSet<RelPath> = self
            .found
            .iter()
            .filter(|f| matches!(f.class, Class::Database { .. }))
            .map(|f| f.path.clone())
            .collect();
        let is_sidecar = |path: &RelPath| {
            let Some(base) = sidecar_base(path.as_path()) else { return false };
            RelPath::new(&base).is_some_and(|b| databases.contains(&b))
                // A database that is left out or cannot be read has its sidecars left out too.
                || matches!(sniff_sqlite(&source.join(&base)), Ok(Some(_)))
                || matches!(sniff_sqlite(&source.join(&base)), Err(e) if e.kind() != io::ErrorKind::NotFound)
        };
        self.found.retain(|f| f.class != Class::Plain || !is_sidecar(&f.path));
        self.missing.retain(|m| RelPath::new(Path::new(&m.path)).is_none_or(|p| !is_sidecar(&p)));
    }
}

/// The database that a sidecar's name belongs to: `a.db-wal` → `a.db`.
fn sidecar_base(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.as_bytes();
    let base = [b"-wal".as_slice(), b"-shm", b"-journal"].iter().find_map(|end| name.strip_suffix(*end))?;
    (!base.is_empty()).then(|| path.with_file_name(std::ffi::OsStr::from_bytes(base)))
}

pub(crate) fn meta(metadata: &Metadata) -> Meta {
    let nanoseconds = i32::try_from(metadata.mtime_nsec()).unwrap_or_default();
    Meta {
        mode: metadata.mode() & 0o7777,
        modified: Timestamp::new(metadata.mtime(), nanoseconds).unwrap_or_default(),
        uid: metadata.uid(),
        gid: metadata.gid(),
        inode: metadata.ino(),
        size: metadata.len(),
    }
}

/// Whether a file is an SQLite database, and if so whether in WAL mode, by its header alone.
pub(crate) fn sniff_sqlite(path: &Path) -> io::Result<Option<bool>> {
    let mut header = Vec::with_capacity(20);
    File::open(path)?.take(20).read_to_end(&mut header)?;
    let Some(rest) = header.strip_prefix(b"SQLite format 3\0") else { return Ok(None) };
    // Offsets 18 and 19: file format write and read version, 2 for WAL.
    Ok(Some(rest.get(2..4) == Some(&[2, 2])))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes(dir: &Path, exclude: &[&str]) -> Vec<(String, Class)> {
        let patterns: Vec<String> = exclude.iter().map(|p| (*p).to_owned()).collect();
        let scan = scan(dir, &Exclude::new(&patterns).unwrap()).unwrap();
        scan.found.into_iter().map(|f| (f.path.to_string(), f.class)).collect()
    }

    fn database(path: &Path, mode: &str) -> rusqlite::Connection {
        let db = rusqlite::Connection::open(path).unwrap();
        db.pragma_update(None, "journal_mode", mode).unwrap();
        db.execute_batch("CREATE TABLE t(x); INSERT INTO t VALUES (1)").unwrap();
        db
    }

    #[test]
    fn databases_are_known_by_their_bytes_and_their_sidecars_are_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let _wal = database(&dir.path().join("a.sqlite"), "wal");
        let _other = database(&dir.path().join("old.data"), "delete");
        let _left_out = database(&dir.path().join("cache.db"), "wal");
        std::fs::write(dir.path().join("my-journal"), "a diary").unwrap();
        std::fs::write(dir.path().join("notes.db"), "no database").unwrap();
        let found = classes(dir.path(), &["cache.db"]);
        let expected = [
            ("a.sqlite", Class::Database { wal: true }),
            ("my-journal", Class::Plain),
            ("notes.db", Class::Plain),
            ("old.data", Class::Database { wal: false }),
        ];
        assert_eq!(found, expected.map(|(name, class)| (name.to_owned(), class)));
    }

    #[test]
    fn links_are_kept_as_links_and_sockets_are_said() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("d")).unwrap();
        std::os::unix::fs::symlink("..", dir.path().join("d/loop")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("s")).unwrap();
        let scan = scan(dir.path(), &Exclude::new(&[]).unwrap()).unwrap();
        assert_eq!(scan.found.len(), 2);
        assert_eq!(scan.found.last().unwrap().class, Class::Link("..".into()));
        assert_eq!(scan.skipped, [Omission::new(Path::new("s"), "a socket holds no data")]);
        assert!(scan.missing.is_empty());
    }
}
