//! Proves a restore point: every byte is read back, every database is opened, all is compared with the manifest.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use serde::Deserialize;
use sha2::{Digest, Sha256};
use steady_model::backup::StoreEntry;
use steady_model::verification::Slice;

use crate::chosen::Chosen;
use crate::error::BackupError;
use crate::events::Events;
use crate::inspect;
use crate::manifest::{DATA, MANIFEST, Manifest, RelPath, StoreFile, VERSION, hex};
use crate::protocol::Verdict;
use crate::repository::{Contents, Stored, StoredKind};
use crate::workers;

pub(crate) fn manifest(contents: &Contents, id: &str) -> Result<Manifest, BackupError> {
    let bytes = contents.read_path(id, MANIFEST)?;
    let shown = || Path::new(id).join(MANIFEST);
    let read = |e| BackupError::Format { path: shown(), source: e };
    // Twice over the text rather than once into values of any kind: of a million files these take a gigabyte.
    let Head { version: found } = serde_json::from_slice(&bytes).map_err(read)?;
    if found > VERSION {
        return Err(BackupError::Newer { path: shown(), found, known: VERSION });
    }
    serde_json::from_slice(&bytes).map_err(read)
}

#[derive(Deserialize)]
struct Head {
    version: u32,
}

/// Reads a point back from the repository, or a slice of it. `scratch` holds one database for each worker.
pub(crate) fn from_repository(
    contents: &Contents,
    id: &str,
    slice: Option<Slice>,
    scratch: &Path,
    events: &Events,
) -> Result<Verdict, BackupError> {
    let (manifest, tree) = match manifest(contents, id).and_then(|m| Ok((m, contents.walk(id, DATA)?))) {
        Ok(read) => read,
        // What lists the files is lost, and with it the way to each of them.
        Err(error @ (BackupError::Repository { .. } | BackupError::Format { .. })) => {
            return Ok(Verdict {
                problems: vec![format!("the whole point is lost: {error}")],
                ..Verdict::default()
            });
        }
        Err(error) => return Err(error),
    };
    let mine = |name: &str| slice.is_none_or(|slice| is_in(name, slice));
    let sizes = manifest.files.iter().map(|f| (&f.path, f.bytes));
    let sizes = sizes.chain(manifest.stores.iter().map(|s| (&s.path, s.bytes)));
    let sizes = sizes.map(|(path, bytes)| (path.to_string(), bytes));
    let sizes = sizes.chain(manifest.dumps.iter().map(|dump| (dump.place(), dump.bytes)));
    let sizes: Vec<u64> = sizes.filter(|(path, _)| mine(path)).map(|(_, bytes)| bytes).collect();
    events.phase_of("reading the restore point back", sizes.iter().sum(), sizes.len() as u64);
    let mut found = Found::new(&manifest);
    let mut files = Vec::new();
    for stored in tree {
        let Some(path) = found.expected(&stored.path) else { continue };
        if !mine(&path.to_string()) {
            continue;
        }
        if matches!(stored.kind, StoredKind::File) {
            files.push((path, stored));
        } else {
            found.not_a_file(&path);
        }
    }
    for (path, read) in read_all(contents, &found, files, scratch, events)? {
        match read {
            Ok(read) => found.file(&path, read),
            Err(error) => found.lost(&path, &error),
        }
    }
    for dump in &manifest.dumps {
        let shown = dump.place();
        if !mine(&shown) {
            continue;
        }
        let read = read_dump(contents, id, &shown, events);
        events.file_done();
        match read {
            Ok((bytes, sha256)) => {
                if (bytes, &sha256) != (dump.bytes, &dump.sha256) {
                    found
                        .verdict
                        .problems
                        .push(format!("{shown}: it reads back differently from what was backed up"));
                }
            }
            Err(error) => found.verdict.problems.push(format!("{shown}: {error}")),
        }
    }
    Ok(found.verdict())
}

/// A file belongs to the same slice for ever, whatever else the point holds.
fn is_in(name: &str, slice: Slice) -> bool {
    let hash = Sha256::digest(name.as_bytes());
    let number = hash.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    number % u64::from(slice.of) == u64::from(slice.part.saturating_sub(1))
}

/// `pg_restore` read these very bytes when the dump was taken.
fn read_dump(
    contents: &Contents,
    id: &str,
    path: &str,
    events: &Events,
) -> Result<(u64, String), BackupError> {
    let mut sink = Hashing::new(None, events);
    contents.read_file(id, path, &mut sink)?;
    Ok(sink.finish())
}

/// Compares a staged tree with its point's manifest.
pub(crate) fn staged(
    manifest: &Manifest,
    root: &Path,
    only: &Chosen,
    events: &Events,
) -> Result<Verdict, BackupError> {
    let mut found = Found::new(manifest);
    found.open.retain(|p| {
        only.holds(p.as_path()) || only.leads_through(p.as_path()) && manifest.folders.contains(p)
    });
    let mut files = Vec::new();
    for entry in walkdir::WalkDir::new(root).min_depth(1).sort_by_file_name() {
        let entry = entry.map_err(|e| BackupError::io("look at", root)(e.into()))?;
        let relative = entry.path().strip_prefix(root).unwrap_or(entry.path());
        let Some(path) = found.expected(relative) else { continue };
        if !entry.file_type().is_file() {
            found.not_a_file(&path);
            continue;
        }
        files.push((path, entry.into_path()));
    }
    files.sort_by_cached_key(|(_, place)| Reverse(place.metadata().map_or(0, |m| m.len())));
    let work = workers::share(files, |queue| {
        let mut all = Vec::new();
        for (path, place) in queue {
            let mut sink = Hashing::new(None, events);
            let mut file = File::open(&place).map_err(BackupError::io("read back", &place))?;
            io::copy(&mut file, &mut sink).map_err(BackupError::io("read back", &place))?;
            drop(file);
            let (bytes, sha256) = sink.finish();
            events.file_done();
            all.push((Read::new(&found, &path, &place, bytes, &sha256), path));
        }
        Ok(all)
    });
    for (read, path) in in_order(work, |(_, path)| path)? {
        found.file(&path, read);
    }
    Ok(found.verdict())
}

/// A file, and what reading it back brought.
type Answer = (RelPath, Result<Read, BackupError>);

/// Reads files back side by side; the largest first, so that no worker is left with it at the end.
fn read_all(
    contents: &Contents,
    found: &Found<'_>,
    mut files: Vec<(RelPath, Stored)>,
    scratch: &Path,
    events: &Events,
) -> Result<Vec<Answer>, BackupError> {
    files.sort_by_key(|(_, stored)| Reverse(stored.meta.size));
    let work = workers::share(files, |queue| {
        let mut all = Vec::new();
        for (path, stored) in queue {
            // Only a database is opened, so only a database needs a place.
            let mut copy = None;
            if found.manifest.stores.iter().any(|s| s.path == path) {
                let made = tempfile::Builder::new().prefix("verify-").tempfile_in(scratch);
                copy = Some(made.map_err(BackupError::io("create a temporary file in", scratch))?);
            }
            let mut sink = Hashing::new(copy.as_mut().map(|c| c.as_file_mut() as &mut dyn Write), events);
            let done = contents.read(&stored, &mut sink);
            // That there is no room for a copy here says nothing of what is in the repository.
            if let Some(error) = sink.failed.take() {
                return Err(BackupError::io("copy a database, to open it, to", scratch)(error));
            }
            let (bytes, sha256) = sink.finish();
            events.file_done();
            let image = copy.as_ref().map_or(Path::new(""), |c| c.path());
            let read = done.map(|()| Read::new(found, &path, image, bytes, &sha256));
            all.push((path, read));
        }
        Ok(all)
    });
    in_order(work, |(path, _)| path)
}

/// What the workers found, whichever of them was the first.
fn in_order<T>(
    work: Vec<Result<Vec<T>, BackupError>>,
    path: impl Fn(&T) -> &RelPath,
) -> Result<Vec<T>, BackupError> {
    let mut all: Vec<T> = work.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
    all.sort_by(|a, b| path(a).cmp(path(b)));
    Ok(all)
}

/// One file that was read back.
struct Read {
    /// Whether its bytes are those that the manifest speaks of.
    same: bool,
    /// Of a database.
    opened: Option<Opened>,
}

/// A database's image, opened.
struct Opened {
    integrity: String,
    problems: Vec<String>,
}

impl Read {
    /// `image` is where the bytes of a database are now.
    fn new(found: &Found<'_>, path: &RelPath, image: &Path, bytes: u64, sha256: &str) -> Self {
        let same = found.hashes.get(path) == Some(&(bytes, sha256));
        let store = found.manifest.stores.iter().find(|s| s.path == *path);
        let changed =
            || Opened { integrity: "not the bytes that were backed up".to_owned(), problems: Vec::new() };
        Self { same, opened: store.map(|store| if same { Opened::of(store, image) } else { changed() }) }
    }
}

impl Opened {
    fn of(store: &StoreFile, image: &Path) -> Self {
        let db = match inspect::open_image(image) {
            Ok(db) => db,
            Err(e) => return Self { integrity: inspect::reason(&e), problems: Vec::new() },
        };
        let mut problems = Vec::new();
        if let Some(problem) = &store.facts.problem {
            problems.push(format!("its rows could not be counted: {problem}"));
        }
        let integrity = inspect::integrity(&db);
        match inspect::rows(&db) {
            Ok(rows) if rows == store.facts.rows || store.facts.problem.is_some() => {}
            Ok(_) => problems.push("its rows are not those of the moment it was taken".to_owned()),
            Err(e) => problems.push(format!("its rows cannot be counted: {}", inspect::reason(&e))),
        }
        Self { integrity, problems }
    }
}

/// Bytes and hash of each file and database, as promised.
type Hashes<'a> = BTreeMap<&'a RelPath, (u64, &'a str)>;

fn hashes(manifest: &Manifest) -> Hashes<'_> {
    let files = manifest.files.iter().map(|f| (&f.path, (f.bytes, f.sha256.as_str())));
    files.chain(manifest.stores.iter().map(|s| (&s.path, (s.bytes, s.sha256.as_str())))).collect()
}

/// What was found so far, against what the manifest promises.
struct Found<'a> {
    manifest: &'a Manifest,
    hashes: Hashes<'a>,
    /// Promised and not seen yet.
    open: BTreeSet<&'a RelPath>,
    verdict: Verdict,
}

impl<'a> Found<'a> {
    fn new(manifest: &'a Manifest) -> Self {
        let hashes = hashes(manifest);
        let mut open: BTreeSet<_> = hashes.keys().copied().collect();
        open.extend(manifest.links.iter().map(|l| &l.path));
        open.extend(&manifest.folders);
        Self { manifest, hashes, open, verdict: Verdict::default() }
    }

    /// The entry's path when the manifest knows it; what it does not know is a problem.
    fn expected(&mut self, path: &Path) -> Option<RelPath> {
        let Some(relative) = RelPath::new(path) else {
            self.verdict.problems.push(format!("{}: its path leads out of the data", path.display()));
            return None;
        };
        if self.open.remove(&relative) {
            return Some(relative);
        }
        self.problem(&relative, "nothing in the manifest speaks of it");
        None
    }

    fn problem(&mut self, path: &RelPath, what: impl std::fmt::Display) {
        self.verdict.problems.push(format!("{path}: {what}"));
    }

    fn lost(&mut self, path: &RelPath, error: &BackupError) {
        let why = match error {
            BackupError::Repository { why, .. } => why.clone(),
            other => other.to_string(),
        };
        self.problem(
            path,
            format!("it is lost in this point, because the repository is damaged there: {why}"),
        );
        if let Some(store) = self.manifest.stores.iter().find(|s| s.path == *path) {
            self.verdict.stores.push(store.entry("lost".to_owned()));
        }
    }

    fn not_a_file(&mut self, path: &RelPath) {
        if self.hashes.contains_key(path) {
            self.problem(path, "it is not a file any more");
        }
    }

    fn file(&mut self, path: &RelPath, read: Read) {
        if !read.same {
            self.problem(path, "it reads back differently from what was backed up");
        }
        let manifest = self.manifest;
        let store = manifest.stores.iter().find(|s| s.path == *path);
        let (Some(store), Some(Opened { integrity, problems })) = (store, read.opened) else { return };
        for problem in problems {
            self.problem(path, problem);
        }
        if read.same && integrity != "ok" {
            self.problem(path, &integrity);
        }
        self.verdict.stores.push(store.entry(integrity));
    }

    fn verdict(mut self) -> Verdict {
        for path in &self.open {
            self.verdict.problems.push(format!("{path}: it is not in the restore point"));
        }
        let unopened = self.manifest.stores.iter().filter(|s| self.open.contains(&s.path));
        self.verdict.stores.extend(unopened.map(|s| -> StoreEntry { s.entry("lost".to_owned()) }));
        self.verdict.stores.sort_by(|a, b| a.path.cmp(&b.path));
        self.verdict
    }
}

/// Hashes what goes through it, to a copy or to nowhere.
struct Hashing<'a> {
    into: Option<&'a mut dyn Write>,
    /// Why the copy could not be written.
    failed: Option<io::Error>,
    bytes: u64,
    hash: Sha256,
    events: &'a Events,
}

impl<'a> Hashing<'a> {
    fn new(into: Option<&'a mut dyn Write>, events: &'a Events) -> Self {
        Self { into, failed: None, bytes: 0, hash: Sha256::new(), events }
    }

    fn finish(self) -> (u64, String) {
        (self.bytes, hex(&self.hash.finalize()))
    }
}

impl Write for Hashing<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        if let Some(into) = &mut self.into {
            into.write_all(buf).map_err(|error| {
                let told = io::Error::from(error.kind());
                self.failed = Some(error);
                told
            })?;
        }
        self.hash.update(buf);
        self.bytes += buf.len() as u64;
        self.events.advance(buf.len() as u64);
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
