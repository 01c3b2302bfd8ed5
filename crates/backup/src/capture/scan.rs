use std::collections::{BTreeMap, BTreeSet};
use std::fs::Metadata;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use walkdir::{DirEntry, WalkDir};

use steady_model::config::FileClass;

use super::classes::Classes;
use super::exclude::{Exclude, is_unfinished};
use super::group::Group;
use super::plain::{dressed, open_file};
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
    /// Files that belong together.
    pub groups: Vec<Group>,
    /// Other names of files that are found: hard links, with the name that stands for the file.
    pub aliases: BTreeMap<RelPath, RelPath>,
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
    /// Only grows.
    Log,
    /// One of a [`Group`].
    Index,
    Database {
        wal: bool,
    },
}

pub(crate) struct Databases {
    pub wal: Vec<RelPath>,
    pub others: Vec<RelPath>,
}

impl Scan {
    /// Those that are captured by themselves, each once.
    pub(crate) fn databases(&self) -> Databases {
        let of = |wanted: bool| {
            let matching = |f: &&Found| {
                matches!(f.class, Class::Database { wal } if wal == wanted)
                    && !self.aliases.contains_key(&f.path)
                    && !self.groups.iter().any(|g| g.database.as_ref() == Some(&f.path))
            };
            self.found.iter().filter(matching).map(|f| f.path.clone()).collect()
        };
        Databases { wal: of(true), others: of(false) }
    }

    pub(crate) fn plain_bytes(&self) -> u64 {
        let plain = |f: &&Found| matches!(f.class, Class::Plain | Class::Log | Class::Index);
        self.found.iter().filter(plain).map(|f| f.meta.size).sum()
    }
}

/// Walks `source` without following links. Must run before this process opens any of its databases.
pub(crate) fn scan(source: &Path, exclude: &Exclude, classes: &Classes) -> Result<Scan, BackupError> {
    let at_root = |e: io::Error| BackupError::Source { path: source.to_owned(), why: e.to_string() };
    let root = std::fs::symlink_metadata(source).map_err(at_root)?;
    if !root.is_dir() {
        return Err(BackupError::Source { path: source.to_owned(), why: "it is not a directory".to_owned() });
    }
    let mut scan = Scan {
        root: dressed(source, &meta(&root)),
        found: Vec::new(),
        missing: Vec::new(),
        skipped: Vec::new(),
        groups: Vec::new(),
        aliases: BTreeMap::new(),
    };
    let wanted = |entry: &DirEntry| {
        entry.path().strip_prefix(source).map_or(true, |p| !exclude.by_pattern(p))
            && !is_unfinished(entry.path())
    };
    for entry in WalkDir::new(source).min_depth(1).follow_links(false).into_iter().filter_entry(wanted) {
        match entry {
            Ok(entry) => scan.add(source, &entry, classes),
            Err(error) => {
                let path = error.path().unwrap_or(source);
                scan.missing.push(Omission::new(relative(source, path), reason(error.io_error())));
            }
        }
    }
    scan.drop_sidecars(source);
    scan.found.sort_by(|a, b| a.path.cmp(&b.path));
    scan.group(classes);
    scan.name_aliases(source);
    Ok(scan)
}

fn reason(error: Option<&io::Error>) -> String {
    error.map_or_else(|| "a loop of links".to_owned(), ToString::to_string)
}

fn relative<'a>(source: &Path, path: &'a Path) -> &'a Path {
    path.strip_prefix(source).unwrap_or(path)
}

impl Scan {
    fn add(&mut self, source: &Path, entry: &DirEntry, classes: &Classes) {
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
                Ok(None) if classes.is_log(shown) => Class::Log,
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
        let mut meta = meta(&metadata);
        // A plain file's attributes are read with its bytes.
        if !matches!(class, Class::Plain | Class::Log) {
            meta = dressed(entry.path(), &meta);
        }
        self.found.push(Found { path, meta, class });
    }

    /// Files that only make sense together: folders of the configuration, and those of Chroma's own form.
    fn group(&mut self, classes: &Classes) {
        let is_database = |f: &&Found| matches!(f.class, Class::Database { .. });
        let told =
            |f: &&Found| f.class == Class::Dir && classes.told(f.path.as_path()) == Some(FileClass::Chroma);
        let mut groups: Vec<Group> = Vec::new();
        for folder in self.found.iter().filter(told) {
            let inside = |f: &&Found| f.path.as_path().parent() == Some(folder.path.as_path());
            let database = self.found.iter().filter(is_database).find(inside).map(|f| f.path.clone());
            groups.push(Group::whole(folder.path.as_path(), database));
        }
        for database in self.found.iter().filter(is_database) {
            let known = groups.iter().any(|g| database.path.as_path().starts_with(g.root()));
            if !known && let Some(group) = Group::of_chroma(&database.path) {
                groups.push(group);
            }
        }
        for found in &mut self.found {
            if matches!(found.class, Class::Plain | Class::Log)
                && groups.iter().any(|g| g.holds(found.path.as_path()))
            {
                found.class = Class::Index;
            }
        }
        self.groups = groups;
    }

    /// A file of several names is read once; of a database only the name that its `-wal` goes by is the live one.
    fn name_aliases(&mut self, source: &Path) {
        let mut names: BTreeMap<(u64, u64), Vec<&Found>> = BTreeMap::new();
        let file = |f: &&Found| matches!(f.class, Class::Plain | Class::Log | Class::Database { .. });
        for found in self.found.iter().filter(file).filter(|f| f.meta.links > 1) {
            names.entry((found.meta.device, found.meta.inode)).or_default().push(found);
        }
        let beside = |path: &RelPath, end: &str| {
            let mut name = path.below(source).into_os_string();
            name.push(end);
            Path::new(&name).exists()
        };
        let mut aliases = BTreeMap::new();
        for same in names.into_values() {
            let live = |f: &&&Found| {
                matches!(f.class, Class::Database { .. })
                    && (beside(&f.path, "-wal") || beside(&f.path, "-journal"))
            };
            let Some(leader) = same.iter().find(live).or(same.first()) else { continue };
            let others = same.iter().filter(|f| f.path != leader.path);
            aliases.extend(others.map(|f| (f.path.clone(), leader.path.clone())));
        }
        self.aliases = aliases;
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
        self.found.retain(|f| !matches!(f.class, Class::Plain | Class::Log) || !is_sidecar(&f.path));
        self.missing.retain(|m| RelPath::new(Path::new(&m.path)).is_none_or(|p| !is_sidecar(&p)));
    }
}

/// The database that a sidecar's name belongs to: `a.db-wal` → `a.db`.
fn sidecar_base(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.as_bytes();
    let base = [b"-wal".as_slice(), b"-shm", b"-journal"].iter().find_map(|end| name.strip_suffix(*end))?;
    (!base.is_empty()).then(|| path.with_file_name(std::ffi::OsStr::from_bytes(base)))
}

/// With its attributes; the file is not opened.
pub(crate) fn file_meta(path: &Path, metadata: &Metadata) -> Meta {
    dressed(path, &meta(metadata))
}

pub(crate) fn meta(metadata: &Metadata) -> Meta {
    let nanoseconds = i32::try_from(metadata.mtime_nsec()).unwrap_or_default();
    Meta {
        mode: metadata.mode() & 0o7777,
        modified: Timestamp::new(metadata.mtime(), nanoseconds).unwrap_or_default(),
        uid: metadata.uid(),
        gid: metadata.gid(),
        device: metadata.dev(),
        inode: metadata.ino(),
        links: if metadata.is_file() { metadata.nlink() } else { 1 },
        size: metadata.len(),
        attributes: Vec::new(),
    }
}

/// Whether a file is an SQLite database, and if so whether in WAL mode, by its header alone.
pub(crate) fn sniff_sqlite(path: &Path) -> io::Result<Option<bool>> {
    let mut header = Vec::with_capacity(20);
    open_file(path)?.take(20).read_to_end(&mut header)?;
    let Some(rest) = header.strip_prefix(b"SQLite format 3\0") else { return Ok(None) };
    // Offsets 18 and 19: file format write and read version, 2 for WAL.
    Ok(Some(rest.get(2..4) == Some(&[2, 2])))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes(dir: &Path, exclude: &[&str]) -> Vec<(String, Class)> {
        let patterns: Vec<String> = exclude.iter().map(|p| (*p).to_owned()).collect();
        let scan = scan(dir, &Exclude::new(&patterns).unwrap(), &Classes::default()).unwrap();
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
        let scan = scan(dir.path(), &Exclude::new(&[]).unwrap(), &Classes::default()).unwrap();
        assert_eq!(scan.found.len(), 2);
        assert_eq!(scan.found.last().unwrap().class, Class::Link("..".into()));
        assert_eq!(scan.skipped, [Omission::new(Path::new("s"), "a socket holds no data")]);
        assert!(scan.missing.is_empty());
    }
}
