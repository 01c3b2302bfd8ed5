//! What the owner of backups may be asked to do, and its doing.

use std::path::PathBuf;
use std::sync::Arc;

use steady_backup::{BackupError, Backups, Cancel, Services, Thoroughness};
use steady_model::api::RestoreRequest;
use steady_model::backup::{OperationKind, PointKind, RestoreOutcome, RestoreRecord};
use steady_model::config::CopyTarget;
use steady_sync::JobHandle;

use super::{Idle, Occasion, OperationError, Reporter, known};
use crate::backup_moment::Moment;
use crate::drills::Drills;
use crate::hold::Hold;
use crate::registry::Registry;

pub(super) enum Work {
    BackUp(PointKind, Occasion),
    /// `only` empty is all of it; `from` is the copy that it is read from.
    Restore {
        id: String,
        only: Vec<PathBuf>,
        from: Option<CopyTarget>,
    },
    /// No service and no data that are in use are touched.
    RestoreTo {
        id: String,
        to: PathBuf,
        only: Vec<PathBuf>,
        from: Option<CopyTarget>,
    },
    Undo,
    /// Ends a restore that was interrupted.
    Recover,
    Prune,
    Verify {
        id: String,
        how: Thoroughness,
    },
    Drill,
    /// Copies that something else made before Steady; of no folders, those of the configuration.
    Import(Vec<PathBuf>),
}

impl Work {
    pub(super) fn restore(id: &str, how: RestoreRequest, from: Option<CopyTarget>) -> Self {
        let (id, only) = (id.to_owned(), paths(how.only));
        match how.to {
            Some(to) => Self::RestoreTo { id, to: to.into(), only, from },
            None => Self::Restore { id, only, from },
        }
    }

    pub(super) fn kind(&self) -> OperationKind {
        match self {
            Self::BackUp(..) => OperationKind::Backup,
            Self::Restore { .. } => OperationKind::Restore,
            Self::RestoreTo { .. } => OperationKind::RestoreElsewhere,
            Self::Undo => OperationKind::Undo,
            Self::Recover => OperationKind::Recover,
            Self::Prune => OperationKind::Prune,
            Self::Verify { .. } => OperationKind::Verify,
            Self::Drill => OperationKind::Drill,
            Self::Import(_) => OperationKind::Import,
        }
    }

    /// What can be told before it is begun.
    pub(super) fn is_possible(&self, backups: &Backups) -> Result<(), OperationError> {
        match self {
            Self::Restore { id, from: None, .. }
            | Self::RestoreTo { id, from: None, .. }
            | Self::Verify { id, .. } => known(backups, id),
            Self::Undo if !backups.last_restore()?.is_some_and(|r| r.can_undo) => {
                Err(OperationError::NothingToUndo)
            }
            Self::Drill if backups.catalogue()?.iter().all(|p| p.verified.is_none()) => {
                Err(OperationError::NothingToDrill)
            }
            // Whether a copy has the point is told by the copy.
            Self::Restore { .. }
            | Self::RestoreTo { .. }
            | Self::Undo
            | Self::Recover
            | Self::Prune
            | Self::BackUp(..)
            | Self::Drill
            | Self::Import(_) => Ok(()),
        }
    }
}

pub(super) fn paths(typed: Vec<String>) -> Vec<PathBuf> {
    typed.into_iter().map(PathBuf::from).collect()
}

/// What the work is done with.
pub(super) struct Reach {
    pub(super) backups: Arc<Backups>,
    pub(super) drills: Drills,
    pub(super) services: Arc<dyn Services>,
    pub(super) jobs: Registry<JobHandle>,
    pub(super) hold: Hold,
    pub(super) cancel: Cancel,
}

pub(super) async fn perform(
    work: Work,
    reach: Reach,
    moment: Moment,
    reporter: Reporter,
) -> Result<(), OperationError> {
    let cancel = reach.cancel.clone();
    let work = Box::pin(performed(work, reach, moment, &reporter));
    reporter.during(cancel.over(work)).await
}

async fn performed(
    work: Work,
    reach: Reach,
    moment: Moment,
    reporter: &Reporter,
) -> Result<(), OperationError> {
    let Reach { backups, services, jobs, drills, hold, cancel } = reach;
    let on_progress = move |p| reporter.tell(&p);
    match work {
        Work::BackUp(kind, occasion) => {
            let circumstances = tokio::select! {
                circumstances = moment.circumstances(services, &jobs, &occasion, &on_progress) => circumstances,
                () = cancel.asked() => return Err(BackupError::Cancelled.into()),
            };
            backups.take_in(kind, circumstances, on_progress).await.map(drop)?;
        }
        Work::Restore { id, only, from } => {
            let _idle = Idle::all(&jobs).await?;
            let record = match from {
                Some(copy) => {
                    let copy = backups.open_copy(&copy).await?;
                    copy.restore(&id, &only, &*services, on_progress).await?
                }
                None => backups.restore_only(&id, &only, &*services, on_progress).await?,
            };
            refused(record)?;
        }
        Work::RestoreTo { id, to, only, from: None } => {
            backups.restore_to(&id, &to, &only, on_progress).await.map(drop)?;
        }
        Work::RestoreTo { id, to, only, from: Some(copy) } => {
            let copy = backups.open_copy(&copy).await?;
            copy.restore_to(&id, &to, &only, on_progress).await.map(drop)?;
        }
        Work::Undo => {
            let _idle = Idle::all(&jobs).await?;
            refused(backups.undo(&*services, on_progress).await?)?;
        }
        Work::Import(folders) => backups.import(&folders, on_progress).await.map(drop)?,
        // Its journal says what was under way: there is nothing to cancel.
        Work::Recover => match backups.recover(&*services).await {
            Ok(_) => hold.end(),
            Err(error) => {
                hold.renew(error.to_string());
                return Err(error.into());
            }
        },
        Work::Prune => backups.prune(on_progress).await.map(drop)?,
        // What it found is the point's to tell.
        Work::Verify { id, how } => backups.verify_so(&id, how, on_progress).await.map(drop)?,
        Work::Drill => drills.run(&cancel, on_progress).await?,
    }
    Ok(())
}

/// A restore that changed nothing leaves no record: its reason is the error of the operation.
fn refused(record: RestoreRecord) -> Result<(), OperationError> {
    match record.outcome {
        RestoreOutcome::Refused { why } => Err(OperationError::Refused { why }),
        RestoreOutcome::Restored | RestoreOutcome::RolledBack { .. } => Ok(()),
    }
}
