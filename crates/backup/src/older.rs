//! Takes in a copy of the data directory that something else made before, as a restore point of that day.
//!
//! Nothing is ever written to such a copy, and no SQLite opens it: a database in it may have come with its `-wal` or
//! its journal, which SQLite would play into it. A copy of the copy is what is opened, as after a crash.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::Connection;
use steady_model::backup::PointKind;
use steady_model::config::FileClass;
use steady_model::time::WallTime;
use steady_model::words;
use walkdir::WalkDir;

use crate::capture::{self, Classes, Dumps, Exclude, Older, sniff_sqlite};
use crate::error::BackupError;
use crate::events::Events;
use crate::manifest::Omission;
use crate::plan;
use crate::protocol::{Done, Taken};
use crate::repository::{Entries, Repository};
use crate::restore::{copy_entry, dress_like};

const TAG: &str = "imported";

pub(crate) struct Wanted<'a> {
    pub from: &'a Path,
    pub taken: WallTime,
    pub exclude: &'a [String],
    pub classes: &'a BTreeMap<String, FileClass>,
}

pub(crate) fn take_in(
    repository: Repository,
    wanted: &Wanted<'_>,
    scratch: &Path,
    events: &Arc<Events>,
) -> Result<Done, BackupError> {
    let from = wanted.from;
    let bytes = size(from);
    let free = plan::free(scratch)?;
    if free < bytes {
        let (free, needed) = (words::bytes(free), words::bytes(bytes));
        let why = format!("it needs {needed} beside the repository for a while, and {free} are free");
        return Err(BackupError::Import { path: from.to_owned(), why });
    }
    let copy = scratch.join("older");
    events.phase("copying the older copy", bytes);
    let missing = copied(from, &copy, |bytes| events.advance(bytes))?;
    settle(&copy);
    let shown = from.display().to_string();
    let note = format!(
        "Imported from {shown}. Something else copied it, maybe while it was written: until it is verified nobody \
         knows whether its databases are whole."
    );
    let older = Older { from: shown, taken: wanted.taken, missing };
    let capture = capture::capture(&capture::Wanted {
        source: &copy,
        exclude: &Exclude::new(wanted.exclude)?,
        classes: &Classes::new(wanted.classes)?,
        scratch,
        kind: PointKind::Manual,
        dumps: Dumps::default(),
        notes: vec![note],
        older: Some(older),
    })?;
    events.phase("storing the older copy", capture.total_bytes);
    let counter = Arc::clone(events);
    let entries: Entries = Box::new(capture.entries.map(move |entry| counter.count(entry)));
    let appended = repository.append(entries, from, wanted.taken.0, TAG)?;
    let manifest = capture.ledger.finished()?;
    // What is left of it goes with the next work of an engine.
    let _ = std::fs::remove_dir_all(&copy);
    let point = manifest.point(appended.id, appended.added);
    Ok(Done::Taken(Box::new(Taken { point, barrier_micros: 0 })))
}

fn size(folder: &Path) -> u64 {
    let files = WalkDir::new(folder).into_iter().filter_map(|entry| entry.ok()?.metadata().ok());
    files.filter(std::fs::Metadata::is_file).map(|metadata| metadata.len()).sum()
}

/// Copies what can be read, with modes, times and attributes; the rest is named.
fn copied(from: &Path, to: &Path, on_bytes: impl Fn(u64)) -> Result<Vec<Omission>, BackupError> {
    let mut missing = Vec::new();
    let mut folders: Vec<(PathBuf, PathBuf)> = Vec::new();
    for entry in WalkDir::new(from).follow_links(false).sort_by_file_name() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                let path = error.path().unwrap_or(from).to_owned();
                let why =
                    error.into_io_error().map_or_else(|| "a loop of links".to_owned(), |e| e.to_string());
                missing.push(Omission::new(below(from, &path), why));
                continue;
            }
        };
        let place = to.join(below(from, entry.path()));
        if entry.file_type().is_dir() {
            std::fs::create_dir(&place).map_err(BackupError::io("create the folder", &place))?;
            folders.push((entry.path().to_owned(), place));
            continue;
        }
        match copy_entry(entry.path(), &place) {
            Ok(()) => on_bytes(entry.metadata().map_or(0, |metadata| metadata.len())),
            Err(BackupError::Io { source, path, .. })
                if path == entry.path() || readable(entry.path()).is_err() =>
            {
                missing.push(Omission::new(below(from, entry.path()), source.to_string()));
            }
            Err(error) => return Err(error),
        }
    }
    for (from, to) in folders.iter().rev() {
        dress_like(from, to)?;
    }
    Ok(missing)
}

fn readable(file: &Path) -> std::io::Result<()> {
    std::fs::File::open(file).map(drop)
}

fn below<'a>(root: &Path, path: &'a Path) -> &'a Path {
    path.strip_prefix(root).unwrap_or(path)
}

/// Lets SQLite end what the copied databases were in the middle of, as it does after a crash. One that cannot be
/// opened is named by the capture.
fn settle(copy: &Path) {
    for entry in WalkDir::new(copy).follow_links(false).into_iter().filter_map(Result::ok) {
        let is_database = entry.file_type().is_file() && matches!(sniff_sqlite(entry.path()), Ok(Some(_)));
        if !is_database {
            continue;
        }
        let times = std::fs::metadata(entry.path()).and_then(|metadata| metadata.modified());
        if let Ok(db) = Connection::open(entry.path()) {
            let _ = db.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()));
            let _ = db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        }
        // The point says when the database was written, not when it was opened here.
        if let (Ok(modified), Ok(file)) = (times, std::fs::File::options().write(true).open(entry.path())) {
            let _ = file.set_modified(modified);
        }
    }
}
