//! Drills: a point restored to a scratch folder, the backend started on it at another port, asked, and stopped.
//!
//! The backend is a service in the care of `supervise`, under a name that no configuration can have. So its end is
//! proved, and what a killed agent leaves of it is found by its journal and its mark when the next one starts.

mod backend;
mod course;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use steady_backup::{BackupError, Backups, Cancel, Progress};
use steady_model::backup::RestorePoint;
use steady_model::config::{self, Service};
use steady_model::drill::{DrillOutcome, DrillRecord, DrillWork};
use steady_model::words;
use steady_supervise::{Deps, ServiceHandle};
use ulid::Ulid;

use crate::operations::OperationError;
use backend::NAME;
use course::{Course, Failure};

/// For what an earlier agent left: its grace is not known any more.
const STOP: Duration = Duration::from_secs(45);

/// Rehearses restores. Cheap to clone.
#[derive(Clone)]
pub struct Drills(Arc<Inner>);

struct Inner {
    spec: config::Drill,
    source: PathBuf,
    backups: Arc<Backups>,
    deps: Deps,
    running: Mutex<Running>,
    /// Held by whoever uses the scratch folder.
    scratch: tokio::sync::Mutex<()>,
}

/// The backend of the drill that is under way.
#[derive(Default)]
struct Running {
    /// With how long its stop may take.
    backend: Option<(ServiceHandle, Duration)>,
    /// The agent ends: none is started any more.
    closed: bool,
}

impl Drills {
    pub fn new(spec: &config::Backup, backups: Arc<Backups>, deps: &Deps) -> Self {
        Self(Arc::new(Inner {
            spec: spec.drill.clone(),
            source: spec.source.clone(),
            backups,
            // With a census of its own: a drill begins long after the services began together.
            deps: Deps::new(&deps.home, deps.sink.clone()),
            running: Mutex::default(),
            scratch: tokio::sync::Mutex::default(),
        }))
    }

    pub fn every(&self) -> Option<Duration> {
        self.0.spec.every
    }

    /// Ends what an earlier agent left of a drill: its backend first, then the data that it ran on. A drill waits
    /// for it.
    pub fn sweep(&self) {
        let this = self.clone();
        tokio::spawn(async move {
            let _scratch = this.0.scratch.lock().await;
            if let Err(why) = this.clear_left_over().await {
                tracing::error!("what is left of an interrupted drill stays: {why}");
            }
            if let Err(error) = this.0.backups.clear_drill_databases().await {
                // The next drill tries it again, and fails when it cannot.
                tracing::warn!("{error}");
            }
        });
    }

    async fn clear_left_over(&self) -> Result<(), String> {
        let folder = self.0.backups.drill_data();
        if !folder.parent().is_some_and(std::path::Path::exists) {
            return Ok(());
        }
        // Its command is never run: it is only held, to be stopped.
        let spec = Service::child(NAME, vec!["true".to_owned()], &self.0.deps.home);
        let handle = backend::hold(spec, &self.0.deps);
        self.running().backend = Some((handle, STOP));
        self.end_backend().await?;
        self.0.backups.clear_drill().await.map_err(|e| e.to_string())
    }

    /// Rehearses the restore of the newest verified point, and keeps the record of it. What the drill finds is no
    /// error of this. One that is cancelled leaves no record: it says nothing of the point.
    pub async fn run(
        &self,
        cancel: &Cancel,
        on_progress: impl Fn(Progress) + Send + Sync,
    ) -> Result<(), OperationError> {
        let _scratch = self.0.scratch.lock().await;
        let points = self.0.backups.catalogue()?;
        let point = points.into_iter().find(|p| p.verified.is_some());
        let point = point.ok_or(OperationError::NothingToDrill)?;
        let began = steady_clock::now();
        let mut course = Course::new(&on_progress);
        let rehearsed = self.rehearse(&point, cancel, &mut course).await;
        let stopped = self.stop(&mut course).await;
        if let (true, Ok(())) = (cancel.is_asked(), &stopped) {
            return Err(BackupError::Cancelled.into());
        }
        if self.running().closed {
            // Cut off by us, it says nothing of the point.
            return Ok(());
        }
        let outcome = match rehearsed.and(stopped) {
            Ok(()) => DrillOutcome::Passed,
            Err(Failure { at, why }) => DrillOutcome::Failed { at, why },
        };
        let took = steady_clock::now().awake.since(began.awake);
        let record = DrillRecord {
            id: Ulid::generate().to_string(),
            point: point.id,
            point_taken: point.taken,
            began: began.wall,
            took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            files: course.files,
            bytes: course.bytes,
            steps: course.steps,
            outcome,
        };
        Ok(self.0.backups.keep_drill(&record)?)
    }

    async fn rehearse(
        &self,
        point: &RestorePoint,
        cancel: &Cancel,
        course: &mut Course<'_>,
    ) -> Result<(), Failure> {
        let Inner { backups, spec, source, deps, .. } = &*self.0;
        course.begin(DrillWork::Restored);
        self.clear_left_over().await.map_err(|why| course.failed(why))?;
        let written = backups.stage_drill(&point.id, |p| course.tell(p)).await;
        let written = written.map_err(|e| course.failed(e.to_string()))?;
        (course.files, course.bytes) = (written.files, written.bytes);
        course.done(format!("{} in {} files", words::bytes(written.bytes), written.files));

        course.begin(DrillWork::Opened);
        let opened = backups.open_drill(&point.id, |p| course.tell(p)).await;
        opened.map_err(|e| course.failed(e.to_string()))?;
        let stores = point.stores.len();
        course.done(format!(
            "{stores} {} whole, all rows there",
            if stores == 1 { "database" } else { "databases" }
        ));

        course.begin(DrillWork::Loaded);
        let loaded = backups.load_drill(&point.id, |p| course.tell(p)).await;
        course.loaded(loaded.map_err(|e| course.failed(e.to_string()))?)?;

        let Some(spec) = &spec.backend else { return Ok(()) };
        course.begin(DrillWork::Started);
        let port = backend::free_port().map_err(|e| course.failed(e.to_string()))?;
        let service = spec.service(NAME, &written.at, port);
        backend::refuse_live(&service, source).await.map_err(|why| course.failed(why))?;
        let limit = service.ready_timeout + backend::MARGIN;
        let handle = self.start(service).map_err(|why| course.failed(why))?;
        let ready = unless(cancel, backend::ready(&handle, limit, &deps.home)).await;
        ready.and_then(|ready| ready).map_err(|why| course.failed(why))?;
        course.done(format!("ready on port {port}"));

        course.begin(DrillWork::Healthy);
        let url = spec.url(&spec.health, port);
        let seen = unless(cancel, backend::ask("health", url, BTreeMap::new())).await;
        course.answered(seen.map_err(|why| course.failed(why))?)?;
        if let Some(canary) = &spec.canary {
            course.begin(DrillWork::Canary);
            let url = spec.url(&canary.path, port);
            let seen = unless(cancel, backend::ask("canary", url, canary.body.clone())).await;
            course.answered(seen.map_err(|why| course.failed(why))?)?;
        }
        Ok(())
    }

    /// Whatever came of it: nothing runs on the scratch data any more, and then they are removed.
    async fn stop(&self, course: &mut Course<'_>) -> Result<(), Failure> {
        let ran = self.running().backend.is_some();
        course.begin(DrillWork::Stopped);
        self.end_backend().await.map_err(|why| course.failed(why))?;
        self.0.backups.clear_drill().await.map_err(|e| course.failed(e.to_string()))?;
        if ran {
            course.done("no process of it is left, its port is free".to_owned());
        }
        Ok(())
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        self.0.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(&self, service: Service) -> Result<ServiceHandle, String> {
        let mut running = self.running();
        if running.closed {
            return Err("the agent ends".to_owned());
        }
        let limit = service.stop_grace + backend::MARGIN;
        let handle = backend::start(service, &self.0.deps);
        running.backend = Some((handle.clone(), limit));
        Ok(handle)
    }

    /// For an agent that ends: a drill that is under way starts no backend any more, and the one that runs is ended.
    pub async fn close(&self) -> Result<(), String> {
        self.running().closed = true;
        self.end_backend().await
    }

    async fn end_backend(&self) -> Result<(), String> {
        let Some((handle, limit)) = self.running().backend.clone() else { return Ok(()) };
        handle.stop_and_wait(limit).await.map_err(|e| e.to_string())?;
        handle.detach().await;
        self.running().backend = None;
        Ok(())
    }
}

/// Waits for the backend no longer than until the drill is cancelled.
async fn unless<T>(cancel: &Cancel, answer: impl Future<Output = T>) -> Result<T, String> {
    tokio::select! {
        answer = answer => Ok(answer),
        () = cancel.asked() => Err(BackupError::Cancelled.to_string()),
    }
}
