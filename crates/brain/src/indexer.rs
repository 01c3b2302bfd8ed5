//! Brings the index in line with the vault, under a kernel lock, all or nothing.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use steady_disk::{FileLock, Holder, LockError};
use tracing::{info, warn};
use utoipa::ToSchema;

use crate::note;
use crate::stores::connection::{Spec, StoreError};
use crate::stores::tracker::Tracked;
use crate::stores::{generation, lexical, tracker};
use crate::vault::{NoteFile, Scan, Skip, Vault, VaultError};

pub const LOCK: &str = ".reindex_lock";

#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    #[error(transparent)]
    Locked(#[from] LockError),
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// One run to be made.
#[derive(Debug)]
pub struct Run<'a> {
    pub vault: &'a Vault,
    pub data: &'a Path,
    /// Forget everything and read every note again.
    pub full: bool,
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

#[derive(Debug, Default)]
struct Tally {
    processed: usize,
    chunks: usize,
    removed: usize,
    skipped: usize,
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

/// One store's open write transaction with the words for its failures.
struct Writer<'a> {
    tx: Transaction<'a>,
    spec: &'static Spec,
    data: &'a Path,
}

impl<'a> Writer<'a> {
    fn begin(db: &'a mut Connection, spec: &'static Spec, data: &'a Path) -> Result<Self, StoreError> {
        let tx = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(spec.refused(data))?;
        Ok(Self { tx, spec, data })
    }

    fn with<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        work(&self.tx).map_err(self.spec.refused(self.data))
    }

    fn commit(self) -> Result<(), StoreError> {
        self.tx.commit().map_err(self.spec.refused(self.data))
    }
}

/// Runs to the end or changes nothing. Blocks; call it off the reactor.
///
/// One transaction per store: until the commit, searches see the old index, and a kill leaves it. The
/// index commits first; should the process die between the two commits, the generations differ and the
/// next run rebuilds.
pub fn run(run: &Run<'_>) -> Result<IndexReport, IndexError> {
    let holder = Holder { pid: std::process::id(), what: run.what.to_owned(), since: run.now.to_string() };
    let _lock = FileLock::try_acquire(&run.data.join(LOCK), &holder)?;
    let scan = run.vault.scan()?;
    let (mut lexical_db, mut tracker_db) = (lexical::SPEC.open(run.data)?, tracker::SPEC.open(run.data)?);
    let lexical = Writer::begin(&mut lexical_db, &lexical::SPEC, run.data)?;
    let tracker = Writer::begin(&mut tracker_db, &tracker::SPEC, run.data)?;

    let agree = lexical.with(generation::read)? == tracker.with(generation::read)?;
    if !agree {
        info!(target: "brain.indexer", "the index and its tracker are of different runs; rebuilding both");
    }
    let rebuild = run.full || !agree;
    if rebuild {
        lexical.with(lexical::clear)?;
        tracker.with(tracker::clear)?;
    }
    let tally = index_notes(run, &scan, &lexical, &tracker)?;

    // A vault that vanished half-way looks like one whose notes were all removed: then nothing counts.
    run.vault.probe()?;
    if rebuild || tally.processed + tally.removed > 0 {
        let name = format!("{} {}", holder.since, holder.pid);
        lexical.with(|db| generation::write(db, &name))?;
        tracker.with(|db| generation::write(db, &name))?;
    }
    lexical.commit()?;
    tracker.commit()?;
    Ok(report(run, &tally))
}

fn index_notes(
    run: &Run<'_>,
    scan: &Scan,
    lexical: &Writer<'_>,
    tracker: &Writer<'_>,
) -> Result<Tally, IndexError> {
    let known = tracker.with(tracker::all)?;
    let mut tally = Tally { skipped: scan.skipped.len(), ..Tally::default() };
    for (path, skip) in &scan.skipped {
        warn!(target: "brain.indexer", "skipped {path}: {skip}");
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
                warn!(target: "brain.indexer", "skipped {}: {skip}", file.path);
                tally.skipped += 1;
                if matches!(skip, Skip::Unreadable(_)) {
                    seen.insert(&file.path);
                }
                continue;
            }
        };
        seen.insert(&file.path);
        let sha256 = Sha256::digest(text.as_bytes());
        if before.is_some_and(|t| t.sha256 == sha256.as_slice()) {
            tracker.with(|db| tracker::touch(db, file))?;
            continue;
        }
        let chunks = lexical.with(|db| lexical::put(db, &file.path, &note::parse(&file.path, &text)))?;
        tracker.with(|db| tracker::put(db, file, sha256.as_slice(), chunks, run.now))?;
        tally.processed += 1;
        tally.chunks += chunks;
    }
    for path in gone(known.keys(), &seen, scan) {
        lexical.with(|db| lexical::remove(db, path))?;
        tracker.with(|db| tracker::remove(db, path))?;
        tally.removed += 1;
    }
    Ok(tally)
}

fn report(run: &Run<'_>, tally: &Tally) -> IndexReport {
    let Tally { processed, chunks, removed, skipped } = *tally;
    let message = match (processed, removed) {
        (0, 0) => format!("All notes up to date, skipped {skipped}"),
        _ => format!("Indexed {processed} notes ({chunks} chunks), removed {removed}, skipped {skipped}"),
    };
    IndexReport {
        status: "ok".to_owned(),
        notes_processed: processed,
        chunks_created: chunks,
        notes_removed: removed,
        notes_skipped: skipped,
        message,
        vault: run.vault.root().to_owned(),
        data: run.data.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    struct World {
        dir: tempfile::TempDir,
        vault: Vault,
    }

    impl World {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            fs::create_dir_all(dir.path().join("vault/sub")).unwrap();
            fs::create_dir(dir.path().join("data")).unwrap();
            let vault = Vault::new(dir.path().join("vault"));
            Self { dir, vault }
        }

        fn data(&self) -> PathBuf {
            self.dir.path().join("data")
        }

        fn write(&self, name: &str, content: impl AsRef<[u8]>) {
            fs::write(self.dir.path().join("vault").join(name), content).unwrap();
        }

        fn run(&self, full: bool) -> Result<IndexReport, IndexError> {
            let now = Timestamp::from_second(1_800_000_000).unwrap();
            run(&Run { vault: &self.vault, data: &self.data(), full, what: "test", now })
        }

        fn counts(&self, full: bool) -> (usize, usize, usize) {
            let report = self.run(full).unwrap();
            (report.notes_processed, report.notes_removed, report.notes_skipped)
        }

        fn found(&self, typed: &str) -> usize {
            lexical::search(&lexical::SPEC.open(&self.data()).unwrap(), typed, 100).unwrap().len()
        }
    }

    #[test]
    fn only_changed_notes_are_read_again_and_removed_ones_leave() {
        let world = World::new();
        world.write("a.md", "apple");
        world.write("sub/b.md", "banana");
        assert_eq!(world.counts(false), (2, 0, 0));
        assert_eq!(world.counts(false), (0, 0, 0));
        // Same content again: the time differs, the hash does not.
        let later = fs::FileTimes::new().set_modified(std::time::SystemTime::UNIX_EPOCH);
        fs::File::options()
            .append(true)
            .open(world.vault.root().join("a.md"))
            .unwrap()
            .set_times(later)
            .unwrap();
        assert_eq!(world.counts(false), (0, 0, 0));
        world.write("a.md", "apricot tree");
        fs::remove_file(world.vault.root().join("sub/b.md")).unwrap();
        assert_eq!(world.counts(false), (1, 1, 0));
        assert_eq!((world.found("apple"), world.found("banana"), world.found("apricot")), (0, 0, 1));
        assert_eq!(world.counts(true), (1, 0, 0));
    }

    #[test]
    fn a_note_that_turns_into_binary_leaves_the_index_and_is_counted() {
        let world = World::new();
        world.write("a.md", "apple");
        world.run(false).unwrap();
        world.write("a.md", b"apple \xff\xfe");
        assert_eq!(world.counts(false), (0, 1, 1));
        assert_eq!(world.found("apple"), 0);
        assert_eq!(world.counts(false), (0, 0, 1));
    }

    #[test]
    fn an_index_lost_or_restored_from_another_time_is_rebuilt() {
        let world = World::new();
        world.write("a.md", "apple");
        world.run(false).unwrap();
        fs::remove_file(world.data().join("lexical.db")).unwrap();
        assert_eq!(world.counts(false), (1, 0, 0));
        assert_eq!(world.found("apple"), 1);
        fs::remove_file(world.data().join("index_tracker.db")).unwrap();
        assert_eq!(world.counts(false), (1, 0, 0));
        assert_eq!(world.found("apple"), 1);
    }

    #[test]
    fn a_vault_that_is_gone_fails_the_run_and_keeps_the_index() {
        let world = World::new();
        world.write("a.md", "apple");
        world.run(false).unwrap();
        fs::rename(world.vault.root(), world.dir.path().join("unmounted")).unwrap();
        assert!(matches!(world.run(true), Err(IndexError::Vault(VaultError::Missing { .. }))));
        assert_eq!(world.found("apple"), 1);
    }

    #[test]
    fn what_an_unreadable_folder_hides_is_not_taken_for_removed() {
        let scan = Scan { blind: HashSet::from(["sub/".to_owned()]), ..Scan::default() };
        let known = ["a.md", "sub/b.md", "subway.md"].map(String::from);
        assert_eq!(gone(known.iter(), &HashSet::from(["a.md"]), &scan), ["subway.md"]);
    }

    #[test]
    fn a_taken_lock_refuses_the_run_and_names_the_holder() {
        let world = World::new();
        let holder = Holder { pid: 1, what: "the other one".into(), since: "2026-01-01T00:00:00Z".into() };
        let _held = FileLock::try_acquire(&world.data().join(LOCK), &holder).unwrap();
        let err = world.run(false).unwrap_err();
        assert!(
            matches!(&err, IndexError::Locked(LockError::Held { holder: Some(h), .. }) if *h == holder),
            "{err}"
        );
    }
}
