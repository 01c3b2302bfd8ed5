//! Replaces a data directory by a restore point's, as one exchange that can be undone.
//!
//! `planned → safety point → staged → verified → stopped → swapped → started → healthy`, each journalled before it
//! begins. A crash anywhere is ended by [`crate::Backups::recover`] in the old state or the new one, whole.

mod carry;
mod elsewhere;
mod journal;
mod merge;
mod sequence;
mod swap;

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use steady_model::backup::RestoreStep;

use crate::chosen::Chosen;
use crate::error::BackupError;
use crate::protocol::Progress;

pub(crate) use carry::{copy_entry, dress_like};
pub(crate) use elsewhere::Place;
pub(crate) use journal::{Journal, Move, Paths};
pub(crate) use sequence::Run;
pub(crate) use swap::{Way, is_mount_point, remove as remove_tree};

pub(crate) type OnProgress<'a> = &'a (dyn Fn(Progress) + Send + Sync);

pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The services that write to the data directory, as the agent rules them.
pub trait Services: Send + Sync {
    /// Ends them in this order; done when it is proved that none of their processes is left.
    fn stop<'a>(&'a self, names: &'a [String]) -> BoxFuture<'a, Result<(), String>>;

    /// Starts them in the reverse order; done when all are healthy.
    fn start_and_wait_healthy<'a>(&'a self, names: &'a [String]) -> BoxFuture<'a, Result<(), String>>;
}

/// A point between two steps at which a crash is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    /// The step is journalled and nothing of it is done.
    Begun(RestoreStep),
    /// The step is done and the next one is not journalled.
    Ended(RestoreStep),
    /// After the first or the second of the three renames that stand in for an exchange.
    Gap(u8),
}

/// Asked at each moment; `true` ends the restore there as if the process had been killed.
pub type FailPoint = Arc<dyn Fn(Moment) -> bool + Send + Sync>;

/// What a restore needs of the repository.
pub(crate) trait Stager {
    async fn safety_point(&self, on_progress: OnProgress<'_>) -> Result<(), BackupError>;
    /// Writes the point's data to `into`, which must not exist.
    async fn stage(
        &self,
        point: &str,
        into: &Path,
        only: &Chosen,
        on_progress: OnProgress<'_>,
    ) -> Result<(), BackupError>;
    /// Proves that what lies in `root` is the point's data.
    async fn check(
        &self,
        point: &str,
        root: &Path,
        only: &Chosen,
        on_progress: OnProgress<'_>,
    ) -> Result<(), BackupError>;
}
