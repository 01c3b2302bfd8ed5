//! What the disk of a repository itself refuses, behind whatever the library makes of it.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::path::Path;

use crate::error::BackupError;
use crate::plan::free;

/// A full or read-only disk is a person's to mend, and is told as such.
pub(super) fn refusal(error: &(dyn Error + 'static), at: &Path) -> Option<BackupError> {
    let mut causes = std::iter::successors(Some(error), |&error| error.source());
    let kind = causes.find_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind)?;
    match kind {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            Some(BackupError::RepositoryFull { path: at.to_owned(), free: free(at).unwrap_or_default() })
        }
        ErrorKind::ReadOnlyFilesystem => Some(BackupError::RepositoryReadOnly { path: at.to_owned() }),
        _ => None,
    }
}
