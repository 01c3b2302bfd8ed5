use std::io::{self, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};

use super::pins::Watch;
use crate::error::BackupError;
use crate::manifest::{
    Dump, Manifest, Omission, PlainClass, PlainFile, RelPath, StoreClass, StoreFacts, StoreFile, hex,
};

/// What became of every file of a capture: the archiver skips a file that fails without a word, so each one is
/// held by a [`Ticket`] until its last byte was read.
pub(crate) struct Ledger {
    state: Mutex<State>,
    settled: Condvar,
    watch: Watch,
}

struct State {
    manifest: Manifest,
    open: usize,
    /// The manifest's own bytes went to the archiver.
    sealed: bool,
}

impl Ledger {
    pub(crate) fn new(manifest: Manifest, watch: Watch) -> Self {
        Self { state: Mutex::new(State { manifest, open: 0, sealed: false }), settled: Condvar::new(), watch }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn note(&self, change: impl FnOnce(&mut Manifest)) {
        change(&mut self.lock().manifest);
    }

    pub(crate) fn ticket(self: &Arc<Self>, path: RelPath, what: What) -> Ticket {
        self.lock().open += 1;
        Ticket { ledger: Arc::clone(self), path, what: Some(what), why: None }
    }

    /// What is known before any file is read.
    pub(crate) fn at_the_cut(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec_pretty(&self.lock().manifest)
    }

    /// Waits until every ticket came back; then the manifest is complete.
    pub(crate) fn manifest_when_settled(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut state = self.lock();
        while state.open > 0 {
            state = self.settled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.manifest.stores.retain(|s| !s.sha256.is_empty());
        state.manifest.dumps.retain(|d| !d.sha256.is_empty());
        state.manifest.stores.sort_by(|a, b| a.path.cmp(&b.path));
        state.manifest.files.sort_by(|a, b| a.path.cmp(&b.path));
        state.manifest.missing.sort_by(|a, b| a.path.cmp(&b.path));
        serde_json::to_vec_pretty(&state.manifest)
    }

    /// The manifest as it was stored.
    pub(crate) fn finished(&self) -> Result<Manifest, BackupError> {
        let state = self.lock();
        if state.sealed {
            return Ok(state.manifest.clone());
        }
        Err(BackupError::Worker { why: "the archiver dropped the manifest".to_owned() })
    }

    pub(crate) fn seal(&self) {
        self.lock().sealed = true;
    }
}

/// One file on its way. Dropped before [`Ticket::whole`], it is missing.
pub(crate) struct Ticket {
    ledger: Arc<Ledger>,
    path: RelPath,
    /// Taken when it is whole.
    what: Option<What>,
    why: Option<String>,
}

/// What a ticket's file is.
pub(crate) enum What {
    Store(StoreClass, StoreFacts),
    Plain { class: PlainClass, same_as: Option<RelPath> },
    Dump(Dump),
}

impl Ticket {
    pub(crate) fn failed(&mut self, why: impl Into<String>) {
        self.why = Some(why.into());
    }

    fn whole(&mut self, bytes: u64, sha256: String) {
        let path = self.path.clone();
        let Some(what) = self.what.take() else { return };
        self.ledger.note(|m| match what {
            What::Store(class, facts) => m.stores.push(StoreFile { path, bytes, sha256, class, facts }),
            What::Plain { class, same_as } => m.files.push(PlainFile { path, bytes, sha256, class, same_as }),
            What::Dump(dump) => m.dumps.push(Dump { bytes, sha256, ..dump }),
        });
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut state = self.ledger.lock();
        if self.what.is_some() {
            let why = self.why.take().unwrap_or_else(|| "it was not read to its end".to_owned());
            state.manifest.missing.push(Omission::new(self.path.as_path(), why));
        }
        state.open = state.open.saturating_sub(1);
        self.ledger.settled.notify_all();
    }
}

/// Asked at the end of a file whether what was read is still true.
pub(crate) type Guard = Box<dyn FnOnce() -> Result<(), String> + Send>;

/// Hashes a file on its way and settles its ticket at the end.
pub(crate) struct Tracked<R> {
    inner: R,
    expected: u64,
    read: u64,
    hash: Sha256,
    guard: Option<Guard>,
    ticket: Ticket,
}

impl<R: Read> Tracked<R> {
    pub(crate) fn new(inner: R, expected: u64, guard: Guard, ticket: Ticket) -> Self {
        Self { inner, expected, read: 0, hash: Sha256::new(), guard: Some(guard), ticket }
    }

    fn end(&mut self) -> Result<(), String> {
        let Some(guard) = self.guard.take() else { return Ok(()) };
        if self.read != self.expected {
            return Err(format!("{} of {} bytes were there", self.read, self.expected));
        }
        guard()?;
        let digest = std::mem::take(&mut self.hash).finalize();
        self.ticket.whole(self.read, hex(&digest));
        Ok(())
    }
}

impl<R: Read> Read for Tracked<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let fail = |ticket: &mut Ticket, why: String| {
            ticket.failed(why.clone());
            Err(io::Error::other(why))
        };
        match self.inner.read(buf) {
            Ok(0) if !buf.is_empty() => match self.end() {
                Ok(()) => Ok(0),
                Err(why) => fail(&mut self.ticket, why),
            },
            Ok(count) => {
                self.read += count as u64;
                self.ticket.ledger.watch.advance(count as u64);
                self.hash.update(buf.get(..count).unwrap_or_default());
                Ok(count)
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => Err(e),
            Err(e) => fail(&mut self.ticket, e.to_string()),
        }
    }
}
