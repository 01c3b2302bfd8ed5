//! The list of restore points, so that a menu is painted without opening the repository.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use steady_disk::write_atomic;
use steady_model::backup::RestorePoint;

use crate::error::BackupError;

const VERSION: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
struct File {
    version: u32,
    points: Vec<RestorePoint>,
}

/// Reads a file of Steady's own that says its `version`; `None` when it is not there.
pub(crate) fn read_versioned<T: serde::de::DeserializeOwned>(
    path: &Path,
    known: u32,
) -> Result<Option<T>, BackupError> {
    #[derive(Deserialize)]
    struct Head {
        version: u32,
    }
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(BackupError::io("read", path)(e)),
    };
    let damaged = |source| BackupError::Format { path: path.to_owned(), source };
    let head: Head = serde_json::from_slice(&bytes).map_err(damaged)?;
    if head.version > known {
        return Err(BackupError::Newer { path: path.to_owned(), found: head.version, known });
    }
    serde_json::from_slice(&bytes).map(Some).map_err(damaged)
}

pub(crate) fn write_versioned<T: Serialize>(path: &Path, value: &T) -> Result<(), BackupError> {
    let bytes = serde_json::to_vec_pretty(value)
        .map_err(|source| BackupError::Format { path: path.to_owned(), source })?;
    Ok(write_atomic(path, &bytes, 0o600)?)
}

/// `catalogue.json`: newest first.
#[derive(Debug, Clone)]
pub(crate) struct Catalogue {
    path: PathBuf,
}

impl Catalogue {
    pub(crate) fn at(path: PathBuf) -> Self {
        Self { path }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn exists(&self) -> bool {
        self.path.exists()
    }

    pub(crate) fn read(&self) -> Result<Vec<RestorePoint>, BackupError> {
        Ok(read_versioned::<File>(&self.path, VERSION)?.map(|f| f.points).unwrap_or_default())
    }

    /// Adds a point, or replaces what was known of it.
    pub(crate) fn put(&self, point: &RestorePoint) -> Result<(), BackupError> {
        let mut points = self.read()?;
        points.retain(|p| p.id != point.id);
        points.push(point.clone());
        self.write(points)
    }

    pub(crate) fn write(&self, mut points: Vec<RestorePoint>) -> Result<(), BackupError> {
        points.sort_by_key(|point| std::cmp::Reverse(point.taken));
        write_versioned(&self.path, &File { version: VERSION, points })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_catalogue_of_format_1_is_still_read_and_a_newer_one_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("catalogue.json");
        let catalogue = Catalogue::at(path.clone());
        assert!(catalogue.read().unwrap().is_empty());
        let text = include_str!("../tests/fixtures/catalogue-1.json");
        std::fs::write(&path, text).unwrap();
        let points = catalogue.read().unwrap();
        assert_eq!(points.len(), 2);
        catalogue.write(points).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap().trim(), text.trim(), "the format changed");
        std::fs::write(&path, text.replace("\"version\": 1", "\"version\": 2")).unwrap();
        let error = catalogue.read().unwrap_err();
        assert!(matches!(error, BackupError::Newer { found: 2, .. }), "{error}");
    }

    #[test]
    fn a_damaged_catalogue_is_an_error_and_never_an_empty_list() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("catalogue.json");
        std::fs::write(&path, "{\"version\": 1, \"points\": [{").unwrap();
        assert!(Catalogue::at(path).read().is_err());
    }
}
