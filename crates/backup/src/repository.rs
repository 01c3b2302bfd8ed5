//! The repository in the restic format. Every type of `rustic_core` stays in this module.
//!
//! `rustic_core` has no locks, ignores files that fail to be read, and panics in its own restore: so callers
//! hold [`crate::engine`]'s lock, count what was read themselves, and restore through [`Contents`].

mod bars;
mod disk;
mod key_file;
mod node;
mod prune;
mod site;
mod source;

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytesize::ByteSize;
use jiff::Timestamp;
use rustic_core::repofile::{Chunker, MasterKey, Node, SnapshotFile};
use rustic_core::{
    BackupOptions, ConfigOptions, Credentials, IndexedFullStatus, KeyOptions, LsOptions, NoProgressBars,
    OpenStatus, ProgressBars, RepositoryBackends, RepositoryOptions, RusticError, SnapshotOptions,
    WriteBackend,
};
use steady_disk::fsync_dir;

use crate::error::BackupError;
use crate::key::KeyPlace;
use node::{from_node, kind};
pub(crate) use site::Site;
use source::Source;

/// What is known of a file beside its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Meta {
    /// Unix permission bits, `0o7777`.
    pub mode: u32,
    pub modified: Timestamp,
    pub uid: u32,
    pub gid: u32,
    pub device: u64,
    pub inode: u64,
    /// Names of this file; those with the same `device` and `inode` are one file.
    pub links: u64,
    pub size: u64,
    pub attributes: crate::attributes::Attributes,
}

pub(crate) type Opener = Box<dyn FnOnce() -> std::io::Result<Box<dyn Read + Send>> + Send>;

/// What goes into a snapshot. Files are opened when their turn comes.
pub(crate) enum Content {
    Dir,
    File(Opener),
    Link(PathBuf),
}

pub(crate) struct Entry {
    /// In the snapshot; entries come sorted, a folder before what is in it.
    pub path: PathBuf,
    pub meta: Meta,
    pub content: Content,
}

pub(crate) type Entries = Box<dyn Iterator<Item = Entry> + Send>;

/// An opened repository.
pub(crate) struct Repository {
    at: PathBuf,
    backend: Arc<dyn WriteBackend>,
    open: rustic_core::Repository<OpenStatus>,
}

pub(crate) struct Appended {
    pub id: String,
    /// Bytes that are new in the repository.
    pub added: u64,
}

/// Fixed-size chunks that are small enough for pages and large enough for the index.
fn chunk_size(data_bytes: u64) -> ByteSize {
    const SMALL: u64 = 4 << 30;
    const MEDIUM: u64 = 16 << 30;
    ByteSize::kib(if data_bytes <= SMALL {
        32
    } else if data_bytes <= MEDIUM {
        64
    } else {
        128
    })
}

fn connect(
    site: &Site,
    bars: impl ProgressBars,
) -> Result<(rustic_core::Repository<()>, Arc<dyn WriteBackend>), BackupError> {
    let backend = site.backend()?;
    let backends = RepositoryBackends::new(Arc::clone(&backend), None);
    let options = RepositoryOptions::default().no_cache(true);
    let new = rustic_core::Repository::new_with_progress(&options, &backends, bars);
    Ok((new.map_err(failed("open", &site.shown()))?, backend))
}

impl Repository {
    /// Creates a repository in the folder `at`, which must not hold one.
    pub(crate) fn init(at: &Path, password: &str, data_bytes: u64) -> Result<(), BackupError> {
        // What is written is not decrypted again at once: a point is read back whole when it is verified, from the
        // disk and not from memory.
        let config = ConfigOptions::default()
            .set_chunker(Chunker::FixedSize)
            .set_chunk_size(chunk_size(data_bytes))
            .set_extra_verify(false);
        let master = MasterKey::new();
        connect(&Site::folder(at), NoProgressBars)?
            .0
            .init(&Credentials::Masterkey(master.clone()), &KeyOptions::default(), &config)
            .map_err(failed("be created", at))?;
        key_file::write(at, password, &master)?;
        flush(at)
    }

    pub(crate) fn open(at: &Path, password: &str, key: &KeyPlace) -> Result<Self, BackupError> {
        Self::open_telling(&Site::folder(at), password, key, NoProgressBars)
    }

    /// As [`Self::open`], wherever it is.
    pub(crate) fn open_at(site: &Site, password: &str, key: &KeyPlace) -> Result<Self, BackupError> {
        Self::open_telling(site, password, key, NoProgressBars)
    }

    fn open_telling(
        site: &Site,
        password: &str,
        key: &KeyPlace,
        bars: impl ProgressBars,
    ) -> Result<Self, BackupError> {
        let at = site.shown();
        let (closed, backend) = connect(site, bars)?;
        let open = closed.open(&Credentials::password(password)).map_err(|error| {
            if error.is_incorrect_password() {
                BackupError::WrongKey { path: at.clone(), key: key.clone() }
            } else {
                failed("open", &at)(error)
            }
        })?;
        Ok(Self { at, backend, open })
    }

    /// Adds a snapshot of `entries`. `source` is where they came from, for people who list it.
    pub(crate) fn append(
        self,
        entries: Entries,
        source: &Path,
        taken: Timestamp,
        tag: &str,
    ) -> Result<Appended, BackupError> {
        let Self { at, open, .. } = self;
        let repo = open.to_indexed_ids().map_err(index_failed(&at))?;
        let snapshot = SnapshotOptions::default()
            .command(Some("steady backup".to_owned()))
            .time(taken.to_zoned(jiff::tz::TimeZone::UTC))
            .label(Some("steady".to_owned()))
            .add_tags(tag)
            .and_then(|options| options.to_snapshot())
            .map_err(failed("describe the restore point", &at))?;
        // Without a parent: a commit touches only the `-wal`, so size and time of a database say nothing.
        let mut options = BackupOptions::default();
        options.parent_opts.force = true;
        let source_entries = Source::new(entries);
        let saved = repo
            .archive(&options, &source_entries, snapshot, &[source.to_owned()])
            .map_err(failed("take the restore point", &at))?;
        flush(&at)?;
        let added = saved.summary.as_ref().map_or(0, |s| s.data_added_packed);
        Ok(Appended { id: hex_id(&saved), added })
    }

    /// Opens the repository for reading what its snapshots hold.
    pub(crate) fn contents(self) -> Result<Contents, BackupError> {
        let Self { at, backend, open } = self;
        let repo = open.to_indexed().map_err(index_failed(&at))?;
        Ok(Contents { at, backend, repo })
    }
}

fn hex_id(snapshot: &SnapshotFile) -> String {
    snapshot.id.to_hex().as_str().to_owned()
}

/// What the snapshots of a repository hold.
pub(crate) struct Contents {
    at: PathBuf,
    backend: Arc<dyn WriteBackend>,
    repo: rustic_core::Repository<IndexedFullStatus>,
}

/// A stored entry; opaque but for what a restore needs.
pub(crate) struct Stored {
    /// Below the folder that was walked.
    pub path: PathBuf,
    pub meta: Meta,
    pub kind: StoredKind,
    node: Node,
}

/// Equal for files of the same bytes.
#[derive(PartialEq, Eq)]
pub(crate) struct ContentId(Vec<String>);

impl Stored {
    pub(crate) fn content(&self) -> ContentId {
        let chunks = self.node.content.iter().flatten();
        ContentId(chunks.map(|id| id.to_hex().as_str().to_owned()).collect())
    }
}

pub(crate) enum StoredKind {
    Dir,
    File,
    Link(PathBuf),
    /// Something that no backup of ours writes.
    Other(String),
}

impl Contents {
    /// Ids of all snapshots, oldest first, with the bytes that each added.
    pub(crate) fn snapshots(&self) -> Result<Vec<(String, u64)>, BackupError> {
        let mut all = self.repo.get_all_snapshots().map_err(failed("list its restore points", &self.at))?;
        all.sort_by(|a, b| a.time.cmp(&b.time));
        Ok(all.iter().map(|s| (hex_id(s), s.summary.as_ref().map_or(0, |s| s.data_added_packed))).collect())
    }

    fn node(&self, id: &str, path: &str) -> Result<Node, BackupError> {
        // A full id only: a prefix or `latest` would let the point change under the caller.
        let full = id.len() == 64 && id.bytes().all(|b| b.is_ascii_hexdigit());
        let found = if full { self.repo.get_snapshots(&[id]).ok() } else { None };
        let snapshot = found
            .and_then(|list| list.into_iter().next())
            .ok_or_else(|| BackupError::NoSuchPoint { id: id.to_owned() })?;
        self.repo
            .node_from_snapshot_and_path(&snapshot, path)
            .map_err(failed("read a restore point", &self.at))
    }

    /// Everything below `folder` of a snapshot, a folder before what is in it.
    pub(crate) fn walk(&self, id: &str, folder: &str) -> Result<Vec<Stored>, BackupError> {
        self.listed(&self.node(id, folder)?, &LsOptions::default())
    }

    /// What lies in `path` of a snapshot, and nothing below that; of a file, itself.
    pub(crate) fn level(&self, id: &str, path: &str) -> Result<Vec<Stored>, BackupError> {
        self.listed(&self.node(id, path)?, &LsOptions::default().recursive(false))
    }

    fn listed(&self, root: &Node, how: &LsOptions) -> Result<Vec<Stored>, BackupError> {
        let nodes = self.repo.ls(root, how).map_err(failed("list a restore point", &self.at))?;
        nodes
            .map(|item| {
                let (path, node) = item.map_err(failed("list a restore point", &self.at))?;
                Ok(Stored { path, meta: from_node(&node), kind: kind(&node), node })
            })
            .collect()
    }

    /// The folder itself.
    pub(crate) fn folder(&self, id: &str, folder: &str) -> Result<Meta, BackupError> {
        self.node(id, folder).map(|node| from_node(&node))
    }

    pub(crate) fn read(&self, stored: &Stored, mut into: &mut dyn Write) -> Result<(), BackupError> {
        self.repo.dump(&stored.node, &mut into).map_err(failed("read back a file", &self.at))
    }

    /// A small file by its path in the snapshot.
    pub(crate) fn read_path(&self, id: &str, path: &str) -> Result<Vec<u8>, BackupError> {
        let mut bytes = Vec::new();
        self.read_file(id, path, &mut bytes)?;
        Ok(bytes)
    }

    /// A file by its path in the snapshot.
    pub(crate) fn read_file(
        &self,
        id: &str,
        path: &str,
        mut into: &mut dyn Write,
    ) -> Result<(), BackupError> {
        let node = self.node(id, path)?;
        self.repo.dump(&node, &mut into).map_err(failed("read back a file", &self.at))
    }
}

/// rustic's own texts carry backtraces: the first line is for people.
fn failed(action: &'static str, at: &Path) -> impl Fn(Box<RusticError>) -> BackupError {
    let path = at.to_owned();
    move |error| {
        if let Some(refused) = disk::refusal(&*error, &path) {
            return refused;
        }
        let mut why = essence(&error.display_log());
        if let Some(source) = std::error::Error::source(&*error) {
            let cause = essence(&source.to_string());
            if !why.contains(&cause) {
                why = format!("{why}: {cause}");
            }
        }
        BackupError::Repository { action, path: path.clone(), why }
    }
}

/// The sentence in a text of the library: behind `Message:` when it has that, else the first line without what only
/// its authors can use.
fn essence(text: &str) -> String {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default().trim_start_matches("Error: ");
    let message = lines.skip_while(|line| *line != "Message:").nth(1);
    let line = if first.contains("Pack:") { first } else { message.unwrap_or(first) };
    let cut = [" at BlobLocation", ": caused by:", " (kind:"];
    let end = cut.iter().filter_map(|mark| line.find(mark)).min().unwrap_or(line.len());
    line.get(..end).unwrap_or(line).trim_end_matches('.').to_owned()
}

fn index_failed(at: &Path) -> impl Fn(Box<RusticError>) -> BackupError {
    let failed = failed("read its index", at);
    move |error| match failed(error) {
        BackupError::Repository { path, why, .. } => BackupError::Index { path, why },
        other => other,
    }
}

/// `rustic_backend` flushes files but not the folders that name them.
fn flush(at: &Path) -> Result<(), BackupError> {
    for entry in walkdir::WalkDir::new(at).max_depth(2).into_iter().filter_map(Result::ok) {
        if entry.file_type().is_dir() {
            fsync_dir(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod by_hand;
mod copy;
#[cfg(test)]
mod hostile;
