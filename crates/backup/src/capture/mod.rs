//! Reads a data directory that is in use: what is there, one common cut of its databases, and a stream of
//! entries for the repository.
//!
//! Must never write to a user's file, checkpoint their databases, or open a live database file by itself while
//! this process holds an SQLite connection to it (closing it would drop SQLite's POSIX locks).

mod barrier;
mod classes;
mod entries;
mod exclude;
mod group;
mod ledger;
mod pages;
mod pins;
mod plain;
mod scan;
mod staged;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use steady_model::backup::PointKind;
use steady_model::time::WallTime;
use tempfile::TempPath;

use crate::error::BackupError;
use crate::manifest::{Dump, Manifest, Omission, RelPath, Scanned, StoreClass, StoreFile, VERSION};
use crate::repository::Entries;

pub(crate) use barrier::open_quietly;
pub(crate) use classes::Classes;
pub(crate) use exclude::Exclude;
pub(crate) use ledger::Ledger;
pub(crate) use scan::{file_meta, sniff_sqlite};

/// A data directory, cut and ready to be streamed.
pub(crate) struct Capture {
    /// In the repository's order; the manifest last, when all others were read.
    pub entries: Entries,
    /// What became of each file; complete when the entries were consumed.
    pub ledger: Arc<Ledger>,
    pub taken: WallTime,
    pub total_bytes: u64,
    pub total_files: u64,
    /// Folders whose files never stood still while they were copied.
    pub restless: Vec<String>,
}

/// What a capture is asked for.
pub(crate) struct Wanted<'a> {
    pub source: &'a Path,
    pub exclude: &'a Exclude,
    pub classes: &'a Classes,
    /// Holds copies of what cannot be read in place.
    pub scratch: &'a Path,
    pub kind: PointKind,
    pub dumps: Dumps,
    pub notes: Vec<String>,
    pub older: Option<Older>,
}

/// A data directory that somebody else copied before; `source` is our copy of it.
#[derive(Clone)]
pub(crate) struct Older {
    pub from: String,
    pub taken: WallTime,
    /// What could not be read of it.
    pub missing: Vec<Omission>,
}

/// Databases of servers, dumped before the cut.
#[derive(Default, Clone)]
pub(crate) struct Dumps {
    pub whole: Vec<(Dump, Arc<TempPath>)>,
    pub failed: Vec<Omission>,
}

/// Scans the source, takes the cut, copies what cannot be read in place, and hands out the stream.
pub(crate) fn capture(wanted: &Wanted<'_>) -> Result<Capture, BackupError> {
    let Wanted { source, scratch, .. } = wanted;
    let mut scan = scan::scan(source, wanted.exclude, wanted.classes)?;
    let databases = scan.databases();
    let cut = barrier::cut(source, &databases.wal)?;
    let mut missing = scan.missing.clone();
    missing.extend(wanted.dumps.failed.iter().cloned());
    missing.extend(wanted.older.iter().flat_map(|older| older.missing.iter().cloned()));
    let taken = wanted.older.as_ref().map_or(cut.at, |older| older.taken);
    let mut stores = cut.pinned;
    missing.extend(cut.failed);
    let others: Vec<RelPath> = databases.others.into_iter().chain(cut.not_wal).collect();
    for path in others {
        match staged::stage(source, &path, scratch) {
            Ok(store) => stores.push(store),
            Err(why) => missing.push(Omission::new(path.as_path(), why)),
        }
    }
    let groups = copy_groups(wanted, &mut scan);
    stores.extend(groups.stores);
    missing.extend(groups.missing);
    alias(&mut stores, &scan.aliases);
    let watch = watch(source, &stores);
    let plain = scan.plain_bytes() + wanted.dumps.whole.iter().map(|(d, _)| d.bytes).sum::<u64>();
    let total_bytes = plain + stores.iter().map(|s| s.bytes).sum::<u64>();
    let files = scan.found.iter().filter(|f| f.class != scan::Class::Dir).count() as u64;
    let links = scan.found.iter().filter(|f| matches!(f.class, scan::Class::Link(_))).count() as u64;
    let total_files = files - links + wanted.dumps.whole.len() as u64;
    let promised = stores.iter().map(Store::promised).collect();
    let manifest = Manifest {
        version: VERSION,
        program: concat!("steady ", env!("CARGO_PKG_VERSION")).to_owned(),
        kind: wanted.kind,
        taken,
        barrier_micros: u64::try_from(cut.held.as_micros()).unwrap_or(u64::MAX),
        stores: promised,
        files: Vec::new(),
        links: Vec::new(),
        folders: Vec::new(),
        missing,
        skipped: scan.skipped.clone(),
        dumps: wanted.dumps.whole.iter().map(|(d, _)| Dump { sha256: String::new(), ..d.clone() }).collect(),
        notes: wanted.notes.clone(),
        scanned: Scanned { files, bytes: total_bytes },
        imported: wanted.older.as_ref().map(|older| older.from.clone()),
    };
    let ledger = Arc::new(Ledger::new(manifest, watch));
    let sources = entries::Sources { scan, stores, copies: groups.copies, dumps: wanted.dumps.whole.clone() };
    let entries = entries::stream(source, sources, &ledger)?;
    let restless = groups.restless;
    Ok(Capture { entries: Box::new(entries), ledger, taken, total_bytes, total_files, restless })
}

struct Groups {
    stores: Vec<Store>,
    copies: BTreeMap<RelPath, TempPath>,
    missing: Vec<Omission>,
    restless: Vec<String>,
}

/// What the groups hold when they are copied takes the place of what the scan had found of them.
fn copy_groups(wanted: &Wanted<'_>, scan: &mut scan::Scan) -> Groups {
    let is_database = |f: &&scan::Found| matches!(f.class, scan::Class::Database { .. });
    let databases = scan.found.iter().filter(is_database).map(|f| f.path.clone()).collect();
    let hands = group::Copier {
        source: wanted.source,
        exclude: wanted.exclude,
        databases: &databases,
        scratch: wanted.scratch,
    };
    let mut all =
        Groups { stores: Vec::new(), copies: BTreeMap::new(), missing: Vec::new(), restless: Vec::new() };
    for group in std::mem::take(&mut scan.groups) {
        let staged = hands.copy_group(&group);
        if staged.restless {
            all.restless.push(group.root().display().to_string());
        }
        all.stores.extend(staged.store);
        all.missing.extend(staged.missing);
        scan.found.retain(|f| {
            let copied = matches!(f.class, scan::Class::Dir | scan::Class::Link(_) | scan::Class::Index);
            !(copied && group.holds(f.path.as_path()))
        });
        for (found, copy) in staged.found {
            all.copies.extend(copy.map(|copy| (found.path.clone(), copy)));
            scan.found.push(found);
        }
    }
    scan.found.sort_by(|a, b| a.path.cmp(&b.path));
    all
}

/// The other names of a database show the same image.
fn alias(stores: &mut Vec<Store>, aliases: &BTreeMap<RelPath, RelPath>) {
    let again: Vec<Store> = aliases
        .iter()
        .filter_map(|(other, leader)| {
            let store = stores.iter().find(|s| s.path == *leader)?;
            Some(Store {
                path: other.clone(),
                facts: store.facts.clone(),
                image: store.image.again(),
                ..*store
            })
        })
        .collect();
    stores.extend(again);
}

fn watch(source: &Path, stores: &[Store]) -> pins::Watch {
    let pinned = stores.iter().filter_map(|s| match &s.image {
        Image::Pinned(pages) => Some(Arc::clone(pages.pin())),
        Image::Copied(_) => None,
    });
    pins::Watch::new(source, &pinned.collect::<Vec<_>>())
}

/// A database that is ready to be read as one unchanging image.
pub(crate) struct Store {
    pub path: RelPath,
    pub bytes: u64,
    pub class: StoreClass,
    pub facts: crate::manifest::StoreFacts,
    pub image: Image,
}

impl Store {
    /// What is known before it is read; the hash is not.
    fn promised(&self) -> StoreFile {
        let (path, facts) = (self.path.clone(), self.facts.clone());
        StoreFile { path, bytes: self.bytes, sha256: String::new(), class: self.class, facts }
    }
}

pub(crate) enum Image {
    /// The pages of a pinned read transaction.
    Pinned(pages::Pages),
    /// A private copy, removed when it was read.
    Copied(Arc<TempPath>),
}

impl Image {
    fn again(&self) -> Self {
        match self {
            Self::Pinned(pages) => Self::Pinned(pages.again()),
            Self::Copied(copy) => Self::Copied(Arc::clone(copy)),
        }
    }
}

/// The data directory's identity: an unmounted disk leaves an empty folder in its place.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Root(Option<(u64, u64)>);

impl Root {
    pub(crate) fn of(source: &Path) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self(std::fs::metadata(source).ok().map(|m| (m.dev(), m.ino())))
    }

    /// What was read of a directory that went away meanwhile is no state of it.
    pub(crate) fn still_there(&self, source: &Path) -> Result<(), BackupError> {
        if *self == Self::of(source) {
            return Ok(());
        }
        let why =
            "it vanished, or was replaced, while it was read; nothing of this attempt counts".to_owned();
        Err(BackupError::Vanished { path: source.to_owned(), why })
    }
}

fn now() -> WallTime {
    steady_clock::now().wall
}

#[cfg(test)]
mod tests;
