//! Jobs: runs them under a kernel lock, follows their markers, keeps their run records.
//!
//! Owns a job's process while it runs, its lock, its markers (when Steady runs it) and `runs/<job>.jsonl`. Must
//! never judge freshness (`steady_model::job` does), never trust a pid in a lock file, never signal a process
//! group whose leader it has already reaped, and never touch the markers of a job that it only follows.

mod actor;
mod clock;
mod elsewhere;
mod error;
mod gate;
mod handle;
mod history;
mod markers;
mod orphan;
mod output;
mod process;
mod run;
mod volume;
mod watch;

pub use actor::{job, job_behind};
pub use error::{RunRefused, SyncError};
pub use gate::{Gate, Opening};
pub use handle::JobHandle;
pub use watch::{Watched, follow_markers};

use std::time::Duration;

use steady_model::job::RunRecord;
use steady_model::marker::Markers;
use steady_model::time::{Now, WallTime};

/// What a job tells. The first events of each job are its `History` and its `Markers`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyncEvent {
    Started {
        job: String,
        run: String,
        at: Now,
    },
    Finished {
        job: String,
        record: RunRecord,
    },
    Markers {
        job: String,
        markers: Markers,
        /// How often they are read, where the system gives no events.
        polled: Option<Duration>,
    },
    /// The record of a run that Steady did not make, or of one that did not come.
    Noted {
        job: String,
        record: RunRecord,
    },
    /// All kept runs, oldest first.
    History {
        job: String,
        runs: Vec<RunRecord>,
    },
    /// When the schedule starts the next run; `None` when it will not.
    Next {
        job: String,
        at: Option<WallTime>,
    },
}

impl SyncEvent {
    pub fn job(&self) -> &str {
        match self {
            Self::Started { job, .. }
            | Self::Finished { job, .. }
            | Self::Markers { job, .. }
            | Self::Noted { job, .. }
            | Self::History { job, .. }
            | Self::Next { job, .. } => job,
        }
    }
}
