use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use steady_disk::{create_private_dir, fsync_dir};
use steady_model::backup::{RestoreRecord, RestoreStep};
use steady_model::time::WallTime;

use crate::catalogue::{read_versioned, write_versioned};
use crate::chosen::Chosen;
use crate::error::BackupError;

const VERSION: u32 = 1;

/// `journal.json`: a restore that is under way. Gone when it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Journal {
    version: u32,
    pub id: String,
    pub kind: Move,
    pub point: String,
    pub point_taken: WallTime,
    /// The data directory.
    pub target: PathBuf,
    /// The tree that is to take its place, beside it; after the exchange the old one.
    pub other: PathBuf,
    /// Where the replaced tree is kept at the end.
    pub kept: PathBuf,
    pub services: Vec<String>,
    /// Begun, and perhaps done.
    pub step: RestoreStep,
    /// The inodes tell which side of the exchange a tree is on. `None`: there was no data directory.
    pub old: Option<u64>,
    pub new: Option<u64>,
    pub rolling_back: Option<String>,
    /// What of the point is restored; all else stays as it is.
    #[serde(default, skip_serializing_if = "Chosen::is_all")]
    pub only: Chosen,
    /// How often an agent's start took it up: a restore that cannot be ended never loops.
    pub recoveries: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Move {
    Restore,
    Undo,
}

impl Journal {
    pub(crate) fn restore(
        id: String,
        point: String,
        point_taken: WallTime,
        target: &Path,
        services: &[String],
    ) -> Self {
        Self {
            version: VERSION,
            kind: Move::Restore,
            point,
            point_taken,
            other: beside(target, "restore", &id),
            kept: beside(target, "before", &id),
            target: target.to_owned(),
            services: services.to_vec(),
            step: RestoreStep::Planned,
            old: None,
            new: None,
            rolling_back: None,
            only: Chosen::default(),
            recoveries: 0,
            id,
        }
    }

    /// The way back from `record`, whose replaced tree is `other`.
    pub(crate) fn undo(record: &RestoreRecord, target: &Path, other: PathBuf, services: &[String]) -> Self {
        let restore =
            Self::restore(record.id.clone(), record.point.clone(), record.point_taken, target, services);
        let kept = beside(target, "undone", &record.id);
        Self { kind: Move::Undo, other, kept, step: RestoreStep::Verified, ..restore }
    }
}

/// `<target>.<what>-<id>`: on the target's volume, so that one rename puts it in place.
fn beside(target: &Path, what: &str, id: &str) -> PathBuf {
    let mut path = target.as_os_str().to_owned();
    path.push(format!(".{what}-{id}"));
    PathBuf::from(path)
}

/// `last.json`: how the last restore ended, and the tree it replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Last {
    version: u32,
    pub record: RestoreRecord,
    pub kept: Option<PathBuf>,
    /// Trees of earlier restores that are still to be removed.
    pub stale: Vec<PathBuf>,
    /// Backups since then. With the second the replaced tree goes.
    #[serde(default, skip_serializing_if = "is_none_yet")]
    pub backups_since: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_none_yet(count: &u32) -> bool {
    *count == 0
}

/// How many backups after a restore its *Undo* ends.
const UNDO_FOR: u32 = 2;

/// `<home>/restore`.
#[derive(Debug, Clone)]
pub(crate) struct Paths {
    pub(super) dir: PathBuf,
}

impl Paths {
    pub(crate) fn below(home: &Path) -> Result<Self, BackupError> {
        let dir = home.join("restore");
        create_private_dir(&dir)?;
        Ok(Self { dir })
    }

    fn journal_file(&self) -> PathBuf {
        self.dir.join("journal.json")
    }

    fn last_file(&self) -> PathBuf {
        self.dir.join("last.json")
    }

    pub(crate) fn journal(&self) -> Result<Option<Journal>, BackupError> {
        read_versioned(&self.journal_file(), VERSION)
    }

    pub(crate) fn write(&self, journal: &Journal) -> Result<(), BackupError> {
        write_versioned(&self.journal_file(), journal)
    }

    pub(crate) fn last(&self) -> Result<Option<Last>, BackupError> {
        read_versioned(&self.last_file(), VERSION)
    }

    /// The record first, then the journal's end: between the two the journal is known to be over by its id.
    pub(crate) fn finish(&self, record: RestoreRecord, kept: Option<PathBuf>) -> Result<(), BackupError> {
        let before = self.last()?;
        let mut stale: Vec<PathBuf> =
            before.into_iter().flat_map(|l| l.stale.into_iter().chain(l.kept)).collect();
        stale.retain(|tree| Some(tree) != kept.as_ref());
        write_versioned(
            &self.last_file(),
            &Last { version: VERSION, record, kept, stale, backups_since: 0 },
        )?;
        self.close()
    }

    /// A backup is there: with the second one after a restore the tree that it replaced is not needed any more.
    pub(crate) fn backup_taken(&self) -> Result<(), BackupError> {
        let Some(mut last) = self.last()?.filter(|last| last.kept.is_some()) else { return Ok(()) };
        last.backups_since += 1;
        if last.backups_since >= UNDO_FOR {
            last.record.can_undo = false;
            last.stale.extend(last.kept.take());
        }
        write_versioned(&self.last_file(), &last)?;
        self.sweep()
    }

    /// Ends the journal.
    pub(crate) fn close(&self) -> Result<(), BackupError> {
        match std::fs::remove_file(self.journal_file()) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                Err(BackupError::io("end the journal", &self.journal_file())(e))
            }
            _ => Ok(fsync_dir(&self.dir)?),
        }
    }

    /// Removes the trees of restores that cannot be undone any more.
    pub(crate) fn sweep(&self) -> Result<(), BackupError> {
        let Some(mut last) = self.last()? else { return Ok(()) };
        if last.stale.is_empty() {
            return Ok(());
        }
        for tree in &last.stale {
            super::swap::remove(tree)?;
        }
        last.stale.clear();
        write_versioned(&self.last_file(), &last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_of_format_1_is_still_read() {
        let home = tempfile::tempdir().unwrap();
        let paths = Paths::below(home.path()).unwrap();
        let text = include_str!("../../tests/fixtures/journal-1.json");
        std::fs::write(paths.journal_file(), text).unwrap();
        let journal = paths.journal().unwrap().unwrap();
        assert_eq!((journal.step, journal.kind), (RestoreStep::Swapped, Move::Restore));
        paths.write(&journal).unwrap();
        let again = std::fs::read_to_string(paths.journal_file()).unwrap();
        assert_eq!(
            again.trim(),
            text.trim(),
            "the format changed: raise VERSION and keep reading the old one"
        );
    }

    #[test]
    fn the_record_of_format_1_is_still_read() {
        let home = tempfile::tempdir().unwrap();
        let paths = Paths::below(home.path()).unwrap();
        let text = include_str!("../../tests/fixtures/last-1.json");
        std::fs::write(paths.last_file(), text).unwrap();
        let last = paths.last().unwrap().unwrap();
        assert!(last.record.can_undo);
        assert_eq!(serde_json::to_string_pretty(&last).unwrap().trim(), text.trim(), "the format changed");
    }
}
