mod browsing;
mod copies;
mod drilling;
mod importing;
mod keeping;
mod origin;
mod pruning;
mod restoring;
mod scratch;
mod verification;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use steady_disk::create_private_dir;
use steady_launch::Secret;
use steady_model::backup::{PointKind, RestorePlan, RestorePoint, RestoreRecord};
use steady_model::config;
use tokio::sync::Mutex;

use crate::capture::Exclude;
use crate::catalogue::Catalogue;
use crate::child::{EngineCommand, Engines};
use crate::chosen::Chosen;
use crate::error::BackupError;
use crate::key::{AnyKeychain, KeyRing};
use crate::login::Logins;
use crate::protocol::{CaptureRequest, Command, Done, Progress, Request};
use crate::quiet::Hush;
use crate::removals::RemovalsFile;
use crate::restore::{FailPoint, Journal, Move, OnProgress, Paths, Run, Services, Way};

pub use copies::{CopiedPoint, CopyRecord};
pub use keeping::Recovery;
pub use origin::CopyPoints;
use origin::Origin;
pub use restoring::Written;
pub use verification::Thoroughness;

/// The backups of one data directory. Cheap to clone; one operation runs at a time.
///
/// An operation is cancelled by [`Cancel`](crate::Cancel): its engine is ended with all that it started, and what
/// it leaves is cleaned up. Dropping the future of an operation ends the engine too, and nothing else: a restore's
/// future that was dropped is like a crash, and [`Backups::recover`] ends it.
#[derive(Clone)]
pub struct Backups {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Engines,
    source: PathBuf,
    config: config::Backup,
    repository: PathBuf,
    keys: KeyRing,
    scratch: PathBuf,
    exclude: Exclude,
    catalogue: Catalogue,
    removals: RemovalsFile,
    paths: Paths,
    fail_point: Option<FailPoint>,
    way: Way,
    /// Held by the one operation that runs.
    busy: Mutex<()>,
}

impl Backups {
    /// Prepares `<home>/backups` and `<home>/restore`; the repository is created with the first restore point.
    pub fn open(home: &Path, config: &config::Backup, engine: EngineCommand) -> Result<Self, BackupError> {
        Self::open_with(home, config, engine, Arc::new(steady_launch::keychain::system()))
    }

    /// As [`Self::open`], with a keychain of one's own.
    pub fn open_with(
        home: &Path,
        config: &config::Backup,
        engine: EngineCommand,
        keychain: AnyKeychain,
    ) -> Result<Self, BackupError> {
        let folder = home.join("backups");
        create_private_dir(&folder)?;
        let paths = Paths::below(home)?;
        let home = home.canonicalize().map_err(BackupError::io("resolve", home))?;
        let folder = home.join("backups");
        let source = resolve(&config.source)?;
        let repository = config.repository.clone().unwrap_or_else(|| folder.join("repository"));
        let inside = |place: &Path| place.starts_with(&source);
        if inside(&home) || inside(&resolve(&repository).unwrap_or_else(|_| repository.clone())) {
            let why = "Steady's own folder or the backup repository lies inside it; move them out".to_owned();
            return Err(BackupError::Source { path: source, why });
        }
        let inner = Inner {
            engine: Engines::new(engine, config.priority.io),
            source,
            config: config.clone(),
            repository,
            keys: KeyRing::new(&folder, config.key, keychain),
            scratch: folder.join("scratch"),
            exclude: Exclude::new(&config.exclude)?,
            catalogue: Catalogue::at(folder.join("catalogue.json")),
            removals: RemovalsFile::at(folder.join("prune.json")),
            paths,
            fail_point: None,
            way: Way::default(),
            busy: Mutex::new(()),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The restore points, newest first; reads one small file.
    pub fn catalogue(&self) -> Result<Vec<RestorePoint>, BackupError> {
        self.inner.catalogue.read()
    }

    /// Takes a restore point and reads it back. What could not be read, or reads back wrong, is in its `missing`;
    /// such a point has no `verified` date.
    pub async fn take(
        &self,
        kind: PointKind,
        on_progress: impl Fn(Progress) + Send + Sync,
    ) -> Result<RestorePoint, BackupError> {
        self.take_in(kind, Circumstances::default(), on_progress).await
    }

    /// As [`Self::take`], with what is known of the moment.
    pub async fn take_in(
        &self,
        kind: PointKind,
        circumstances: Circumstances,
        on_progress: impl Fn(Progress) + Send + Sync,
    ) -> Result<RestorePoint, BackupError> {
        let _busy = self.inner.busy.lock().await;
        self.inner.take(kind, circumstances, &on_progress).await
    }

    /// Builds the catalogue anew from the repository. Verified dates that were known stay.
    pub async fn rescan(&self) -> Result<Vec<RestorePoint>, BackupError> {
        let _busy = self.inner.busy.lock().await;
        self.inner.rescan().await?;
        self.inner.catalogue.read()
    }

    /// What a restore of `id` would do. `id` may be the beginning of one, if no other begins so.
    pub async fn plan(&self, id: &str) -> Result<RestorePlan, BackupError> {
        self.inner.plan(&Origin::here(&self.inner), id, &Chosen::default()).await
    }

    /// Replaces the data by a restore point's. The outcome says whether the new state is in place; an error means
    /// that it is not known and [`Backups::recover`] has to end it.
    pub async fn restore(
        &self,
        id: &str,
        services: &dyn Services,
        on_progress: impl Fn(Progress) + Send + Sync,
    ) -> Result<RestoreRecord, BackupError> {
        let _busy = self.inner.busy.lock().await;
        self.inner.restore(&Origin::here(&self.inner), id, &Chosen::default(), services, &on_progress).await
    }

    /// Brings back the state before the last restore.
    pub async fn undo(
        &self,
        services: &dyn Services,
        on_progress: impl Fn(Progress) + Send + Sync,
    ) -> Result<RestoreRecord, BackupError> {
        let _busy = self.inner.busy.lock().await;
        self.inner.undo(services, &on_progress).await
    }

    /// How the last restore that touched the data ended.
    pub fn last_restore(&self) -> Result<Option<RestoreRecord>, BackupError> {
        Ok(self.inner.paths.last()?.map(|last| last.record))
    }

    /// Ends a restore that a crash cut off; `None` when there was none. Call it at the agent's start, before any
    /// service is started: the data directory may be about to be exchanged.
    pub async fn recover(&self, services: &dyn Services) -> Result<Option<RestoreRecord>, BackupError> {
        let _busy = self.inner.busy.lock().await;
        self.inner.paths.clear_trees()?;
        if let Err(error) = self.inner.end_removal().await {
            // The next removal begins with it.
            tracing::warn!("an interrupted removal of restore points could not be ended: {error}");
        }
        let Some(journal) = self.inner.paths.journal()? else {
            self.inner.paths.sweep()?;
            return Ok(None);
        };
        let undo = journal.kind == Move::Undo;
        match self.inner.run(services, &|_| {}).recover(journal).await {
            Ok(record) => Ok(Some(record)),
            // The data is as the record of the restore says.
            Err(BackupError::NotUndone { .. }) if undo => self.last_restore(),
            Err(error) => Err(error),
        }
    }

    /// For tests of crashes: the restore ends at the moments that `fail_point` says, as if the process was killed.
    #[doc(hidden)]
    #[must_use]
    pub fn with_fail_point(self, fail_point: FailPoint) -> Self {
        match Arc::try_unwrap(self.inner) {
            Ok(inner) => Self { inner: Arc::new(Inner { fail_point: Some(fail_point), ..inner }) },
            Err(inner) => Self { inner },
        }
    }
}

impl Backups {
    /// For tests: the trees change their places as on a volume that cannot exchange.
    #[doc(hidden)]
    #[must_use]
    pub fn with_renames(self) -> Self {
        match Arc::try_unwrap(self.inner) {
            Ok(inner) => Self { inner: Arc::new(Inner { way: Way::Renames, ..inner }) },
            Err(inner) => Self { inner },
        }
    }
}

/// What the caller knows of the moment of a backup.
#[derive(Default)]
pub struct Circumstances {
    /// Told by the point, such as a job that runs.
    pub notes: Vec<String>,
    /// Stopped and started when the configuration allows it and a copy needs it.
    pub services: Option<Arc<dyn Services>>,
}

/// The real path of a directory that may not exist (any more).
fn resolve(path: &Path) -> Result<PathBuf, BackupError> {
    if let Ok(real) = path.canonicalize() {
        return Ok(real);
    }
    // As far as it is there: the disk that it lies on may not be.
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return std::path::absolute(path).map_err(BackupError::io("find the folder of", path));
    };
    Ok(resolve(parent)?.join(name))
}

impl Inner {
    async fn engine(&self, command: Command, on_progress: OnProgress<'_>) -> Result<Done, BackupError> {
        // What a locked keychain does not hinder goes on without it.
        let key = if command.needs_key() { self.key().await? } else { Secret::new(Vec::new()) };
        self.engine.run(&self.request(command)?, &key, on_progress).await
    }

    fn request(&self, command: Command) -> Result<Request, BackupError> {
        Ok(Request {
            repository: self.repository.clone(),
            key: self.keys.place()?,
            nice: self.config.priority.nice,
            scratch: self.scratch.clone(),
            from: None,
            command,
        })
    }

    fn run<'a>(&'a self, services: &'a dyn Services, on_progress: OnProgress<'a>) -> Run<'a> {
        let fail_point = self.fail_point.as_ref();
        Run { paths: &self.paths, exclude: &self.exclude, services, fail_point, way: self.way, on_progress }
    }

    async fn ensure_repository(&self) -> Result<(), BackupError> {
        let exists = self.repository.join("config").exists();
        // A folder that is missing may be a disk that is not mounted: nothing is created on its mount point.
        let folder = self.repository.parent().unwrap_or(&self.repository);
        if !folder.is_dir() {
            return Err(BackupError::RepositoryPlace { folder: folder.to_owned() });
        }
        if !exists && self.config.repository.is_some() {
            self.refuse_to_begin_anew()?;
        }
        self.ensure_key(exists).await?;
        if !exists {
            self.engine(Command::Init { source: self.source.clone() }, &|_| {}).await?;
            // Points of a repository that is lost are nobody's to restore.
            if self.catalogue.exists() {
                self.rescan().await?;
            }
        } else if !self.catalogue.exists() {
            self.rescan().await?;
        } else {
            self.end_removal().await?;
        }
        Ok(())
    }

    /// The mount point of a disk that is not attached is an empty folder too.
    fn refuse_to_begin_anew(&self) -> Result<(), BackupError> {
        let points = self.catalogue.read()?.len();
        if points == 0 {
            return Ok(());
        }
        let (path, catalogue) = (self.repository.clone(), self.catalogue.path().to_owned());
        Err(BackupError::RepositoryAbsent { path, points, catalogue })
    }

    async fn take(
        &self,
        kind: PointKind,
        circumstances: Circumstances,
        on_progress: OnProgress<'_>,
    ) -> Result<RestorePoint, BackupError> {
        self.ensure_repository().await?;
        let (source, exclude) = (self.source.clone(), self.config.exclude.clone());
        let logins = Logins::write(&self.config.capture.postgres, self.keys.folder()).await?;
        let quiesce = circumstances.services.filter(|_| self.config.capture.quiesce);
        let hush = quiesce.map(|services| Hush::new(services, self.config.services.clone()));
        let capture = CaptureRequest {
            classes: self.config.capture.classes.clone(),
            dumps: logins.requests(),
            notes: circumstances.notes,
            quiesce: hush.is_some(),
        };
        let request = self.request(Command::Backup { source, exclude, kind, capture })?;
        let key = self.key().await?;
        let done = self.engine.run_hushing(&request, &key, on_progress, hush.as_ref()).await;
        let restarted = match hush {
            Some(hush) => hush.end().await,
            None => Ok(None),
        };
        if let (Err(_), Err(why)) = (&done, &restarted) {
            tracing::error!("the services that were stopped for a backup did not come back: {why}");
        }
        let done = done?;
        let Done::Taken(mut taken) = done else { return Err(unexpected("a backup")) };
        if let Ok(Some(still)) = &restarted {
            let span = steady_model::words::span(*still);
            taken.point.notes.push(format!("The services were back after {span}."));
        }
        tracing::info!(point = taken.point.id, barrier_micros = taken.barrier_micros, "restore point taken");
        self.catalogue.put(&taken.point)?;
        // The point is good all the same.
        restarted.map_err(|why| BackupError::NotRestarted { why })?;
        let point = self.verify(taken.point, Thoroughness::default(), on_progress).await?;
        if kind != PointKind::Safety && point.verified.is_some() {
            self.paths.backup_taken()?;
        }
        Ok(point)
    }

    async fn rescan(&self) -> Result<(), BackupError> {
        let done = self.engine(Command::List, &|_| {}).await?;
        let Done::Points(mut points) = done else { return Err(unexpected("a listing")) };
        let known = self.catalogue.read()?;
        for point in &mut points {
            if let Some(known) = known.iter().find(|k| k.id == point.id) {
                *point = known.clone();
            }
        }
        self.catalogue.write(points)
    }

    async fn undo(
        &self,
        services: &dyn Services,
        on_progress: OnProgress<'_>,
    ) -> Result<RestoreRecord, BackupError> {
        self.refuse_while_unfinished()?;
        let last =
            self.paths.last()?.ok_or(BackupError::NothingToUndo { why: "nothing was restored yet" })?;
        let kept = last.kept.filter(|tree| last.record.can_undo && tree.is_dir());
        let why = "the state before the last restore is not kept any more";
        let kept = kept.ok_or(BackupError::NothingToUndo { why })?;
        let journal = Journal::undo(&last.record, &self.source, kept, &self.config.services);
        self.run(services, on_progress).commit(journal).await
    }

    fn refuse_while_unfinished(&self) -> Result<(), BackupError> {
        if self.paths.journal()?.is_some() { Err(BackupError::Unfinished) } else { Ok(()) }
    }
}

fn unexpected(what: &str) -> BackupError {
    BackupError::Worker { why: format!("the engine answered {what} with something else") }
}
