//! Reads a data directory that is in use: what is there, one common cut of its databases, and a stream of
//! entries for the repository.
//!
//! Must never write to a user's file, checkpoint their databases, or open a live database file by itself while
//! this process holds an SQLite connection to it (closing it would drop SQLite's POSIX locks).

mod barrier;
mod entries;
mod exclude;
mod ledger;
mod pages;
mod plain;
mod scan;
mod staged;

use std::path::Path;
use std::sync::Arc;

use steady_model::backup::PointKind;

use crate::error::BackupError;
use crate::manifest::{Manifest, Omission, RelPath, VERSION};
use crate::repository::Entries;

pub(crate) use exclude::Exclude;
pub(crate) use ledger::Ledger;
pub(crate) use scan::{meta as file_meta, sniff_sqlite};

/// A data directory, cut and ready to be streamed.
pub(crate) struct Capture {
    /// In the repository's order; the manifest last, when all others were read.
    pub entries: Entries,
    /// What became of each file; complete when the entries were consumed.
    pub ledger: Arc<Ledger>,
    pub taken: steady_model::time::WallTime,
    pub total_bytes: u64,
}

/// Scans `source`, takes the cut, and hands out the stream. `scratch` holds copies of databases not in WAL mode.
pub(crate) fn capture(
    source: &Path,
    exclude: &Exclude,
    scratch: &Path,
    kind: PointKind,
) -> Result<Capture, BackupError> {
    let scan = scan::scan(source, exclude)?;
    let databases = scan.databases();
    let cut = barrier::cut(source, &databases.wal);
    let mut missing = scan.missing.clone();
    let mut stores = cut.pinned;
    missing.extend(cut.failed);
    let others: Vec<RelPath> = databases.others.into_iter().chain(cut.not_wal).collect();
    for path in others {
        match staged::stage(source, &path, scratch) {
            Ok(store) => stores.push(store),
            Err(why) => missing.push(Omission::new(path.as_path(), why)),
        }
    }
    let total_bytes = scan.plain_bytes() + stores.iter().map(|s| s.bytes).sum::<u64>();
    let manifest = Manifest {
        version: VERSION,
        program: concat!("steady ", env!("CARGO_PKG_VERSION")).to_owned(),
        kind,
        taken: cut.at,
        barrier_micros: u64::try_from(cut.held.as_micros()).unwrap_or(u64::MAX),
        stores: Vec::new(),
        files: Vec::new(),
        links: Vec::new(),
        folders: Vec::new(),
        missing,
        skipped: scan.skipped.clone(),
    };
    let ledger = Arc::new(Ledger::new(manifest));
    let entries = entries::stream(source.to_owned(), scan, stores, Arc::clone(&ledger));
    Ok(Capture { entries: Box::new(entries), ledger, taken: cut.at, total_bytes })
}

/// A database that is ready to be read as one unchanging image.
pub(crate) struct Store {
    pub path: RelPath,
    pub bytes: u64,
    pub facts: crate::manifest::StoreFacts,
    pub image: Image,
}

pub(crate) enum Image {
    /// The pages of a pinned read transaction.
    Pinned(pages::Pages),
    /// A private copy, removed when it was read.
    Copied(tempfile::TempPath),
}

fn now() -> steady_model::time::WallTime {
    steady_clock::now().wall
}
