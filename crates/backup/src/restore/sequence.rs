use std::path::PathBuf;

use steady_model::backup::{RestoreOutcome, RestoreRecord, RestoreStep};

use super::journal::{Journal, Move, Paths};
use super::{FailPoint, Moment, OnProgress, Services, Stager, carry, merge, swap};
use crate::cancel::Cancel;
use crate::capture::Exclude;
use crate::error::BackupError;
use crate::protocol::Progress;

/// One restore or undo on its way from a staged tree to its end.
pub(crate) struct Run<'a> {
    pub paths: &'a Paths,
    pub exclude: &'a Exclude,
    pub services: &'a dyn Services,
    pub fail_point: Option<&'a FailPoint>,
    pub way: swap::Way,
    pub on_progress: OnProgress<'a>,
}

/// File work that may take long stays off the threads that answer requests.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BackupError> + Send + 'static,
) -> Result<T, BackupError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|e| Err(BackupError::Worker { why: e.to_string() }))
}

impl Run<'_> {
    /// Journals a step before anything of it is done.
    pub(crate) fn begin(&self, journal: &mut Journal, step: RestoreStep) -> Result<(), BackupError> {
        journal.step = step;
        self.paths.write(journal)?;
        self.observe(Moment::Begun(step))
    }

    pub(crate) fn ended(&self, step: RestoreStep) -> Result<(), BackupError> {
        self.observe(Moment::Ended(step))
    }

    fn observe(&self, moment: Moment) -> Result<(), BackupError> {
        let (Moment::Begun(step) | Moment::Ended(step)) = moment else { return Ok(()) };
        match self.fail_point {
            Some(dies) if dies(moment) => Err(BackupError::Interrupted { step }),
            _ => Ok(()),
        }
    }

    fn say(&self, phase: &str) {
        (self.on_progress)(Progress::of(phase));
    }

    /// From the plan to the end, whichever it is. With obstacles nothing is begun.
    pub(crate) async fn restore(
        &self,
        mut journal: Journal,
        obstacles: &[String],
        stager: &impl Stager,
    ) -> Result<RestoreRecord, BackupError> {
        if !obstacles.is_empty() {
            return Ok(record(&journal, RestoreOutcome::Refused { why: obstacles.join("; ") }, false));
        }
        match self.prepare(&mut journal, stager).await {
            Ok(()) => self.commit(journal).await,
            Err(error @ BackupError::Interrupted { .. }) => Err(error),
            Err(BackupError::Cancelled) => self.withdraw(journal).await,
            Err(error) => self.roll_back(journal, error.to_string()).await,
        }
    }

    async fn prepare(&self, journal: &mut Journal, stager: &impl Stager) -> Result<(), BackupError> {
        self.begin(journal, RestoreStep::Planned)?;
        self.ended(RestoreStep::Planned)?;
        self.begin(journal, RestoreStep::SafetyPoint)?;
        if journal.target.exists() {
            stager.safety_point(self.on_progress).await?;
        }
        self.ended(RestoreStep::SafetyPoint)?;
        self.begin(journal, RestoreStep::Staged)?;
        stager.stage(&journal.point, &journal.other, &journal.only, self.on_progress).await?;
        self.ended(RestoreStep::Staged)?;
        self.begin(journal, RestoreStep::Verified)?;
        stager.check(&journal.point, &journal.other, &journal.only, self.on_progress).await?;
        self.ended(RestoreStep::Verified)
    }

    /// From a verified tree beside the target to the end, whichever it is.
    pub(crate) async fn commit(&self, mut journal: Journal) -> Result<RestoreRecord, BackupError> {
        match self.swap_in(&mut journal).await {
            Ok(()) => self.finish(journal).await,
            Err(error @ BackupError::Interrupted { .. }) => Err(error),
            Err(BackupError::Cancelled) => self.withdraw(journal).await,
            Err(error) => self.roll_back(journal, error.to_string()).await,
        }
    }

    /// Cancelled before anything that is in use was touched.
    async fn withdraw(&self, journal: Journal) -> Result<RestoreRecord, BackupError> {
        if journal.kind == Move::Restore {
            self.roll_back(journal, BackupError::Cancelled.to_string()).await?;
        }
        Err(BackupError::Cancelled)
    }

    async fn swap_in(&self, journal: &mut Journal) -> Result<(), BackupError> {
        // From here on what is in use is touched: it ends in the new state, or rolls back by itself.
        Cancel::close()?;
        journal.old = swap::inode(&journal.target)?;
        journal.new = swap::inode(&journal.other)?;
        self.begin(journal, RestoreStep::Stopped)?;
        self.say("stopping what writes to the data");
        let stopped = self.services.stop(&journal.services).await;
        stopped.map_err(|why| BackupError::NotStopped { why })?;
        self.ended(RestoreStep::Stopped)?;

        let (live, into, exclude) = (journal.target.clone(), journal.other.clone(), self.exclude.clone());
        let (only, restores) = (journal.only.clone(), journal.kind == Move::Restore);
        blocking(move || {
            if restores && !only.is_all() && live.exists() {
                merge::merge(&live, &into, &only)?;
            }
            carry::carry(&live, &into, &exclude)
        })
        .await?;
        self.begin(journal, RestoreStep::Swapped)?;
        let (target, other) = (journal.target.clone(), journal.other.clone());
        let (way, dies) = (self.way, self.fail_point.cloned());
        blocking(move || swap::exchange(&target, &other, way, &gap(dies.as_ref()))).await?;
        self.ended(RestoreStep::Swapped)?;
        self.start(journal).await
    }

    async fn start(&self, journal: &mut Journal) -> Result<(), BackupError> {
        self.begin(journal, RestoreStep::Started)?;
        self.say("starting, and waiting until all is healthy");
        let started = self.services.start_and_wait_healthy(&journal.services).await;
        started.map_err(|why| BackupError::Unhealthy { why })?;
        self.ended(RestoreStep::Started)?;
        self.begin(journal, RestoreStep::Healthy)
    }

    /// The new state is live and healthy: the old tree goes to where *Undo* finds it.
    async fn finish(&self, journal: Journal) -> Result<RestoreRecord, BackupError> {
        let (other, kept, target) = (journal.other.clone(), journal.kept.clone(), journal.target.clone());
        let replaced = blocking(move || {
            if swap::inode(&other)?.is_some() {
                swap::rename(&other, &kept)?;
                swap::flush_beside(&target)?;
            }
            Ok(swap::inode(&kept)?.is_some())
        })
        .await?;
        self.ended(RestoreStep::Healthy)?;
        let (outcome, can_undo) = match journal.kind {
            Move::Restore => (RestoreOutcome::Restored, replaced),
            Move::Undo => (RestoreOutcome::RolledBack { why: "it was undone".to_owned() }, false),
        };
        let kept = replaced.then(|| journal.kept.clone());
        let record = record(&journal, outcome, can_undo);
        self.paths.finish(record.clone(), kept)?;
        let paths = self.paths.clone();
        // A tree that could not be removed now is listed, and removed at the next start.
        if let Err(error) = blocking(move || paths.sweep()).await {
            tracing::warn!(%error, "a tree of an earlier restore stays for now");
        }
        Ok(record)
    }

    /// Back to the old state, from wherever the restore got to.
    pub(crate) async fn roll_back(
        &self,
        mut journal: Journal,
        why: String,
    ) -> Result<RestoreRecord, BackupError> {
        let mut why = journal.rolling_back.clone().unwrap_or(why);
        journal.rolling_back = Some(why.clone());
        // A full disk must not keep the old state from coming back: the inodes say enough for a recovery.
        if let Err(error) = self.paths.write(&journal) {
            tracing::warn!(%error, "rolling back without a journal entry");
        }
        let new_is_live = journal.new.is_some() && swap::inode(&journal.target)? == journal.new;
        if new_is_live {
            self.say("going back to the state before");
            if let Err(reason) = self.services.stop(&journal.services).await {
                why = format!("{why}; they could not be stopped: {reason}");
            }
            let (target, other, there_was_one) =
                (journal.target.clone(), journal.other.clone(), journal.old.is_some());
            let (way, dies) = (self.way, self.fail_point.cloned());
            blocking(move || {
                if there_was_one {
                    swap::exchange(&target, &other, way, &gap(dies.as_ref()))
                } else {
                    swap::take_away(&target, &other)
                }
            })
            .await?;
        }
        let touched = journal.step >= RestoreStep::Stopped;
        if touched && let Err(reason) = self.services.start_and_wait_healthy(&journal.services).await {
            why = format!("{why}; the state before is back, but: {reason}");
        }
        match journal.kind {
            Move::Restore => self.give_up(&journal, touched, why).await,
            Move::Undo => {
                self.paths.close()?;
                Err(BackupError::NotUndone { why })
            }
        }
    }

    async fn give_up(
        &self,
        journal: &Journal,
        touched: bool,
        why: String,
    ) -> Result<RestoreRecord, BackupError> {
        let staged = journal.other.clone();
        // Never the user's data: what lies there must not be the tree that was live.
        if journal.old.is_none() || swap::inode(&staged)? != journal.old {
            blocking(move || swap::remove(&staged)).await?;
        }
        if touched {
            let record = record(journal, RestoreOutcome::RolledBack { why }, false);
            let kept = self.paths.last()?.and_then(|l| l.kept);
            self.paths.finish(record.clone(), kept)?;
            return Ok(record);
        }
        // Nothing was changed: the record of the restore before, and its undo, stay.
        self.paths.close()?;
        Ok(record(journal, RestoreOutcome::Refused { why }, false))
    }

    /// Ends what a crash cut off: forward when the new state was in place, back otherwise.
    pub(crate) async fn recover(&self, mut journal: Journal) -> Result<RestoreRecord, BackupError> {
        if let Some(last) =
            self.paths.last()?.filter(|l| l.record.id == journal.id && over(&journal, l.record.can_undo))
        {
            self.paths.close()?;
            return Ok(last.record);
        }
        let (target, other): (PathBuf, PathBuf) = (journal.target.clone(), journal.other.clone());
        blocking(move || swap::settle(&target, &other)).await?;
        // Neither state is there, so nothing can be said to be back: services would begin with nothing.
        if journal.old.is_some() && swap::inode(&journal.target)?.is_none() {
            return Err(BackupError::DataGone { path: journal.target });
        }
        journal.recoveries += 1;
        self.paths.write(&journal)?;
        let new_is_live = journal.new.is_some() && swap::inode(&journal.target)? == journal.new;
        let why = format!("Steady ended during the step {:?}", journal.step);
        if !new_is_live || journal.rolling_back.is_some() {
            return self.roll_back(journal, why).await;
        }
        if journal.step == RestoreStep::Healthy {
            return self.finish(journal).await;
        }
        // Once only: a restored state that ends the agent again and again must not be tried for ever.
        if journal.recoveries > 1 {
            return self.roll_back(journal, why).await;
        }
        match self.start(&mut journal).await {
            Ok(()) => self.finish(journal).await,
            Err(error @ BackupError::Interrupted { .. }) => Err(error),
            Err(error) => self.roll_back(journal, error.to_string()).await,
        }
    }
}

/// What a crash between the renames of an exchange is tried with.
fn gap(dies: Option<&FailPoint>) -> impl Fn(u8) -> Result<(), BackupError> {
    move |n| match dies {
        Some(dies) if dies(Moment::Gap(n)) => Err(BackupError::Interrupted { step: RestoreStep::Swapped }),
        _ => Ok(()),
    }
}

/// Whether the last record is already that of this journal's end. An undo has the id of the restore it undoes.
fn over(journal: &Journal, can_undo: bool) -> bool {
    match journal.kind {
        Move::Restore => journal.step >= RestoreStep::Stopped,
        Move::Undo => !can_undo,
    }
}

fn record(journal: &Journal, outcome: RestoreOutcome, can_undo: bool) -> RestoreRecord {
    RestoreRecord {
        id: journal.id.clone(),
        point: journal.point.clone(),
        point_taken: journal.point_taken,
        ended: steady_clock::now().wall,
        outcome,
        only: journal.only.names(),
        can_undo,
    }
}
