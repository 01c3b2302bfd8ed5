//! `backups/key.json`: where the key is kept, and whether a person has it elsewhere.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use steady_model::key::KeptIn;
use steady_model::time::WallTime;

use crate::catalogue::{read_versioned, write_versioned};
use crate::error::BackupError;

const VERSION: u32 = 1;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub version: u32,
    pub kept: KeptIn,
    /// When a person said that they have it elsewhere.
    pub saved: Option<WallTime>,
    /// Of the item in the keychain: it stays when the home is moved.
    pub account: String,
}

impl Record {
    pub(crate) fn new(kept: KeptIn, account: String) -> Self {
        Self { version: VERSION, kept, saved: None, account }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct RecordFile {
    path: PathBuf,
}

impl RecordFile {
    pub(crate) fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// `None` before the first key, and where an older Steady made it.
    pub(crate) fn read(&self) -> Result<Option<Record>, BackupError> {
        read_versioned(&self.path, VERSION)
    }

    pub(crate) fn write(&self, record: &Record) -> Result<(), BackupError> {
        write_versioned(&self.path, record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_of_format_1_is_still_read_and_a_newer_one_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key.json");
        let file = RecordFile::at(path.clone());
        assert_eq!(file.read().unwrap(), None);
        let text = include_str!("../../tests/fixtures/key-1.json");
        std::fs::write(&path, text).unwrap();
        let record = file.read().unwrap().unwrap();
        assert_eq!((record.kept, record.saved.is_some()), (KeptIn::Keychain, true));
        file.write(&record).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap().trim(), text.trim(), "the format changed");
        std::fs::write(&path, text.replace("\"version\": 1", "\"version\": 2")).unwrap();
        assert!(matches!(file.read().unwrap_err(), BackupError::Newer { found: 2, .. }));
    }
}
