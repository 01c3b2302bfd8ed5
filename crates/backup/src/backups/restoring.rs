//! Restores of chosen files, and to other places.

use std::path::{Path, PathBuf};

use steady_model::backup::{RestorePlan, RestorePoint, RestoreRecord};

use super::{Backups, Inner, Origin, unexpected};
use crate::cancel::Cancel;
use crate::chosen::Chosen;
use crate::error::BackupError;
use crate::plan;
use crate::protocol::{Command, Compared, Done, Progress};
use crate::restore::{Journal, OnProgress, Place, Services, Stager};

/// What a restore to another place wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    pub at: PathBuf,
    pub files: u64,
    pub bytes: u64,
}

impl Backups {
    /// What a restore of `id` would do, of all of it or of the paths in `only`. `id` may be the beginning of one,
    /// if no other begins so.
    pub async fn plan_of(&self, id: &str, only: &[PathBuf]) -> Result<RestorePlan, BackupError> {
        let chosen = Chosen::new(only, &self.inner.source)?;
        self.inner.plan(&Origin::here(&self.inner), id, &chosen).await
    }

    /// What [`Self::restore_to`] would do.
    pub async fn plan_to(&self, id: &str, to: &Path, only: &[PathBuf]) -> Result<RestorePlan, BackupError> {
        let chosen = Chosen::new(only, &self.inner.source)?;
        self.inner.plan_to(&Origin::here(&self.inner), id, to, &chosen).await
    }

    /// As [`Self::restore`], for the paths in `only` and what lies below them; all else stays as it is now.
    pub async fn restore_only(
        &self,
        id: &str,
        only: &[PathBuf],
        services: &dyn Services,
        on_progress: impl Fn(Progress) + Send + Sync,
    ) -> Result<RestoreRecord, BackupError> {
        let chosen = Chosen::new(only, &self.inner.source)?;
        let _busy = self.inner.busy.lock().await;
        self.inner.restore(&Origin::here(&self.inner), id, &chosen, services, &on_progress).await
    }

    /// Writes a point, or the paths in `only` of it, to `to`: an absolute path where nothing is, or an empty folder.
    /// No service is touched. What is at `to` at the end is whole and checked, or nothing.
    pub async fn restore_to(
        &self,
        id: &str,
        to: &Path,
        only: &[PathBuf],
        on_progress: impl Fn(Progress) + Send + Sync,
    ) -> Result<Written, BackupError> {
        let chosen = Chosen::new(only, &self.inner.source)?;
        let _busy = self.inner.busy.lock().await;
        self.inner.restore_to(&Origin::here(&self.inner), id, to, &chosen, &on_progress).await
    }
}

impl Inner {
    pub(super) async fn plan(
        &self,
        origin: &Origin<'_>,
        id: &str,
        chosen: &Chosen,
    ) -> Result<RestorePlan, BackupError> {
        let point = plan::find(&origin.points()?, id)?;
        let compared = self.compared(origin, &point, chosen).await;
        let (source, services, only) = (self.source.clone(), self.config.services.clone(), chosen.clone());
        let planned = move || plan::plan(point, &source, services, &only, compared);
        let plan = tokio::task::spawn_blocking(planned).await;
        let mut plan = plan.map_err(|e| BackupError::Worker { why: e.to_string() })??;
        self.say_of_dumps(origin, &mut plan);
        Ok(plan)
    }

    fn say_of_dumps(&self, origin: &Origin<'_>, plan: &mut RestorePlan) {
        // Who chose files does not expect a database.
        if !plan.only.is_empty() {
            return;
        }
        let kept = origin.by_restic();
        let dumps = self.config.capture.postgres.iter();
        plan.cautions.extend(
            dumps.map(|(name, dump)| plan::by_hand(name, &dump.server.url, &plan.point.id, kept.as_ref())),
        );
    }

    pub(super) async fn plan_to(
        &self,
        origin: &Origin<'_>,
        id: &str,
        to: &Path,
        chosen: &Chosen,
    ) -> Result<RestorePlan, BackupError> {
        let point = plan::find(&origin.points()?, id)?;
        let place = self.place(to).and_then(|place| place.free());
        let taken = if chosen.is_all() {
            Ok(Compared { bytes: point.bytes, lost: Vec::new(), absent: None })
        } else {
            self.compared(origin, &point, chosen).await
        };
        let mut plan = plan::elsewhere(point, to, place, chosen, taken);
        self.say_of_dumps(origin, &mut plan);
        Ok(plan)
    }

    async fn compared(
        &self,
        origin: &Origin<'_>,
        point: &RestorePoint,
        chosen: &Chosen,
    ) -> Result<Compared, BackupError> {
        let command = Command::Compare {
            point: point.id.clone(),
            source: self.source.clone(),
            exclude: self.config.exclude.clone(),
            only: chosen.clone(),
        };
        match origin.ask(command, &|_| {}).await? {
            Done::Compared(compared) => Ok(compared),
            _ => Err(unexpected("a comparison")),
        }
    }

    pub(super) async fn restore(
        &self,
        origin: &Origin<'_>,
        id: &str,
        chosen: &Chosen,
        services: &dyn Services,
        on_progress: OnProgress<'_>,
    ) -> Result<RestoreRecord, BackupError> {
        self.refuse_while_unfinished()?;
        let plan = self.plan(origin, id, chosen).await?;
        if Cancel::current().is_asked() {
            return Err(BackupError::Cancelled);
        }
        let now = steady_clock::now().wall;
        let mut journal = Journal::restore(
            plan::new_id(now)?,
            plan.point.id.clone(),
            plan.point.taken,
            &self.source,
            &self.config.services,
        );
        journal.only = chosen.clone();
        self.run(services, on_progress).restore(journal, &plan.obstacles, origin).await
    }

    pub(super) async fn restore_to(
        &self,
        origin: &Origin<'_>,
        id: &str,
        to: &Path,
        chosen: &Chosen,
        on_progress: OnProgress<'_>,
    ) -> Result<Written, BackupError> {
        let point = plan::find(&origin.points()?, id)?;
        let place = self.place(to)?;
        let free = place.free()?;
        if chosen.is_all() && free < point.bytes {
            return Err(BackupError::NoRoom { path: to.to_owned(), free, needed: point.bytes });
        }
        self.paths.note_tree(&place.partial)?;
        let written = self.write_to(origin, &point.id, &place, chosen, on_progress).await;
        // Gone when all went well, and then there is nothing to remove.
        self.paths.clear_trees()?;
        written
    }

    fn place(&self, to: &Path) -> Result<Place, BackupError> {
        let home = self.keys.folder().parent().unwrap_or(self.keys.folder());
        let id = plan::new_id(steady_clock::now().wall)?;
        Place::new(to, &id, &[&self.source, &self.repository, home])
    }

    async fn write_to(
        &self,
        origin: &Origin<'_>,
        id: &str,
        place: &Place,
        chosen: &Chosen,
        on_progress: OnProgress<'_>,
    ) -> Result<Written, BackupError> {
        let command =
            Command::Stage { point: id.to_owned(), into: place.partial.clone(), only: chosen.clone() };
        let Done::Staged { files, bytes } = origin.ask(command, on_progress).await? else {
            return Err(unexpected("a restore"));
        };
        origin.check(id, &place.partial, chosen, on_progress).await?;
        place.settle()?;
        Ok(Written { at: place.at.clone(), files, bytes })
    }
}
