//! Brings the index in line with the vault, under a kernel lock, all or nothing.

mod stage;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use steady_disk::{FileLock, Holder, LockError};
use tracing::{info, warn};
use utoipa::ToSchema;

use crate::note;
use crate::stores::connection::StoreError;
use crate::stores::tracker::{self, Tracked};
use crate::vault::{NoteFile, Scan, Skip, Vault, VaultError};
use stage::{Connections, Stage};

pub const LOCK: &str = ".reindex_lock";
/// From so many notes on, a vault that loses all of them at once is taken for one that is not mounted.
const NOT_EMPTIED_AT_ONCE: usize = 5;

#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    #[error(transparent)]
    Locked(#[from] LockError),
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a run looks at.
#[derive(Debug, Clone, Copy)]
pub enum Scope<'a> {
    /// The whole vault; notes that did not change are not read.
    Changes,
    /// These paths, relative to the vault, and what is below them.
    Paths(&'a BTreeSet<String>),
    /// Forget everything and read every note again.
    Everything,
}

/// One run to be made.
#[derive(Debug)]
pub struct Run<'a> {
    pub vault: &'a Vault,
    pub data: &'a Path,
    pub scope: Scope<'a>,
    /// Who runs, for the one who finds the lock taken.
    pub what: &'a str,
    pub now: Timestamp,
}

/// The answer of `POST /api/v1/index`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IndexReport {
    /// Always `ok`; a failed run answers with an error instead.
    pub status: String,
    /// Notes read and put into the index by this run.
    pub notes_processed: usize,
    pub chunks_created: usize,
    pub notes_removed: usize,
    /// Notes which could not be indexed; the log says which and why.
    pub notes_skipped: usize,
    pub message: String,
    /// Which vault and data were meant: a job configured for others must notice.
    #[schema(value_type = String)]
    pub vault: PathBuf,
    #[schema(value_type = String)]
    pub data: PathBuf,
}

/// A run that came to its end.
#[derive(Debug)]
pub struct Ran {
    pub report: IndexReport,
    /// The notes which could not be indexed, and why.
    pub skipped: BTreeMap<String, String>,
}

#[derive(Debug, Default)]
struct Tally {
    processed: usize,
    chunks: usize,
    removed: usize,
    skipped: BTreeMap<String, String>,
}

/// What has to be done with a note, before its content is looked at.
#[derive(Debug, PartialEq, Eq)]
enum Look {
    Unchanged,
    Read,
}

fn look(known: Option<&Tracked>, note: &NoteFile) -> Look {
    match known {
        Some(t) if t.mtime_ns == note.mtime_ns && u64::try_from(t.size) == Ok(note.size) => Look::Unchanged,
        _ => Look::Read,
    }
}

/// Tracked notes which are gone: not seen, and not hidden by something unreadable above them.
fn gone<'a>(known: impl Iterator<Item = &'a String>, seen: &HashSet<&str>, scan: &Scan) -> Vec<&'a String> {
    known
        .filter(|path| !seen.contains(path.as_str()))
        .filter(|path| !scan.blind.iter().any(|dir| path.starts_with(dir.as_str())))
        .collect()
}

/// Runs to the end or changes nothing. Blocks; call it off the reactor.
///
/// One transaction per store: until the commit, searches see the old index, and a kill leaves it. Should the
/// process die between two commits, the stores name different generations and the next run rebuilds them all.
pub fn run(run: &Run<'_>) -> Result<Ran, IndexError> {
    let holder = Holder { pid: std::process::id(), what: run.what.to_owned(), since: run.now.to_string() };
    let _lock = FileLock::try_acquire(&run.data.join(LOCK), &holder)?;
    run.vault.probe()?;
    let mut connections = Connections::open(run.data)?;
    let stage = Stage::begin(&mut connections, run.data)?;

    let agree = stage.generations_agree()?;
    if !agree {
        info!(target: "brain.indexer", "the stores of the index are of different runs; rebuilding them");
    }
    let scope = if agree { run.scope } else { Scope::Everything };
    let rebuild = matches!(scope, Scope::Everything);
    if rebuild {
        stage.clear()?;
    }
    let (scan, known) = match scope {
        Scope::Changes | Scope::Everything => (run.vault.scan()?, stage.tracker(tracker::all)?),
        Scope::Paths(paths) => {
            let at = |db: &rusqlite::Connection| tracker::at_or_below(db, paths.iter().map(String::as_str));
            (run.vault.scan_paths(paths)?, stage.tracker(at)?)
        }
    };
    let tally = index_notes(run, &scan, &known, &stage)?;

    // A vault that vanished half-way looks like one whose notes were all removed: then nothing counts. So does the
    // empty folder that an unmounted volume leaves.
    run.vault.probe()?;
    if !rebuild && tally.removed >= NOT_EMPTIED_AT_ONCE && stage.tracker(tracker::totals)?.0 == 0 {
        return Err(VaultError::Emptied { path: run.vault.root().to_owned(), known: tally.removed }.into());
    }
    if rebuild || tally.removed > 0 {
        stage.sweep()?;
    }
    if rebuild || tally.processed + tally.removed > 0 {
        stage.name_generation(&format!("{} {}", holder.since, holder.pid))?;
    }
    stage.commit()?;
    Ok(ran(run, tally))
}

/// `run` for a program that has no store open itself: what is damaged is begun anew.
pub fn run_alone(one: &Run<'_>) -> Result<IndexReport, IndexError> {
    let again = match run(one) {
        Err(IndexError::Store(e)) if e.damaged_file().is_some() => {
            stage::begin_damaged_anew(&e, one.data, one.now)?;
            run(one)
        }
        ended => ended,
    };
    again.map(|ran| ran.report)
}

fn index_notes(
    run: &Run<'_>,
    scan: &Scan,
    known: &HashMap<String, Tracked>,
    stage: &Stage<'_>,
) -> Result<Tally, IndexError> {
    let mut tally = Tally::default();
    for (path, skip) in &scan.skipped {
        tally.skip(path, skip);
    }
    let mut seen: HashSet<&str> = HashSet::new();
    for file in &scan.notes {
        let before = known.get(&file.path);
        if look(before, file) == Look::Unchanged {
            seen.insert(&file.path);
            continue;
        }
        let text = match run.vault.read(file) {
            Ok(text) => text,
            Err(skip) => {
                tally.skip(&file.path, &skip);
                if matches!(skip, Skip::Unreadable(_)) {
                    seen.insert(&file.path);
                }
                continue;
            }
        };
        seen.insert(&file.path);
        let sha256 = Sha256::digest(text.as_bytes());
        if before.is_some_and(|t| t.sha256 == sha256.as_slice()) {
            stage.touch(file)?;
            continue;
        }
        let note = note::parse(&file.path, &text);
        drop(text);
        tally.chunks += stage.put(file, &note, sha256.as_slice(), run.now)?;
        tally.processed += 1;
    }
    for path in gone(known.keys(), &seen, scan) {
        stage.remove(path)?;
        tally.removed += 1;
    }
    Ok(tally)
}

impl Tally {
    fn skip(&mut self, path: &str, why: &Skip) {
        warn!(target: "brain.indexer", "skipped {path}: {why}");
        self.skipped.insert(path.to_owned(), why.to_string());
    }
}

fn ran(run: &Run<'_>, tally: Tally) -> Ran {
    let Tally { processed, chunks, removed, skipped } = tally;
    let left = skipped.len();
    let message = match (processed, removed) {
        (0, 0) => format!("All notes up to date, skipped {left}"),
        _ => format!("Indexed {processed} notes ({chunks} chunks), removed {removed}, skipped {left}"),
    };
    let report = IndexReport {
        status: "ok".to_owned(),
        notes_processed: processed,
        chunks_created: chunks,
        notes_removed: removed,
        notes_skipped: left,
        message,
        vault: run.vault.root().to_owned(),
        data: run.data.to_owned(),
    };
    Ran { report, skipped }
}
