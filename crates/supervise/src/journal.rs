//! What the next agent must know of a running service.
//!
//! Crash order: the child is spawned, then its entry is written. An agent killed between the two leaves a
//! child without an entry, or beside the entry of its predecessor; `adopt` finds it by its mark, whose run
//! is newer than the entry's. An entry is never removed: it names a process that can be checked, and its run
//! tells the descendants of the past from a service that is not written down yet.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use steady_model::config::Service;
use steady_model::process::ProcessId;
use steady_model::time::WallTime;

use crate::error::SuperviseError;

const VERSION: u32 = 1;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub version: u32,
    pub service: String,
    /// Pids and start times mean nothing after another boot.
    pub boot_id: String,
    /// The leader of the process group; the group has its pid.
    pub process: ProcessId,
    /// Counts the spawns of this service in this home.
    pub run: u64,
    pub exe: PathBuf,
    pub port: Option<u16>,
    pub spawned: WallTime,
}

#[derive(Debug, Clone)]
pub struct Journal {
    path: PathBuf,
}

impl Journal {
    pub fn of(home: &Path, service: &str) -> Self {
        Self { path: home.join("journal").join(format!("{service}.json")) }
    }

    pub fn read(&self) -> Result<Option<Entry>, SuperviseError> {
        let bytes = match fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(self.io("read the journal", source)),
        };
        let entry: Entry = serde_json::from_slice(&bytes).map_err(|source| self.unreadable(source))?;
        if entry.version > VERSION {
            return Err(SuperviseError::NewerJournal { path: self.path.clone(), version: entry.version });
        }
        Ok(Some(entry))
    }

    pub fn write(&self, entry: &Entry) -> Result<(), SuperviseError> {
        let bytes = serde_json::to_vec_pretty(entry).map_err(|source| self.unreadable(source))?;
        if let Some(dir) = self.path.parent() {
            steady_disk::create_private_dir(dir)?;
        }
        // Void after a reboot, and a busy disk must not keep a service waiting.
        Ok(steady_disk::write_atomic_until_reboot(&self.path, &bytes, 0o600)?)
    }

    fn io(&self, action: &'static str, source: io::Error) -> SuperviseError {
        SuperviseError::Io { action, path: self.path.clone(), source }
    }

    fn unreadable(&self, source: serde_json::Error) -> SuperviseError {
        SuperviseError::Journal { path: self.path.clone(), source }
    }
}

impl Entry {
    pub fn new(spec: &Service, boot_id: String, process: ProcessId, run: u64, exe: PathBuf) -> Self {
        Self {
            version: VERSION,
            service: spec.name.clone(),
            boot_id,
            process,
            run,
            exe,
            port: spec.port,
            spawned: steady_clock::now().wall,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Version 1 as the first release wrote it.
    const V1: &str = r#"{"version":1,"service":"brain","boot_id":"8f2c","process":{"pid":4711,"started":99},
        "run":3,"exe":"/usr/bin/brain","port":8000,"spawned":"2026-11-22T09:15:30Z"}"#;

    #[test]
    fn a_journal_of_version_1_is_understood_and_written_back_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::of(dir.path(), "brain");
        assert_eq!(journal.read().unwrap(), None);
        let entry: Entry = serde_json::from_str(V1).unwrap();
        assert_eq!((entry.process.pid, entry.run), (4711, 3));
        journal.write(&entry).unwrap();
        assert_eq!(journal.read().unwrap(), Some(entry));
    }

    #[test]
    fn a_damaged_or_newer_journal_is_named_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::of(dir.path(), "brain");
        fs::create_dir(dir.path().join("journal")).unwrap();
        fs::write(&journal.path, V1.replace("\"version\":1", "\"version\":2")).unwrap();
        assert!(matches!(journal.read(), Err(SuperviseError::NewerJournal { version: 2, .. })));
        fs::write(&journal.path, "{").unwrap();
        assert!(journal.read().unwrap_err().to_string().contains("brain.json is unreadable"));
        assert!(journal.path.exists());
    }
}
