//! The owner actors and what they tell the World.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use steady_backup::{BackupError, Backups, EngineCommand, Services};
use steady_health::{CheckEvent, ChecksHandle};
use steady_logs::SinkClient;
use steady_model::config::Config;
use steady_model::job::Activity;
use steady_supervise::{Deps, ServiceEvent, ServiceHandle, SuperviseError};
use steady_sync::{JobHandle, SyncEvent};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::home::Home;
use crate::operations::{self, BackupEvent, OperationsHandle, Wiring};
use crate::service_control::ServiceControl;
use crate::world::World;

/// Events that may wait for the World; beyond it the owners wait.
const BACKLOG: usize = 256;
/// Beyond a service's own grace when the agent ends.
const STOP_MARGIN: Duration = Duration::from_secs(15);

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Backup(#[from] BackupError),
    #[error(transparent)]
    Supervise(#[from] SuperviseError),
}

/// Everybody who owns something. Cheap to clone.
#[derive(Clone)]
pub struct Owners {
    pub services: Arc<HashMap<String, ServiceHandle>>,
    pub jobs: Arc<HashMap<String, JobHandle>>,
    pub operations: OperationsHandle,
    checks: Arc<ChecksHandle>,
    config: Arc<Config>,
    sink: SinkClient,
    sink_keeper: AbortHandle,
}

/// What the owners tell, one channel each.
pub struct Events {
    services: mpsc::Receiver<ServiceEvent>,
    checks: mpsc::Receiver<CheckEvent>,
    jobs: mpsc::Receiver<SyncEvent>,
    backups: mpsc::Receiver<BackupEvent>,
}

impl Owners {
    /// Ends what a crash left half done, then takes everything into care.
    pub async fn start(
        config: &Arc<Config>,
        home: &Home,
        program: &Path,
    ) -> Result<(Self, Events), StartError> {
        let backups = open_backups(config, home, program)?;
        let sink = SinkClient::new(program, home.root());
        let sink_keeper = tokio::spawn(steady_supervise::keep_sink(sink.clone())).abort_handle();
        let (service_events, services_told) = mpsc::channel(BACKLOG);
        let deps = Deps::new(home.root(), sink.clone());
        let services: HashMap<String, ServiceHandle> = config
            .services
            .iter()
            .map(|s| {
                (s.name.clone(), steady_supervise::hold(s.clone(), deps.clone(), service_events.clone()))
            })
            .collect();
        let services = Arc::new(services);
        let control: Arc<dyn Services> = Arc::new(ServiceControl::new(services.clone(), config.clone()));
        if let Some(backups) = &backups {
            // Before a service that is down can write where an interrupted restore was swapping.
            backups.recover(&*control).await?;
        }
        for service in services.values() {
            service.release()?;
        }
        let (check_events, checks_told) = mpsc::channel(BACKLOG);
        let checks = Arc::new(steady_health::watch(config.checks.clone(), check_events));
        let (job_events, jobs_told) = mpsc::channel(BACKLOG);
        let jobs: HashMap<String, JobHandle> = config
            .jobs
            .iter()
            .map(|j| (j.name.clone(), steady_sync::job(j.clone(), home.root(), job_events.clone())))
            .collect();
        let jobs = Arc::new(jobs);
        let (backup_events, backups_told) = mpsc::channel(BACKLOG);
        let operations = operations::start(Wiring {
            spec: config.backup.clone(),
            backups,
            services: control,
            jobs: jobs.clone(),
            events: backup_events,
        });
        let owners = Self { services, jobs, operations, checks, config: config.clone(), sink, sink_keeper };
        let events =
            Events { services: services_told, checks: checks_told, jobs: jobs_told, backups: backups_told };
        Ok((owners, events))
    }

    /// Lets go of everything for the next agent to take back.
    pub async fn leave(self) {
        for service in self.services.values() {
            service.detach().await;
        }
    }

    /// Stops jobs, then the named services in order, then the sink, which has nothing to write any more.
    pub async fn stop(self, names: Vec<String>) {
        for job in self.jobs.values() {
            job.shutdown().await;
        }
        for name in &names {
            let grace = self.config.services.iter().find(|s| s.name == *name).map(|s| s.stop_grace);
            let Some(service) = self.services.get(name) else { continue };
            if let Err(e) = service.stop_and_wait(grace.unwrap_or_default() + STOP_MARGIN).await {
                tracing::error!("{e}");
            }
        }
        self.sink_keeper.abort();
        let sink = self.sink.clone();
        let quit = tokio::task::spawn_blocking(move || sink.quit()).await;
        if let Ok(Err(e)) = quit {
            tracing::warn!("{e}");
        }
    }

    fn service_is_ready(&self, world: &World, service: &str) {
        for check in world.checks_of(service) {
            self.checks.probe_now(check);
        }
    }
}

impl Events {
    /// Waits for the next event, then takes in all that have come with it.
    pub async fn apply_next(&mut self, world: &mut World, owners: &Owners) {
        tokio::select! {
            Some(event) = self.services.recv() => apply_service(world, owners, event),
            Some(event) = self.checks.recv() => world.check_observed(&event.name, event.observation),
            Some(event) = self.jobs.recv() => apply_job(world, event),
            Some(event) = self.backups.recv() => apply_backup(world, event),
            else => std::future::pending().await,
        }
        while let Ok(event) = self.services.try_recv() {
            apply_service(world, owners, event);
        }
        while let Ok(event) = self.checks.try_recv() {
            world.check_observed(&event.name, event.observation);
        }
        while let Ok(event) = self.jobs.try_recv() {
            apply_job(world, event);
        }
        while let Ok(event) = self.backups.try_recv() {
            apply_backup(world, event);
        }
    }
}

fn apply_service(world: &mut World, owners: &Owners, event: ServiceEvent) {
    match event {
        ServiceEvent::Changed { name, lifecycle } => {
            if world.service_changed(&name, lifecycle) {
                owners.service_is_ready(world, &name);
            }
        }
        ServiceEvent::Crashed { name, crash } => {
            tracing::warn!(service = name, pid = crash.pid, "{}", steady_model::words::end(&crash.end));
        }
        ServiceEvent::Warning { name, warning: Some(words) } => tracing::warn!(service = name, "{words}"),
        ServiceEvent::Warning { warning: None, .. } => {}
    }
}

fn apply_job(world: &mut World, event: SyncEvent) {
    let facts = world.job_facts(event.job());
    let Some(facts) = facts else { return };
    match event {
        SyncEvent::Started { run, at, .. } => facts.activity = Activity::Running { run, since: at },
        SyncEvent::Finished { record, .. } => facts.ran(record),
        SyncEvent::Markers { markers, .. } => facts.markers = Some(markers),
        SyncEvent::History { runs, .. } => facts.runs = runs,
        SyncEvent::Next { at, .. } => facts.next = at,
    }
}

fn apply_backup(world: &mut World, event: BackupEvent) {
    let facts = world.backup_facts();
    match event {
        BackupEvent::Catalogue(points) => facts.points = Some(points),
        BackupEvent::Operation(operation) => facts.operation = operation,
        BackupEvent::LastRestore(record) => facts.last_restore = record,
        BackupEvent::LastError(error) => facts.last_error = error,
        BackupEvent::Next(next) => facts.next = next,
    }
}

fn open_backups(config: &Config, home: &Home, program: &Path) -> Result<Option<Arc<Backups>>, BackupError> {
    let Some(spec) = &config.backup else { return Ok(None) };
    let engine = EngineCommand { program: program.to_owned(), args: vec![OsString::from("engine")] };
    Ok(Some(Arc::new(Backups::open(home.root(), spec, engine)?)))
}
