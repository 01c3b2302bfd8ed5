//! Where restore points are read from: the repository here, or a copy when that is lost.

use std::path::{Path, PathBuf};

use steady_launch::Secret;
use steady_model::backup::{PointKind, RestorePlan, RestorePoint, RestoreRecord};
use steady_model::config::{CopyPlace, CopyTarget};

use super::copies::{Way, named};
use super::{Backups, Circumstances, Inner, Written, unexpected};
use crate::chosen::Chosen;
use crate::error::BackupError;
use crate::key::KeyPlace;
use crate::protocol::{Command, Done, Progress, Request};
use crate::restore::{OnProgress, Services, Stager};

/// The restore points of a copy, to be restored straight from it.
pub struct CopyPoints {
    backups: Backups,
    target: CopyTarget,
    way: Way,
    points: Vec<RestorePoint>,
}

impl Backups {
    /// Opens a copy and lists its points. It needs not to be set up here: this may be another machine.
    pub async fn open_copy(&self, copy: &CopyTarget) -> Result<CopyPoints, BackupError> {
        let way = self.way_to(copy, None).await?;
        let mut opened = CopyPoints { backups: self.clone(), target: copy.clone(), way, points: Vec::new() };
        let origin = opened.origin();
        let Done::Points(mut points) = origin.ask(Command::List, &|_| {}).await? else {
            return Err(unexpected("a listing"));
        };
        points.sort_by_key(|point| std::cmp::Reverse(point.taken));
        // That a point was verified is known here only, of those that were copied from here.
        let (known, copied) = (self.catalogue().unwrap_or_default(), self.copied(copy).ok().flatten());
        for point in &mut points {
            let here = copied.iter().flat_map(|c| &c.copied).find(|c| c.there == point.id).map(|c| &c.point);
            let known = known.iter().find(|k| Some(&k.id) == here);
            point.verified = known.and_then(|known| known.verified);
        }
        opened.points = points;
        Ok(opened)
    }
}

impl CopyPoints {
    fn origin(&self) -> Origin<'_> {
        Origin { inner: &self.backups.inner, copy: Some(self) }
    }

    /// Newest first; the ids are those that they have there.
    pub fn points(&self) -> &[RestorePoint] {
        &self.points
    }

    /// What a restore of `id` would do, with `to` to that folder.
    pub async fn plan(
        &self,
        id: &str,
        to: Option<&Path>,
        only: &[PathBuf],
    ) -> Result<RestorePlan, BackupError> {
        let inner = &self.backups.inner;
        let chosen = Chosen::new(only, &inner.source)?;
        match to {
            Some(to) => inner.plan_to(&self.origin(), id, to, &chosen).await,
            None => inner.plan(&self.origin(), id, &chosen).await,
        }
    }

    /// As [`Backups::restore_only`].
    pub async fn restore(
        &self,
        id: &str,
        only: &[PathBuf],
        services: &dyn Services,
        on_progress: impl Fn(Progress) + Send + Sync,
    ) -> Result<RestoreRecord, BackupError> {
        let inner = &self.backups.inner;
        let chosen = Chosen::new(only, &inner.source)?;
        let _busy = inner.busy.lock().await;
        inner.restore(&self.origin(), id, &chosen, services, &on_progress).await
    }

    /// As [`Backups::restore_to`].
    pub async fn restore_to(
        &self,
        id: &str,
        to: &Path,
        only: &[PathBuf],
        on_progress: impl Fn(Progress) + Send + Sync,
    ) -> Result<Written, BackupError> {
        let inner = &self.backups.inner;
        let chosen = Chosen::new(only, &inner.source)?;
        let _busy = inner.busy.lock().await;
        inner.restore_to(&self.origin(), id, to, &chosen, &on_progress).await
    }
}

/// Where restore points are read from.
#[derive(Clone, Copy)]
pub(super) struct Origin<'a> {
    pub(super) inner: &'a Inner,
    copy: Option<&'a CopyPoints>,
}

impl<'a> Origin<'a> {
    pub(super) fn here(inner: &'a Inner) -> Self {
        Self { inner, copy: None }
    }

    pub(super) fn points(&self) -> Result<Vec<RestorePoint>, BackupError> {
        self.copy.map_or_else(|| self.inner.catalogue.read(), |copy| Ok(copy.points.clone()))
    }

    /// Where restic finds the points, if a path says it, and the file of its key, if there is one.
    pub(super) fn by_restic(&self) -> Option<(PathBuf, Option<PathBuf>)> {
        let of_steady = || match self.inner.keys.place() {
            Ok(KeyPlace::File(file)) => Some(file),
            Ok(KeyPlace::Keychain(_)) | Err(_) => None,
        };
        let Some(copy) = self.copy else { return Some((self.inner.repository.clone(), of_steady())) };
        let CopyPlace::Folder { path, .. } = &copy.target.to else { return None };
        let file = copy.target.password.is_none().then(of_steady).flatten();
        Some((path.clone(), file))
    }

    pub(super) async fn ask(
        &self,
        command: Command,
        on_progress: OnProgress<'_>,
    ) -> Result<Done, BackupError> {
        let Some(copy) = self.copy else { return self.inner.engine(command, on_progress).await };
        let request = Request { from: Some(copy.way.to.clone()), ..self.inner.request(command)? };
        let key = match &copy.way.to.password_file {
            // That is what opens it; here may be none.
            Some(_) => Secret::new(Vec::new()),
            None => self.inner.key().await.map_err(|error| match error {
                BackupError::KeyMissing { file, .. } => {
                    BackupError::CopyKeyMissing { name: copy.target.name.clone(), file }
                }
                error => error,
            })?,
        };
        let asked = self.inner.engine.run(&request, &key, on_progress).await;
        asked.map_err(|error| named(&copy.target, error))
    }
}

/// What a restore needs of the repository.
impl Stager for Origin<'_> {
    async fn safety_point(&self, on_progress: OnProgress<'_>) -> Result<(), BackupError> {
        // Incomplete is fine: data that cannot be read is why people restore, and the old tree is kept whole.
        self.inner.take(PointKind::Safety, Circumstances::default(), on_progress).await.map(drop)
    }

    async fn stage(
        &self,
        point: &str,
        into: &Path,
        only: &Chosen,
        on_progress: OnProgress<'_>,
    ) -> Result<(), BackupError> {
        let command = Command::Stage { point: point.to_owned(), into: into.to_owned(), only: only.clone() };
        self.ask(command, on_progress).await.map(drop)
    }

    async fn check(
        &self,
        point: &str,
        root: &Path,
        only: &Chosen,
        on_progress: OnProgress<'_>,
    ) -> Result<(), BackupError> {
        let command =
            Command::CheckStaged { point: point.to_owned(), root: root.to_owned(), only: only.clone() };
        match self.ask(command, on_progress).await? {
            Done::Verdict(verdict) => match verdict.problems.first() {
                None => Ok(()),
                Some(problem) => Err(BackupError::Untrusted { id: point.to_owned(), why: problem.clone() }),
            },
            _ => Err(unexpected("a check")),
        }
    }
}
