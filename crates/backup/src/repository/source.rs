//! Entries as the library's archiver asks for them.

use std::io::Read;
use std::sync::Mutex;

use rustic_core::{ErrorKind, ReadSource, ReadSourceEntry, ReadSourceOpen, RusticError, RusticResult};

use super::node::to_node;
use super::{Content, Entries, Opener};

/// The entries as rustic wants them; it asks for them once.
pub(super) struct Source(Mutex<Option<Entries>>);

pub(super) struct Open(pub(super) Opener);

impl ReadSourceOpen for Open {
    type Reader = Box<dyn Read + Send>;

    fn open(self) -> RusticResult<Self::Reader> {
        (self.0)().map_err(|e| RusticError::with_source(ErrorKind::InputOutput, "the file cannot be read", e))
    }
}

impl Source {
    pub(super) fn new(entries: Entries) -> Self {
        Self(Mutex::new(Some(entries)))
    }
}

impl ReadSource for Source {
    type Open = Open;
    type Iter = Box<dyn Iterator<Item = RusticResult<ReadSourceEntry<Open>>> + Send>;

    fn size(&self) -> RusticResult<Option<u64>> {
        Ok(None)
    }

    fn entries(&self) -> Self::Iter {
        let entries = self.0.lock().ok().and_then(|mut e| e.take());
        Box::new(entries.into_iter().flatten().map(|entry| {
            let node = to_node(&entry.path, &entry.meta, &entry.content);
            let open = match entry.content {
                Content::File(opener) => Some(Open(opener)),
                Content::Dir | Content::Link(_) => None,
            };
            Ok(ReadSourceEntry { path: entry.path, node, open })
        }))
    }
}
