//! The derived stores while a run writes them: one open transaction each, and one generation for all.
//!
//! Crash order: searches read `lexical` first of all, so it commits first; the tracker, which says what is done,
//! commits last.

use std::path::Path;

use jiff::Timestamp;
use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::note::Note;
use crate::stores::connection::{Origin, Spec, StoreError};
use crate::stores::{generation, lexical, metadata, tracker, vectors};
use crate::vault::NoteFile;

const SPECS: [&Spec; 4] = [&lexical::SPEC, &metadata::SPEC, &vectors::SPEC, &tracker::SPEC];

pub struct Connections {
    lexical: Connection,
    metadata: Connection,
    vectors: Connection,
    tracker: Connection,
}

impl Connections {
    pub fn open(data: &Path) -> Result<Self, StoreError> {
        Ok(Self {
            lexical: lexical::SPEC.open(data)?,
            metadata: metadata::SPEC.open(data)?,
            vectors: vectors::SPEC.open(data)?,
            tracker: tracker::SPEC.open(data)?,
        })
    }
}

pub struct Stage<'a> {
    lexical: Writer<'a>,
    metadata: Writer<'a>,
    vectors: Writer<'a>,
    tracker: Writer<'a>,
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

impl<'a> Stage<'a> {
    pub fn begin(stores: &'a mut Connections, data: &'a Path) -> Result<Self, StoreError> {
        Ok(Self {
            lexical: Writer::begin(&mut stores.lexical, &lexical::SPEC, data)?,
            metadata: Writer::begin(&mut stores.metadata, &metadata::SPEC, data)?,
            vectors: Writer::begin(&mut stores.vectors, &vectors::SPEC, data)?,
            tracker: Writer::begin(&mut stores.tracker, &tracker::SPEC, data)?,
        })
    }

    fn all(&self) -> [&Writer<'a>; 4] {
        [&self.lexical, &self.metadata, &self.vectors, &self.tracker]
    }

    /// Whether the same run wrote all of them last.
    pub fn generations_agree(&self) -> Result<bool, StoreError> {
        let last = self.tracker.with(generation::read)?;
        for writer in self.all() {
            if writer.with(generation::read)? != last {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub fn name_generation(&self, name: &str) -> Result<(), StoreError> {
        self.all().into_iter().try_for_each(|writer| writer.with(|db| generation::write(db, name)))
    }

    pub fn clear(&self) -> Result<(), StoreError> {
        self.lexical.with(lexical::clear)?;
        self.metadata.with(metadata::clear)?;
        self.vectors.with(vectors::clear)?;
        self.tracker.with(tracker::clear)
    }

    /// Reads what the tracker knows.
    pub fn tracker<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        self.tracker.with(read)
    }

    /// Puts a note in place of its older version. Returns how many chunks it has.
    pub fn put(
        &self,
        file: &NoteFile,
        note: &Note,
        sha256: &[u8],
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        let chunks = self.lexical.with(|db| lexical::put(db, &file.path, note))?;
        self.metadata.with(|db| metadata::put(db, file, note))?;
        self.vectors.with(|db| vectors::put(db, &file.path, note))?;
        self.tracker.with(|db| tracker::put(db, file, sha256, chunks, now))?;
        Ok(chunks)
    }

    /// The note was touched, its content is the same.
    pub fn touch(&self, file: &NoteFile) -> Result<(), StoreError> {
        self.metadata.with(|db| metadata::touch(db, file))?;
        self.tracker.with(|db| tracker::touch(db, file))
    }

    pub fn remove(&self, path: &str) -> Result<(), StoreError> {
        self.lexical.with(|db| lexical::remove(db, path))?;
        self.metadata.with(|db| metadata::remove(db, path))?;
        self.vectors.with(|db| vectors::remove(db, path))?;
        self.tracker.with(|db| tracker::remove(db, path))
    }

    /// Drops what no note needs any more.
    pub fn sweep(&self) -> Result<(), StoreError> {
        self.vectors.with(vectors::sweep).map(|_| ())
    }

    pub fn commit(self) -> Result<(), StoreError> {
        let Self { lexical, metadata, vectors, tracker } = self;
        [lexical, metadata, vectors, tracker].into_iter().try_for_each(Writer::commit)
    }
}

/// Begins the store anew that this error says is damaged, when it can be derived; else it is the error.
pub fn begin_damaged_anew(error: &StoreError, data: &Path, now: Timestamp) -> Result<(), StoreError> {
    for spec in SPECS.into_iter().filter(|spec| spec.origin == Origin::Vault) {
        if error.damaged_file() == Some(spec.path(data).as_path()) {
            tracing::error!(target: "brain.stores", "{error}");
            spec.set_aside(data, now)?;
        }
    }
    Ok(())
}
