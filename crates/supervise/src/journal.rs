//! What the next agent must know of a service.
//!
//! Crash order: the child is spawned, then its entry is written. An agent killed between the two leaves a
//! child without an entry, or beside the entry of its predecessor; `adopt` finds it by its mark, whose run
//! is newer than the entry's. An entry is never removed: it names a process that can be checked, and its run
//! tells the descendants of the past from a service that is not written down yet.
//!
//! What a person wants of the service is written before it is done, so that the next agent finishes it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use steady_model::config::Service;
use steady_model::process::{Exit, ProcessId};
use steady_model::time::WallTime;

use crate::error::SuperviseError;
use crate::manager::Spawned;

const VERSION: u32 = 2;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub version: u32,
    pub service: String,
    /// Pids and start times mean nothing after another boot.
    pub boot_id: String,
    /// The process that was started last; it leads a group. `None` when there was none yet.
    pub process: Option<ProcessId>,
    /// The number of that group.
    #[serde(default)]
    pub group: Option<u32>,
    /// Counts the spawns of this service in this home.
    pub run: u64,
    pub exe: PathBuf,
    /// The file that `exe` was when it was started.
    #[serde(default)]
    pub exe_file: Option<FileMark>,
    pub port: Option<u16>,
    pub spawned: WallTime,
    #[serde(default)]
    pub fifo: PathBuf,
    #[serde(default)]
    pub log_dir: PathBuf,
    /// Where in the log this process began; noted when a line makes it ready.
    #[serde(default)]
    pub log_from: Option<String>,
    #[serde(default)]
    pub wanted: Wanted,
    /// This process was ready once.
    #[serde(default)]
    pub ready: bool,
    /// A one-shot that has done its work, and how that ended.
    #[serde(default)]
    pub completed: Option<Exit>,
    /// Unexpected exits in a row before this process, and whether they made a crash loop: another agent is no
    /// reason to begin the quick tries anew.
    #[serde(default)]
    pub streak: u32,
    #[serde(default)]
    pub looping: bool,
}

/// What a person asked for last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wanted {
    #[default]
    Up,
    Down,
    /// Up, but not as the process that is written here.
    Anew,
}

/// Tells a file from one that took its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileMark {
    pub inode: u64,
    pub bytes: u64,
    /// Seconds and nanoseconds since the epoch.
    pub modified: (i64, i64),
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
    /// Of a service that was never started here.
    pub fn new(spec: &Service, home: &Path) -> Self {
        Self {
            version: VERSION,
            service: spec.name.clone(),
            boot_id: String::new(),
            process: None,
            group: None,
            run: 0,
            exe: PathBuf::new(),
            exe_file: None,
            port: spec.port,
            spawned: steady_clock::now().wall,
            fifo: crate::fifo_of(home, &spec.name),
            log_dir: crate::log_dir_of(home, &spec.name),
            log_from: None,
            wanted: Wanted::Up,
            ready: false,
            completed: None,
            streak: 0,
            looping: false,
        }
    }

    /// That its process runs another program than a restart would; what a person is told of it. Blocking.
    pub fn outdated(&self) -> Option<String> {
        let was = self.exe_file?;
        let (exe, service) = (self.exe.display(), &self.service);
        match FileMark::of(&self.exe) {
            Some(now) if now == was => None,
            Some(_) => Some(format!(
                "{exe} was replaced since it started; `steady restart {service}` runs the new one"
            )),
            None => Some(format!("{exe} is gone: it runs on, and could not be started again")),
        }
    }

    /// The same service with a process that has just come to be. Blocking.
    #[must_use]
    pub fn started(&self, boot_id: String, spawned: &Spawned) -> Self {
        Self {
            version: VERSION,
            boot_id,
            process: Some(spawned.id.clone()),
            group: Some(spawned.id.pid),
            run: spawned.run,
            exe_file: FileMark::of(&spawned.exe),
            exe: spawned.exe.clone(),
            spawned: steady_clock::now().wall,
            wanted: if self.wanted == Wanted::Anew { Wanted::Up } else { self.wanted },
            log_from: None,
            ready: false,
            completed: None,
            ..self.clone()
        }
    }
}

impl FileMark {
    fn of(path: &Path) -> Option<Self> {
        use std::os::unix::fs::MetadataExt;

        let file = fs::metadata(path).ok()?;
        Some(Self { inode: file.ino(), bytes: file.size(), modified: (file.mtime(), file.mtime_nsec()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Version 1 as the first release wrote it.
    const V1: &str = r#"{"version":1,"service":"brain","boot_id":"8f2c","process":{"pid":4711,"started":99},
        "run":3,"exe":"/usr/bin/brain","port":8000,"spawned":"2026-11-22T09:15:30Z"}"#;

    /// Version 2.
    const V2: &str = r#"{"version":2,"service":"brain","boot_id":"8f2c","process":{"pid":4711,"started":99},
        "group":4711,"run":3,"exe":"/usr/bin/brain","exe_file":{"inode":7,"bytes":9000,"modified":[1790000000,5]},
        "port":8000,"spawned":"2026-11-22T09:15:30Z","fifo":"/h/fifo/brain","log_dir":"/h/logs/brain",
        "log_from":"3:1200","wanted":"down","ready":true,"completed":{"how":"code","value":0},
        "streak":4,"looping":true}"#;

    #[test]
    fn a_journal_of_version_1_is_understood_and_wants_its_service_up() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::of(dir.path(), "brain");
        assert_eq!(journal.read().unwrap(), None);
        fs::create_dir(dir.path().join("journal")).unwrap();
        fs::write(&journal.path, V1).unwrap();
        let entry = journal.read().unwrap().unwrap();
        assert_eq!((entry.process.as_ref().unwrap().pid, entry.run), (4711, 3));
        assert_eq!((entry.wanted, entry.ready, entry.completed), (Wanted::Up, false, None));
        assert_eq!((entry.streak, entry.looping), (0, false));
        journal.write(&entry).unwrap();
        assert_eq!(journal.read().unwrap(), Some(entry));
    }

    #[test]
    fn a_journal_of_version_2_is_read_whole_and_written_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::of(dir.path(), "brain");
        let entry: Entry = serde_json::from_str(V2).unwrap();
        assert_eq!((entry.group, entry.wanted, entry.ready), (Some(4711), Wanted::Down, true));
        assert_eq!((entry.exe_file.unwrap().bytes, entry.completed), (9000, Some(Exit::Code(0))));
        journal.write(&entry).unwrap();
        let written: serde_json::Value = serde_json::from_slice(&fs::read(&journal.path).unwrap()).unwrap();
        assert_eq!(written, serde_json::from_str::<serde_json::Value>(V2).unwrap());
    }

    #[test]
    fn a_damaged_or_newer_journal_is_named_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::of(dir.path(), "brain");
        fs::create_dir(dir.path().join("journal")).unwrap();
        fs::write(&journal.path, V1.replace("\"version\":1", "\"version\":3")).unwrap();
        assert!(matches!(journal.read(), Err(SuperviseError::NewerJournal { version: 3, .. })));
        fs::write(&journal.path, "{").unwrap();
        assert!(journal.read().unwrap_err().to_string().contains("brain.json is unreadable"));
        assert!(journal.path.exists());
    }
}
