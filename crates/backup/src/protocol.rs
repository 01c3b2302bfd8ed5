//! What the agent and the engine process say to each other: one request line, then event lines.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use steady_model::backup::{PointKind, RestorePoint, StoreEntry};
use steady_model::config::{CopyPlace, FileClass, Priority};
use steady_model::contents::{PointDiff, PointFolder};
use steady_model::time::WallTime;
use steady_model::verification::Slice;

use crate::chosen::Chosen;
use crate::dump::DumpRequest;
use crate::key::KeyPlace;
use crate::load::{LoadRequest, LoadedDump};
use crate::manifest::RelPath;

/// One piece of work for the engine. The key is not in it: it follows as a line of its own, which nothing keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    pub repository: PathBuf,
    /// Where the key comes from, for people.
    pub key: KeyPlace,
    /// The engine's place at the processor: 19 is last.
    #[serde(default = "last")]
    pub nice: u8,
    /// A private folder for temporary copies; the engine empties it.
    pub scratch: PathBuf,
    /// What is read is read from this copy, and not from the repository.
    #[serde(default)]
    pub from: Option<CopyTo>,
    pub command: Command,
}

fn last() -> u8 {
    Priority::default().nice
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Creates the repository, its chunk size chosen by the size of `source`.
    Init {
        source: PathBuf,
    },
    Backup {
        source: PathBuf,
        exclude: Vec<String>,
        kind: PointKind,
        #[serde(default)]
        capture: CaptureRequest,
    },
    /// Takes in a copy that something else had made of the data directory at `taken`.
    Import {
        from: PathBuf,
        taken: WallTime,
        exclude: Vec<String>,
        classes: BTreeMap<String, FileClass>,
    },
    List,
    /// Reads every byte of a point back, opens its databases and compares with its manifest.
    Verify {
        point: String,
        /// Only this part of its files is read.
        #[serde(default)]
        slice: Option<Slice>,
    },
    /// Writes a point's data into `into`, which must not exist.
    Stage {
        point: String,
        into: PathBuf,
        #[serde(default)]
        only: Chosen,
    },
    /// Compares a staged tree with the point's manifest.
    CheckStaged {
        point: String,
        root: PathBuf,
        #[serde(default)]
        only: Chosen,
    },
    /// Creates the repository of a copy, or looks at the one that is there.
    InitCopy(CopyTo),
    /// Copies a point and proves that all of it arrived.
    Copy {
        point: String,
        to: CopyTo,
    },
    /// Tries out dumps of a point in scratch databases.
    LoadDumps {
        point: String,
        into: Vec<LoadRequest>,
    },
    /// Drops what a drill that was cut off left on servers.
    DropDatabases(Vec<LoadRequest>),
    /// What the live data has that the point has not.
    Compare {
        point: String,
        source: PathBuf,
        exclude: Vec<String>,
        only: Chosen,
    },
    /// The id of the repository, which only its key tells.
    Identify,
    /// The ids of all points, also of those that are not ours.
    Ids,
    /// Bytes that would be given back without these points.
    Prunable {
        points: Vec<String>,
    },
    /// Removes these points, and what no other needs.
    Prune {
        points: Vec<String>,
    },
    /// One folder of a point; `None` is the data directory.
    Files {
        point: String,
        path: Option<RelPath>,
    },
    Differ {
        before: String,
        after: String,
    },
}

impl Command {
    /// Whether it opens a repository.
    pub(crate) fn needs_key(&self) -> bool {
        !matches!(self, Self::DropDatabases(_))
    }

    /// Whether it leaves the repository as it is, so that a read-only one will do.
    pub(crate) fn only_reads(&self) -> bool {
        matches!(
            self,
            Self::List
                | Self::Verify { .. }
                | Self::Stage { .. }
                | Self::CheckStaged { .. }
                | Self::LoadDumps { .. }
                | Self::DropDatabases(_)
                | Self::Compare { .. }
                | Self::Identify
                | Self::Ids
                | Self::Prunable { .. }
                | Self::Files { .. }
                | Self::Differ { .. }
        )
    }
}

/// Where points are copied to. Secrets are named by private files, never carried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyTo {
    pub place: CopyPlace,
    pub login_file: Option<PathBuf>,
    /// `None`: it opens with the password of the repository here.
    pub password_file: Option<PathBuf>,
    /// Bytes a second.
    pub limit: Option<u64>,
    /// Held by whoever writes there.
    pub lock: PathBuf,
    /// The id that its repository has; `None` when that is not known yet.
    pub id: Option<String>,
}

/// How a restore point is to be taken.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CaptureRequest {
    pub classes: BTreeMap<String, FileClass>,
    pub dumps: Vec<DumpRequest>,
    /// What the point is to say of its moment.
    pub notes: Vec<String>,
    /// Whether the engine may ask for quiet.
    pub quiesce: bool,
}

/// How far the work is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// For people: `copying the data`.
    pub phase: String,
    pub done_bytes: u64,
    /// 0 while it is not known.
    pub total_bytes: u64,
    #[serde(default)]
    pub done_files: u64,
    /// 0 while it is not known.
    #[serde(default)]
    pub total_files: u64,
}

impl Progress {
    /// A phase of which no measure is known.
    pub fn of(phase: impl Into<String>) -> Self {
        Self { phase: phase.into(), ..Self::default() }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    Progress(Progress),
    /// Asks that the services be stopped, so that these can be copied; the engine waits for a line with a [`Quiet`].
    Hush {
        restless: Vec<String>,
    },
    /// The copy is made: the services may be started.
    Resume,
    Done(Done),
    Failed {
        code: Code,
        message: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Done {
    Initialised,
    Taken(Box<Taken>),
    Points(Vec<RestorePoint>),
    Verdict(Verdict),
    Staged {
        files: u64,
        bytes: u64,
    },
    Loaded(Vec<LoadedDump>),
    /// By database: `None` when it is gone, else why it is not.
    Dropped(BTreeMap<String, Option<String>>),
    Compared(Compared),
    Ids(Vec<String>),
    Prunable {
        frees: u64,
    },
    Pruned {
        removed: u64,
        freed: u64,
    },
    Files(PointFolder),
    Difference(PointDiff),
    /// The id of the repository.
    Identity(String),
    /// The id of the copy's repository.
    CopyReady(String),
    /// The id of the point there.
    Copied(String),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    pub point: RestorePoint,
    /// How long the writers of the databases were held, in microseconds.
    pub barrier_micros: u64,
}

/// What reading a point back found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Verdict {
    /// With `integrity` as found.
    pub stores: Vec<StoreEntry>,
    /// Empty when everything is as the manifest says.
    pub problems: Vec<String>,
}

/// What a restore would take and take away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compared {
    /// Of what is chosen of the point.
    pub bytes: u64,
    /// What the live data has and the point has not; one sentence each.
    pub lost: Vec<String>,
    /// Chosen, and not in the point.
    pub absent: Option<String>,
}

/// The answer to [`Event::Hush`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quiet {
    Stopped,
    Refused(String),
}

/// Why the engine ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    Ok,
    Failed,
    /// Something could not be read; the rest is safe.
    Incomplete,
    Locked,
    Corrupt,
    /// What was asked for is not there.
    Absent,
    /// The place of a copy is not there.
    Away,
}

impl Code {
    /// The exit code of the engine process.
    pub fn exit(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failed => 1,
            Self::Incomplete => 3,
            Self::Locked => 4,
            Self::Corrupt => 5,
            Self::Absent => 6,
            Self::Away => 7,
        }
    }
}

impl Done {
    pub fn code(&self) -> Code {
        match self {
            Self::Taken(taken) if !taken.point.missing.is_empty() => Code::Incomplete,
            Self::Verdict(verdict) if !verdict.problems.is_empty() => Code::Corrupt,
            _ => Code::Ok,
        }
    }
}
