//! What restore points hold, and how two of them differ.

use serde::{Deserialize, Serialize};

use crate::time::WallTime;

/// One folder of a restore point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PointFolder {
    pub point: String,
    /// Below the data directory; empty is the directory itself.
    pub path: String,
    /// Folders first, then by name.
    pub entries: Vec<PointEntry>,
    /// Entries that are not listed because there are too many.
    #[serde(default, skip_serializing_if = "is_none")]
    pub more: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PointEntry {
    pub name: String,
    pub class: EntryClass,
    /// Of a folder: of all in it.
    pub bytes: u64,
    /// Of a folder: all in it. Else 1.
    pub files: u64,
    /// `None` for a dump of a server, which has no time of a file.
    pub modified: Option<WallTime>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EntryClass {
    Folder,
    /// At the common cut of all databases.
    Database,
    /// A database that cannot be read in WAL mode: a copy right after the cut.
    CopiedDatabase,
    /// The database of a Chroma store, copied together with its index.
    Chroma,
    /// An index that was copied while none of its group changed.
    Index,
    /// True up to the size it had.
    Log,
    Plain,
    Link,
    /// Of a PostgreSQL database; it lies beside the data.
    Dump,
}

impl EntryClass {
    pub fn word(self) -> &'static str {
        match self {
            Self::Folder => "folder",
            Self::Database => "database",
            Self::CopiedDatabase => "database (copied)",
            Self::Chroma => "chroma",
            Self::Index => "index",
            Self::Log => "log",
            Self::Plain => "file",
            Self::Link => "link",
            Self::Dump => "dump",
        }
    }
}

/// What changed from one restore point to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PointDiff {
    pub before: String,
    pub after: String,
    /// Databases that are not the same in both, by path.
    pub stores: Vec<StoreChange>,
    /// Files, links and dumps that are not the same in both, by path.
    pub files: Vec<FileChange>,
    /// Of files that are not listed because there are too many.
    #[serde(default, skip_serializing_if = "is_none")]
    pub more: u64,
    /// Databases, files, links and dumps that are the same in both.
    pub unchanged: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    Added,
    Removed,
    Changed,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FileChange {
    pub path: String,
    pub change: Change,
    pub bytes_before: Option<u64>,
    pub bytes_after: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct StoreChange {
    pub path: String,
    pub change: Change,
    pub bytes_before: Option<u64>,
    pub bytes_after: Option<u64>,
    /// Tables whose number of rows differs; none when only what is in the rows does.
    pub tables: Vec<TableChange>,
}

/// `None` where there is no such table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TableChange {
    pub table: String,
    pub rows_before: Option<u64>,
    pub rows_after: Option<u64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_none(count: &u64) -> bool {
    *count == 0
}
