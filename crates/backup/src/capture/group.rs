use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;
use tempfile::TempPath;
use walkdir::WalkDir;

use super::exclude::{Exclude, is_unfinished};
use super::plain::{dressed, is_fresh, open_file};
use super::scan::{Class, Found, meta};
use super::{Store, barrier, staged};
use crate::clock::{Stopwatch, back_off};
use crate::inspect;
use crate::manifest::{Omission, RelPath, StoreClass};

/// Files that only make sense together, and with one database: of Chroma the vectors lie in files beside it, written
/// in place one after the other, and nowhere else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    /// Below the data directory; empty when it is the data directory.
    root: PathBuf,
    /// All that lies below `root`; else the folders that Chroma names by UUID.
    whole: bool,
    pub database: Option<RelPath>,
}

/// Persisting takes Chroma far less than a second, and comes once in a thousand records.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(40);
/// With the write lock held Chroma cannot begin to persist: what still changes has been begun before.
const LOCK_WAIT: Duration = Duration::from_secs(10);
const LOCKED_AT_MOST: Duration = Duration::from_secs(2);
/// A writer that the system holds up in the middle of its work looks like one that stands still: what was changed
/// just now must stay the same for so long. It is also far over the step of a file's times (some milliseconds),
/// within which a change does not show.
const SETTLE: Duration = Duration::from_millis(250);

impl Group {
    pub(crate) fn whole(root: &Path, database: Option<RelPath>) -> Self {
        Self { root: root.to_owned(), whole: true, database }
    }

    /// Chroma's own form: `chroma.sqlite3`, and a folder with a UUID as its name for each index.
    pub(crate) fn of_chroma(database: &RelPath) -> Option<Self> {
        let path = database.as_path();
        let root = path.parent()?;
        (path.file_name()? == "chroma.sqlite3").then(|| Self {
            root: root.to_owned(),
            whole: false,
            database: Some(database.clone()),
        })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Whether a file or folder is captured with the group; databases are not asked.
    pub(crate) fn holds(&self, path: &Path) -> bool {
        let Ok(below) = path.strip_prefix(&self.root) else { return false };
        let Some(first) = below.components().next() else { return false };
        self.whole || is_uuid(&first.as_os_str().to_string_lossy())
    }

    fn name(&self) -> &Path {
        self.database.as_ref().map_or(&self.root, RelPath::as_path)
    }
}

fn is_uuid(name: &str) -> bool {
    name.len() == 36
        && name.char_indices().all(|(at, c)| match at {
            8 | 13 | 18 | 23 => c == '-',
            _ => c.is_ascii_hexdigit(),
        })
}

/// A group, copied.
#[derive(Default)]
pub(crate) struct Staged {
    pub store: Option<Store>,
    /// All that it holds but its database; files with their copies.
    pub found: Vec<(Found, Option<TempPath>)>,
    pub missing: Vec<Omission>,
    /// It never stood still: what was copied may not fit together.
    pub restless: bool,
}

/// Copies a group while it stands still: first its database, then its files, and then they are looked at again.
pub(crate) struct Copier<'a> {
    pub source: &'a Path,
    pub exclude: &'a Exclude,
    /// Databases, which are not the group's files.
    pub databases: &'a BTreeSet<RelPath>,
    pub scratch: &'a Path,
}

impl Copier<'_> {
    pub(crate) fn copy_group(&self, group: &Group) -> Staged {
        let mut last = self.attempt(group);
        for tried in 1..TRIES {
            let Err(_) = &last.1 else { return last.0 };
            back_off(PAUSE * tried);
            last = self.attempt(group);
        }
        if last.1.is_err()
            && let Some(database) = &group.database
        {
            last = self.locked(group, database);
        }
        let (mut staged, result) = last;
        if let Err(why) = result {
            // Better a copy that is said not to fit together than none.
            staged = self.copy_all(group, self.list(group).unwrap_or_default());
            staged.restless = true;
            staged.missing.push(Omission::new(group.name(), why));
        }
        staged
    }

    /// With the database's write lock held, which keeps the next change from beginning.
    fn locked(&self, group: &Group, database: &RelPath) -> (Staged, Result<(), String>) {
        let lock = match lock(&database.below(self.source)) {
            Ok(lock) => lock,
            Err(e) => {
                let why = format!(
                    "its files changed during each copy, and it could not be locked: {}",
                    inspect::reason(&e)
                );
                return (Staged::default(), Err(why));
            }
        };
        let held = Stopwatch::start();
        let mut last = self.attempt(group);
        while last.1.is_err() && held.elapsed() < LOCKED_AT_MOST {
            back_off(PAUSE);
            last = self.attempt(group);
        }
        // Nothing was written: this only lets go.
        let _ = lock.execute_batch("ROLLBACK");
        last
    }

    /// What was copied, and whether it stood still meanwhile.
    fn attempt(&self, group: &Group) -> (Staged, Result<(), String>) {
        let before = match self.settled(group) {
            Ok(before) => before,
            Err(why) => return (Staged::default(), Err(why)),
        };
        let shown = before.iter().map(state).collect::<Vec<_>>();
        let staged = self.copy_all(group, before);
        let after = self.list(group).map(|found| found.iter().map(state).collect::<Vec<_>>());
        let result = if after.as_ref() == Ok(&shown) { Ok(()) } else { Err(restless()) };
        (staged, result)
    }

    fn copy_all(&self, group: &Group, files: Vec<Found>) -> Staged {
        let mut staged = Staged::default();
        if let Some(database) = &group.database {
            match staged::stage(self.source, database, self.scratch) {
                Ok(store) => staged.store = Some(Store { class: StoreClass::Chroma, ..store }),
                // It will not do better at the next attempt, and has no other one: its files go on.
                Err(why) => staged.missing.push(Omission::new(database.as_path(), why)),
            }
        }
        for found in files {
            match self.copy(&found) {
                Ok(copy) => staged.found.push((found, copy)),
                // When it cannot be read at all it is named, and the rest is whole.
                Err(e) => staged.missing.push(Omission::new(found.path.as_path(), e.to_string())),
            }
        }
        staged
    }

    /// The files, when none of them is being written.
    fn settled(&self, group: &Group) -> Result<Vec<Found>, String> {
        let first = self.list(group)?;
        if !first.iter().any(|f| is_fresh(&f.meta, SETTLE)) {
            return Ok(first);
        }
        back_off(SETTLE);
        let second = self.list(group)?;
        if first.iter().map(state).eq(second.iter().map(state)) { Ok(second) } else { Err(restless()) }
    }

    fn list(&self, group: &Group) -> Result<Vec<Found>, String> {
        let root = self.source.join(&group.root);
        let wanted = |path: &Path| {
            path.strip_prefix(self.source)
                .is_ok_and(|p| p == group.root || (group.holds(p) && !self.exclude.by_pattern(p)))
                && !is_unfinished(path)
        };
        let walk = WalkDir::new(&root).min_depth(1).follow_links(false).sort_by_file_name();
        let mut all = Vec::new();
        for entry in walk.into_iter().filter_entry(|e| wanted(e.path())) {
            let entry = match entry {
                Ok(entry) => entry,
                // It went away while it was walked: the other listing tells.
                Err(e) if e.io_error().is_some_and(|e| e.kind() == io::ErrorKind::NotFound) => continue,
                Err(e) => return Err(format!("its folder cannot be listed: {e}")),
            };
            let path = entry.path().strip_prefix(self.source).ok().and_then(RelPath::new);
            let (Some(path), Ok(metadata)) = (path, std::fs::symlink_metadata(entry.path())) else {
                continue;
            };
            if self.is_of_a_database(&path) {
                continue;
            }
            let class = match metadata.file_type() {
                t if t.is_dir() => Class::Dir,
                t if t.is_file() => Class::Index,
                t if t.is_symlink() => match std::fs::read_link(entry.path()) {
                    Ok(target) => Class::Link(target),
                    Err(_) => continue,
                },
                // Told by the scan.
                _ => continue,
            };
            all.push(Found { path, meta: dressed(entry.path(), &meta(&metadata)), class });
        }
        Ok(all)
    }

    fn is_of_a_database(&self, path: &RelPath) -> bool {
        self.databases.iter().any(|database| {
            let (name, database) = (path.as_path().as_os_str(), database.as_path().as_os_str());
            name == database
                || ["-wal", "-shm", "-journal"].iter().any(|end| {
                    let mut sidecar = database.to_owned();
                    sidecar.push(end);
                    name == sidecar
                })
        })
    }

    fn copy(&self, found: &Found) -> io::Result<Option<TempPath>> {
        if found.class != Class::Index {
            return Ok(None);
        }
        let mut copy = tempfile::Builder::new().prefix("index-").tempfile_in(self.scratch)?;
        let mut from = open_file(&found.path.below(self.source))?;
        io::copy(&mut from, copy.as_file_mut())?;
        Ok(Some(copy.into_temp_path()))
    }
}

fn restless() -> String {
    format!(
        "its files changed during each of {TRIES} copies, and with its write lock held: they may not fit together; \
         with `backup.quiesce = true` Steady may stop the services for the moment of the copy"
    )
}

fn state(found: &Found) -> impl PartialEq + use<> {
    let meta = &found.meta;
    (found.path.clone(), found.class.clone(), meta.modified, meta.size, meta.device, meta.inode)
}

/// The write lock of a database; nothing is written under it.
fn lock(database: &Path) -> rusqlite::Result<Connection> {
    let db = barrier::open_quietly(database)?;
    db.busy_timeout(LOCK_WAIT)?;
    db.execute_batch("BEGIN IMMEDIATE")?;
    Ok(db)
}
