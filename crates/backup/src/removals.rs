//! `prune.json`: how the last removal of restore points ended, and whether one is under way.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use steady_model::backup::RestorePoint;
use steady_model::retention::PruneRecord;

use crate::catalogue::{read_versioned, write_versioned};
use crate::error::BackupError;

const VERSION: u32 = 1;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Removals {
    version: u32,
    /// Points that are being removed, as the catalogue had them: those that are still there when a removal was cut
    /// off go back into it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub going: Vec<RestorePoint>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<PruneRecord>,
}

#[derive(Debug, Clone)]
pub(crate) struct RemovalsFile {
    path: PathBuf,
}

impl RemovalsFile {
    pub(crate) fn at(path: PathBuf) -> Self {
        Self { path }
    }

    pub(crate) fn read(&self) -> Result<Removals, BackupError> {
        Ok(read_versioned(&self.path, VERSION)?.unwrap_or_default())
    }

    pub(crate) fn begin(&self, going: Vec<RestorePoint>) -> Result<(), BackupError> {
        let last = self.read()?.last;
        write_versioned(&self.path, &Removals { version: VERSION, going, last })
    }

    /// Nothing is being removed any more, and the catalogue says so.
    pub(crate) fn settle(&self) -> Result<(), BackupError> {
        let removals = self.read()?;
        if removals.going.is_empty() {
            return Ok(());
        }
        write_versioned(&self.path, &Removals { version: VERSION, going: Vec::new(), last: removals.last })
    }

    pub(crate) fn note(&self, record: PruneRecord) -> Result<(), BackupError> {
        let going = self.read()?.going;
        write_versioned(&self.path, &Removals { version: VERSION, going, last: Some(record) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_of_format_1_is_still_read_and_a_newer_one_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = RemovalsFile::at(dir.path().join("prune.json"));
        assert_eq!(file.read().unwrap(), Removals::default());
        let text = include_str!("../tests/fixtures/prune-1.json");
        std::fs::write(&file.path, text).unwrap();
        let removals = file.read().unwrap();
        assert_eq!(removals.last.as_ref().unwrap().removed, 4);
        assert_eq!(removals.going.first().unwrap().files, 42);
        write_versioned(&file.path, &removals).unwrap();
        assert_eq!(std::fs::read_to_string(&file.path).unwrap().trim(), text.trim(), "the format changed");
        std::fs::write(&file.path, text.replace("\"version\": 1", "\"version\": 2")).unwrap();
        assert!(matches!(file.read().unwrap_err(), BackupError::Newer { found: 2, .. }));
    }
}
