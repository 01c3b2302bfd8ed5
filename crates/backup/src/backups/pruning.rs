//! Which restore points go, and their removal.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use steady_model::backup::RestorePoint;
use steady_model::retention::{self, Fate, Pin, PrunePlan, PruneRecord};
use steady_model::time::WallTime;

use super::{Backups, Inner, unexpected};
use crate::cancel::Cancel;
use crate::error::BackupError;
use crate::protocol::{Command, Done, Progress};
use crate::restore::OnProgress;

impl Backups {
    /// What [`Self::prune`] would do now, and the bytes it would give back; reads the repository.
    pub async fn prune_plan(&self) -> Result<PrunePlan, BackupError> {
        let _busy = self.inner.busy.lock().await;
        let points = self.inner.fates(&self.inner.catalogue.read()?)?;
        if points.is_empty() {
            return Ok(PrunePlan { points, frees: 0 });
        }
        let command = Command::Prunable { points: going(&points) };
        let Done::Prunable { frees } = self.inner.engine(command, &|_| {}).await? else {
            return Err(unexpected("a question for room"));
        };
        Ok(PrunePlan { points, frees })
    }

    /// Removes the points that `backup.keep` does not keep, and gives back what only they needed.
    ///
    /// Cut off or cancelled anywhere it leaves all other points whole; the next one goes on.
    pub async fn prune(
        &self,
        on_progress: impl Fn(Progress) + Send + Sync,
    ) -> Result<PruneRecord, BackupError> {
        let _busy = self.inner.busy.lock().await;
        let ended = self.inner.prune(&on_progress).await;
        let now = steady_clock::now().wall;
        let record = match &ended {
            // A person's wish is no failure.
            Err(BackupError::Cancelled) => return Err(BackupError::Cancelled),
            Ok((removed, freed)) => {
                PruneRecord { ended: now, removed: *removed, freed: *freed, failed: None }
            }
            Err(error) => failed(now, error.to_string()),
        };
        self.inner.removals.note(record.clone())?;
        ended.map(|_| record)
    }

    /// How the last removal ended.
    pub fn last_prune(&self) -> Result<Option<PruneRecord>, BackupError> {
        Ok(self.inner.removals.read()?.last)
    }

    /// Whether it is time to remove points by itself, and there are such.
    pub fn prune_is_due(&self, now: WallTime) -> Result<bool, BackupError> {
        let removals = self.inner.removals.read()?;
        if !self.inner.config.keep.automatic || !retention::is_due(removals.last.as_ref(), now) {
            return Ok(false);
        }
        let fates = self.inner.fates(&self.inner.catalogue.read()?)?;
        Ok(!removals.going.is_empty() || fates.iter().any(|fate| !fate.keep))
    }
}

fn going(fates: &[Fate]) -> Vec<String> {
    fates.iter().filter(|fate| !fate.keep).map(|fate| fate.id.clone()).collect()
}

impl Inner {
    fn fates(&self, points: &[RestorePoint]) -> Result<Vec<Fate>, BackupError> {
        let now = steady_clock::now().wall;
        Ok(retention::judge(points, &self.config.keep, &self.pins()?, now, &TimeZone::system()))
    }

    /// Points that a restore has to do with.
    fn pins(&self) -> Result<Vec<Pin>, BackupError> {
        let under_way = self.paths.journal()?.map(|journal| {
            let why = "a restore of it is not ended".to_owned();
            Pin { id: journal.point, why }
        });
        let newest_good = |points: &[RestorePoint]| {
            let mut verified = points.iter().filter(|p| p.verified.is_some());
            verified.next().map(|p| p.taken)
        };
        let newest_good = newest_good(&self.catalogue.read()?);
        // The next backup's rows are compared with it.
        let restored = self.paths.last()?.map(|last| last.record);
        let restored = restored.filter(|record| newest_good.is_none_or(|taken| taken < record.ended));
        let restored = restored.map(|record| {
            let why = "the last restore brought it back, and no backup after it is verified yet".to_owned();
            Pin { id: record.point, why }
        });
        Ok(under_way.into_iter().chain(restored).collect())
    }

    /// How many points went, and the bytes given back.
    async fn prune(&self, on_progress: OnProgress<'_>) -> Result<(u64, u64), BackupError> {
        self.refuse_while_unfinished()?;
        if !self.repository.join("config").exists() {
            return Ok((0, 0));
        }
        self.reconcile().await?;
        let points = self.catalogue.read()?;
        let ids = going(&self.fates(&points)?);
        let (gone, stay): (Vec<_>, Vec<_>) = points.into_iter().partition(|p| ids.contains(&p.id));
        // From here on nobody can choose a point that goes.
        self.removals.begin(gone)?;
        self.catalogue.write(stay)?;
        let failure = match self.engine(Command::Prune { points: ids }, on_progress).await {
            Ok(Done::Pruned { removed, freed }) => {
                self.removals.settle()?;
                return Ok((removed, freed));
            }
            Ok(_) => unexpected("a removal"),
            Err(error) => error,
        };
        // Also after it was cancelled: this is what it leaves.
        if let Err(error) = Cancel::default().over(self.reconcile()).await {
            // The next backup, removal or start does it.
            tracing::warn!("what a failed removal of restore points left is not known yet: {error}");
        }
        Err(failure)
    }

    /// Ends what a removal that was cut off has left.
    pub(super) async fn end_removal(&self) -> Result<(), BackupError> {
        if self.removals.read()?.going.is_empty() {
            return Ok(());
        }
        self.reconcile().await?;
        self.removals.note(failed(steady_clock::now().wall, "it was interrupted".to_owned()))
    }

    /// Lets the catalogue name what is there: points of a removal that was cut off, and of a backup that nobody noted.
    async fn reconcile(&self) -> Result<(), BackupError> {
        let Done::Ids(ids) = self.engine(Command::Ids, &|_| {}).await? else {
            return Err(unexpected("a listing"));
        };
        let there: BTreeSet<String> = ids.into_iter().collect();
        for point in self.removals.read()?.going.iter().filter(|point| there.contains(&point.id)) {
            self.catalogue.put(point)?;
        }
        let known: BTreeSet<String> = self.catalogue.read()?.into_iter().map(|point| point.id).collect();
        if there != known {
            self.rescan().await?;
        }
        self.removals.settle()
    }
}

fn failed(ended: WallTime, why: String) -> PruneRecord {
    PruneRecord { ended, removed: 0, freed: 0, failed: Some(why) }
}
