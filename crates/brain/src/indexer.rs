//! Brings the index in line with the vault, under a kernel lock, all or nothing.

mod stage;

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
/// From so many known notes on, an empty vault is taken for one that is not mounted.
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
    if matches!(scope, Scope::Changes) && scan.notes.is_empty() && known.len() >= NOT_EMPTIED_AT_ONCE {
        let (path, known) = (run.vault.root().to_owned(), known.len());
        return Err(VaultError::Emptied { path, known }.into());
    }
    let tally = index_notes(run, &scan, &known, &stage)?;

    // A vault that vanished half-way looks like one whose notes were all removed: then nothing counts.
    run.vault.probe()?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stores::{lexical, metadata};
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

        fn run(&self, scope: Scope<'_>) -> Result<IndexReport, IndexError> {
            let now = Timestamp::from_second(1_800_000_000).unwrap();
            run_alone(&Run { vault: &self.vault, data: &self.data(), scope, what: "test", now })
        }

        fn counts(&self, scope: Scope<'_>) -> (usize, usize, usize) {
            let report = self.run(scope).unwrap();
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
        assert_eq!(world.counts(Scope::Changes), (2, 0, 0));
        assert_eq!(world.counts(Scope::Changes), (0, 0, 0));
        // Same content again: the time differs, the hash does not.
        let later = fs::FileTimes::new().set_modified(std::time::SystemTime::UNIX_EPOCH);
        fs::File::options()
            .append(true)
            .open(world.vault.root().join("a.md"))
            .unwrap()
            .set_times(later)
            .unwrap();
        assert_eq!(world.counts(Scope::Changes), (0, 0, 0));
        world.write("a.md", "apricot tree");
        fs::remove_file(world.vault.root().join("sub/b.md")).unwrap();
        assert_eq!(world.counts(Scope::Changes), (1, 1, 0));
        assert_eq!((world.found("apple"), world.found("banana"), world.found("apricot")), (0, 0, 1));
        assert_eq!(world.counts(Scope::Everything), (1, 0, 0));
    }

    #[test]
    fn a_note_that_turns_into_binary_leaves_the_index_and_is_counted() {
        let world = World::new();
        world.write("a.md", "apple");
        world.run(Scope::Changes).unwrap();
        world.write("a.md", b"apple \xff\xfe");
        assert_eq!(world.counts(Scope::Changes), (0, 1, 1));
        assert_eq!(world.found("apple"), 0);
        assert_eq!(world.counts(Scope::Changes), (0, 0, 1));
    }

    #[test]
    fn an_index_lost_or_restored_from_another_time_is_rebuilt() {
        let world = World::new();
        world.write("a.md", "apple");
        world.run(Scope::Changes).unwrap();
        fs::remove_file(world.data().join("lexical.db")).unwrap();
        assert_eq!(world.counts(Scope::Changes), (1, 0, 0));
        assert_eq!(world.found("apple"), 1);
        fs::remove_file(world.data().join("index_tracker.db")).unwrap();
        assert_eq!(world.counts(Scope::Changes), (1, 0, 0));
        assert_eq!(world.found("apple"), 1);
    }

    #[test]
    fn a_vault_that_is_gone_fails_the_run_and_keeps_the_index() {
        let world = World::new();
        world.write("a.md", "apple");
        world.run(Scope::Changes).unwrap();
        fs::rename(world.vault.root(), world.dir.path().join("unmounted")).unwrap();
        assert!(matches!(world.run(Scope::Everything), Err(IndexError::Vault(VaultError::Missing { .. }))));
        assert_eq!(world.found("apple"), 1);
    }

    #[test]
    fn what_an_unreadable_folder_hides_is_not_taken_for_removed() {
        let scan = Scan { blind: HashSet::from(["sub/".to_owned()]), ..Scan::default() };
        let known = ["a.md", "sub/b.md", "subway.md"].map(String::from);
        assert_eq!(gone(known.iter(), &HashSet::from(["a.md"]), &scan), ["subway.md"]);
    }

    #[test]
    fn a_run_over_paths_sees_these_and_what_is_below_them_only() {
        let world = World::new();
        let paths = |names: &[&str]| names.iter().map(|&n| n.to_owned()).collect::<BTreeSet<String>>();
        for name in ["a.md", "b.md", "sub/c.md", "sub/d.md", "subway.md"] {
            world.write(name, "apple");
        }
        assert_eq!(world.counts(Scope::Paths(&paths(&["a.md", "sub"]))), (3, 0, 0));
        assert_eq!(world.found("apple"), 3);
        world.write("a.md", "apricot");
        fs::remove_dir_all(world.vault.root().join("sub")).unwrap();
        assert_eq!(world.counts(Scope::Paths(&paths(&["a.md", "sub", "never.md", ".hidden.md"]))), (1, 2, 0));
        assert_eq!((world.found("apple"), world.found("apricot")), (0, 1));
        assert_eq!(world.counts(Scope::Changes), (2, 0, 0));
    }

    #[test]
    fn links_out_of_the_vault_are_not_followed_when_they_change_either() {
        let world = World::new();
        fs::write(world.dir.path().join("outside.md"), "secret").unwrap();
        std::os::unix::fs::symlink("../outside.md", world.vault.root().join("file.md")).unwrap();
        std::os::unix::fs::symlink("..", world.vault.root().join("folder")).unwrap();
        let paths = BTreeSet::from(["file.md", "folder", "folder/outside.md"].map(String::from));
        assert_eq!(world.counts(Scope::Paths(&paths)), (0, 0, 0));
        assert_eq!(world.found("secret"), 0);
    }

    #[test]
    fn a_vault_that_is_empty_all_at_once_is_taken_for_an_unmounted_one() {
        let world = World::new();
        for i in 0..NOT_EMPTIED_AT_ONCE {
            world.write(&format!("{i}.md"), "apple");
        }
        world.run(Scope::Changes).unwrap();
        for i in 0..NOT_EMPTIED_AT_ONCE {
            fs::remove_file(world.vault.root().join(format!("{i}.md"))).unwrap();
        }
        let refused = world.run(Scope::Changes).unwrap_err();
        assert!(refused.to_string().contains("full_rebuild"), "{refused}");
        assert_eq!(world.found("apple"), NOT_EMPTIED_AT_ONCE);
        world.run(Scope::Everything).unwrap();
        assert_eq!(world.found("apple"), 0);
    }

    #[test]
    fn a_damaged_store_is_set_aside_and_the_index_is_whole_again() {
        let world = World::new();
        world.write("a.md", "#fruit apple");
        for spec in [&lexical::SPEC, &metadata::SPEC, &tracker::SPEC, &crate::stores::vectors::SPEC] {
            world.run(Scope::Changes).unwrap();
            fs::write(spec.path(&world.data()), "scribbled over, and no database any more").unwrap();
            assert_eq!(world.counts(Scope::Changes), (1, 0, 0), "{}", spec.file);
            assert_eq!(world.found("apple"), 1);
        }
        let aside = fs::read_dir(world.data()).unwrap();
        let aside = aside.filter(|e| e.as_ref().unwrap().file_name().to_string_lossy().contains(".corrupt-"));
        assert_eq!(aside.count(), 4);
    }

    #[test]
    fn a_taken_lock_refuses_the_run_and_names_the_holder() {
        let world = World::new();
        let holder = Holder { pid: 1, what: "the other one".into(), since: "2026-01-01T00:00:00Z".into() };
        let _held = FileLock::try_acquire(&world.data().join(LOCK), &holder).unwrap();
        let err = world.run(Scope::Changes).unwrap_err();
        assert!(
            matches!(&err, IndexError::Locked(LockError::Held { holder: Some(h), .. }) if *h == holder),
            "{err}"
        );
    }
}
