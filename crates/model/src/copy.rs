//! Copies of the restore points in other places, and when they are too old.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::backup::Operation;
use crate::check::Status;
use crate::time::WallTime;
use crate::words;

/// A `[backup.copy.NAME]` and how it fares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct CopyView {
    pub name: String,
    /// Where the repository is that holds the copies: a folder, `rclone:…`, `rest:…` or `s3:…`.
    pub to: String,
    pub status: Status,
    /// `newest copied point: 2 h ago`.
    pub phrase: String,
    /// How far the attempt is that goes on, with the id of `attempt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work: Option<Operation>,
    #[serde(flatten)]
    pub facts: CopyFacts,
}

/// What is known of a copy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is told by itself, and they do not exclude each other"
)]
pub struct CopyFacts {
    /// Whether it was created, or taken over, with `--init`.
    pub ready: bool,
    /// How many points were copied to it.
    pub points: u64,
    /// When the newest of them was taken.
    pub newest: Option<WallTime>,
    /// The attempt that was begun last; `running` says whether it goes on.
    pub attempt: Option<String>,
    pub running: bool,
    /// Somebody ended the last attempt early.
    #[serde(default)]
    pub cancelled: bool,
    /// Its place was not there, or could not be reached, when it was looked for last.
    pub absent: bool,
    /// Why the last attempt did not succeed.
    pub error: Option<String>,
    /// When it is tried again.
    pub next: Option<WallTime>,
}

/// How a copy of the restore points is to be asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct CopyRequest {
    /// Create the repository at its place first, or take over the one that is there.
    #[serde(default)]
    pub init: bool,
}

/// Judges a copy: status, phrase, and what to do when it is not well.
///
/// `verified` is when the newest verified point here was taken; `folder` tells a disk from what is reached over a
/// network. A place that is not there, such as a disk that is unplugged, is no trouble: the age of what it holds is.
pub fn judge_copy(
    facts: &CopyFacts,
    folder: bool,
    verified: Option<WallTime>,
    stale_after: Duration,
    now: WallTime,
) -> (Status, String, &'static str) {
    const ATTACH: &str = "Attach the disk; the copy is then made by itself";
    const REACH: &str = "See what fails with `steady copies`; when it is mended, `steady backup copy NAME`";
    const LOOK: &str = "Run `steady copies`, then `steady backup copy NAME`";
    if !facts.ready {
        let why = facts.error.as_deref().unwrap_or("not set up yet");
        let action = if folder {
            "Attach the disk and run `steady backup copy NAME --init` once"
        } else {
            "Run `steady backup copy NAME --init` once"
        };
        return (Status::Warn, why.to_owned(), action);
    }
    let there = match (facts.absent, folder) {
        (false, _) => "",
        (true, true) => ", its place is not there",
        (true, false) => ", its place cannot be reached",
    };
    if let (Some(error), false) = (&facts.error, facts.absent) {
        return (Status::Warn, error.clone(), LOOK);
    }
    let action = match (facts.absent, folder) {
        (false, _) => LOOK,
        (true, true) => ATTACH,
        (true, false) => REACH,
    };
    let Some(newest) = facts.newest else {
        let status = if verified.is_some() && !facts.running { Status::Warn } else { Status::Pass };
        return (status, format!("nothing copied yet{there}"), action);
    };
    let Some(age) = now.since(newest) else {
        return (Status::Unknown, format!("its newest point is dated in the future ({newest})"), LOOK);
    };
    let phrase = format!("newest copied point: {}{there}", words::ago(age));
    // Without newer points here there is nothing to copy; their age is told by the backup itself.
    let behind = verified.is_some_and(|verified| verified > newest);
    if behind && age > stale_after {
        (Status::Warn, format!("{phrase}, which is too long"), action)
    } else {
        (Status::Pass, phrase, action)
    }
}
