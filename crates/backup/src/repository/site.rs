//! Where a repository is, and the library's view of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hyper::body::Bytes;
use rustic_backend::BackendOptions;
use rustic_core::{BytesList, ErrorKind, FileType, Id, ReadBackend, RusticError, RusticResult, WriteBackend};

use super::{failed, flush};
use crate::clock::back_off;
use crate::error::BackupError;
use crate::remote::{Pace, Remote, RemoteError};

/// Where a repository is.
#[derive(Clone)]
pub(crate) enum Site {
    Folder {
        path: PathBuf,
        /// How fast may be written; a file at once, then nothing for as long as it takes.
        pace: Option<Arc<Pace>>,
    },
    Remote(Arc<Remote>),
}

impl Site {
    pub(crate) fn folder(path: &Path) -> Self {
        Self::Folder { path: path.to_owned(), pace: None }
    }

    /// As errors name it.
    pub(crate) fn shown(&self) -> PathBuf {
        match self {
            Self::Folder { path, .. } => path.clone(),
            Self::Remote(remote) => remote.place().into(),
        }
    }

    /// Whether a repository is there.
    pub(crate) fn holds_one(&self) -> Result<bool, BackupError> {
        match self {
            Self::Folder { path, .. } => Ok(path.join("config").exists()),
            Self::Remote(remote) => Ok(remote.exists("config")?),
        }
    }

    pub(super) fn flush(&self) -> Result<(), BackupError> {
        match self {
            Self::Folder { path, .. } => flush(path),
            // What was answered is stored.
            Self::Remote(_) => Ok(()),
        }
    }

    pub(super) fn backend(&self) -> Result<Arc<dyn WriteBackend>, BackupError> {
        match self {
            Self::Folder { path, pace } => {
                // The scheme keeps a colon in the path from being taken for one.
                let location = format!("local:{}", path.display());
                let backends = BackendOptions::default().repository(location).to_backends();
                let inner = backends.map_err(failed("open", path))?.repository();
                Ok(match pace {
                    Some(pace) => Arc::new(Paced { inner, pace: Arc::clone(pace) }),
                    None => inner,
                })
            }
            Self::Remote(remote) => Ok(Arc::new(Behind(Arc::clone(remote)))),
        }
    }
}

/// A folder that is written to no faster than it may.
struct Paced {
    inner: Arc<dyn WriteBackend>,
    pace: Arc<Pace>,
}

impl ReadBackend for Paced {
    fn location(&self) -> String {
        self.inner.location()
    }

    fn list_with_size(&self, kind: FileType) -> RusticResult<Vec<(Id, u32)>> {
        self.inner.list_with_size(kind)
    }

    fn read_full(&self, kind: FileType, id: &Id) -> RusticResult<Bytes> {
        self.inner.read_full(kind, id)
    }

    fn read_partial(
        &self,
        kind: FileType,
        id: &Id,
        cacheable: bool,
        offset: u32,
        length: u32,
    ) -> RusticResult<Bytes> {
        self.inner.read_partial(kind, id, cacheable, offset, length)
    }

    fn warmup_path(&self, kind: FileType, id: &Id) -> String {
        self.inner.warmup_path(kind, id)
    }
}

impl WriteBackend for Paced {
    fn create(&self) -> RusticResult<()> {
        self.inner.create()
    }

    fn write_bytes(&self, kind: FileType, id: &Id, cacheable: bool, content: BytesList) -> RusticResult<()> {
        back_off(self.pace.admit(content.size() as u64));
        self.inner.write_bytes(kind, id, cacheable, content)
    }

    fn remove(&self, kind: FileType, id: &Id, cacheable: bool) -> RusticResult<()> {
        self.inner.remove(kind, id, cacheable)
    }
}

/// A repository behind REST.
struct Behind(Arc<Remote>);

fn name(kind: FileType, id: &Id) -> String {
    match kind {
        FileType::Config => "config".to_owned(),
        _ => format!("{}/{}", kind.dirname(), id.to_hex().as_str()),
    }
}

fn told(error: RemoteError) -> Box<RusticError> {
    RusticError::with_source(ErrorKind::Backend, "the place of the copy failed", error)
}

impl ReadBackend for Behind {
    fn location(&self) -> String {
        self.0.place().to_owned()
    }

    fn list_with_size(&self, kind: FileType) -> RusticResult<Vec<(Id, u32)>> {
        if kind == FileType::Config {
            let there = self.0.exists("config").map_err(told)?;
            return Ok(there.then(|| (Id::default(), 0)).into_iter().collect());
        }
        let listed = self.0.list(kind.dirname()).map_err(told)?;
        let ours = |(name, size): (String, u64)| Some((name.parse().ok()?, size.try_into().ok()?));
        Ok(listed.into_iter().filter_map(ours).collect())
    }

    fn read_full(&self, kind: FileType, id: &Id) -> RusticResult<Bytes> {
        self.0.read(&name(kind, id), None).map_err(told)
    }

    fn read_partial(
        &self,
        kind: FileType,
        id: &Id,
        _cacheable: bool,
        offset: u32,
        length: u32,
    ) -> RusticResult<Bytes> {
        self.0.read(&name(kind, id), Some((offset, length))).map_err(told)
    }

    fn warmup_path(&self, kind: FileType, id: &Id) -> String {
        name(kind, id)
    }
}

impl WriteBackend for Behind {
    fn create(&self) -> RusticResult<()> {
        self.0.create().map_err(told)
    }

    fn write_bytes(&self, kind: FileType, id: &Id, _cacheable: bool, content: BytesList) -> RusticResult<()> {
        self.0.write(&name(kind, id), content.slice()).map_err(told)
    }

    fn remove(&self, kind: FileType, id: &Id, _cacheable: bool) -> RusticResult<()> {
        self.0.remove(&name(kind, id)).map_err(told)
    }
}
