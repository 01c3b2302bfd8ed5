//! The owner actors: taken into care, told of each other's news, let go.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use steady_backup::{BackupError, Backups, EngineCommand, Services};
use steady_health::{CheckEvent, ChecksHandle};
use steady_logs::SinkClient;
use steady_model::config::Config;
use steady_supervise::{Deps, ServiceEvent, ServiceHandle, SuperviseError};
use steady_sync::JobHandle;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::backup_space;
use crate::before_job::Gates;
use crate::crashes::{self, CrashesHandle};
use crate::drills::Drills;
use crate::events::{Ears, Notice};
use crate::figures::{self, Lookers};
use crate::history::History;
use crate::hold::Hold;
use crate::home::Home;
use crate::liveness::LivenessWatch;
use crate::log_watch;
use crate::looks::Waiting;
use crate::milestones::{self, Restarts};
use crate::operations::{self, OperationsHandle, Wiring};
use crate::power;
use crate::registry::Registry;
use crate::service_control::ServiceControl;
use crate::stack::Stack;
use crate::world::{Haste, World};

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Backup(#[from] BackupError),
    #[error(transparent)]
    Supervise(#[from] SuperviseError),
}

/// Everybody who owns something.
pub struct Owners {
    pub stack: Stack,
    pub jobs: Registry<JobHandle>,
    /// What their runs wait for.
    pub(crate) gates: Gates,
    pub operations: OperationsHandle,
    pub(crate) services: Registry<ServiceHandle>,
    pub(crate) checks: ChecksHandle,
    /// What is in force.
    pub(crate) config: watch::Sender<Arc<Config>>,
    pub(crate) ears: Ears,
    pub(crate) deps: Deps,
    /// Services that a new configuration does not have any more and that are still stopping.
    pub(crate) leaving: Leaving,
    pub crashes: CrashesHandle,
    pub lookers: Lookers,
    /// `None` until there are snapshots to keep.
    pub history: Option<History>,
    drills: Option<Drills>,
    liveness: LivenessWatch,
    restarts: Restarts,
    /// Who waits for a look.
    pub(crate) waiting: Waiting,
    /// Who wants the machine awake.
    wakeful: watch::Sender<BTreeSet<String>>,
    sink_keeper: AbortHandle,
}

impl Owners {
    /// Ends what a crash left half done, then takes everything into care.
    pub async fn start(
        config: &Arc<Config>,
        home: &Home,
        program: &Path,
        ears: Ears,
    ) -> Result<Self, StartError> {
        let backups = open_backups(config, home, program)?;
        let sink = SinkClient::new(program, home.root());
        let sink_keeper = tokio::spawn(steady_supervise::keep_sink(sink.clone())).abort_handle();
        let deps = Deps::new(home.root(), sink);
        let services = Registry::default();
        for spec in &config.services {
            let handle = steady_supervise::hold(spec.clone(), deps.clone(), ears.services.clone());
            services.put(&spec.name, handle);
        }
        let (config_sender, in_force) = watch::channel(config.clone());
        let hold = Hold::default();
        let stack = Stack::new(services.clone(), in_force.clone()).held_by(&hold);
        let control: Arc<dyn Services> = Arc::new(ServiceControl::new(services.clone(), in_force));
        if let Some(backups) = &backups {
            // Before a service that is down can write where an interrupted restore was swapping.
            if let Err(error) = backups.recover(&*control).await {
                tracing::error!("an interrupted restore could not be ended: {error}");
                let services = config.backup.as_ref().map(|spec| spec.services.as_slice());
                hold.begin(services.unwrap_or_default(), error.to_string());
            }
        }
        let jobs = Registry::default();
        let gates = Gates::new(config.backup.as_ref());
        for spec in &config.jobs {
            let (events, gate) = (ears.jobs.clone(), gates.of(&spec.name));
            jobs.put(&spec.name, steady_sync::job_behind(spec.clone(), home.root(), events, gate));
        }
        let drills = config.backup.as_ref().zip(backups.clone());
        let drills = drills.map(|(spec, backups)| Drills::new(spec, backups, &deps));
        if let Some(drills) = &drills {
            drills.sweep();
        }
        let operations = operations::start(Wiring {
            spec: config.backup.clone(),
            backups: backups.zip(drills.clone()),
            services: control,
            jobs: jobs.clone(),
            stack: stack.clone(),
            hold,
            events: ears.backups.clone(),
        });
        gates.lead_to(&operations);
        for spec in &config.services {
            stack.changed(&spec.name);
        }
        let crashes = crashes::start(home, ears.notices.clone());
        log_watch::start(deps.sink.clone(), config_sender.subscribe(), ears.notices.clone());
        let lookers = Lookers::default();
        figures::start(services.clone(), config_sender.subscribe(), &lookers, ears.notices.clone());
        if let Some(backup) = &config.backup {
            let usual = || home.root().join("backups").join("repository");
            let repository = backup.repository.clone().unwrap_or_else(usual);
            tokio::spawn(backup_space::follow(repository, ears.notices.clone()));
        }
        tokio::spawn(power::tell_wakes(ears.notices.clone()));
        Ok(Self {
            wakeful: power::keep_awake(ears.notices.clone()),
            stack,
            jobs,
            gates,
            operations,
            services,
            checks: steady_health::watch(config.checks.clone(), ears.checks.clone()),
            config: config_sender,
            ears,
            deps,
            leaving: Leaving::default(),
            crashes,
            lookers,
            history: None,
            drills,
            liveness: LivenessWatch::default(),
            restarts: Restarts::default(),
            waiting: Waiting::default(),
            sink_keeper,
        })
    }

    pub fn service_told(&mut self, world: &mut World, event: ServiceEvent) {
        match event {
            ServiceEvent::Changed { name, lifecycle } => {
                let told = self.restarts.changed(&name, &lifecycle, steady_clock::now());
                told.iter().for_each(milestones::tell);
                if world.service_changed(&name, lifecycle) {
                    for check in world.checks_of(&name) {
                        self.checks.probe_now(check);
                    }
                }
                self.stack.changed(&name);
                self.keep_awake_for(&name);
            }
            ServiceEvent::Crashed { name, crash } => {
                tracing::warn!(service = name, pid = crash.pid, "{}", steady_model::words::end(&crash.end));
                self.crashes.service_crashed(&name, crash);
            }
            ServiceEvent::Warning { name, warning } => world.warned(&name, warning),
        }
    }

    pub fn check_told(&mut self, world: &mut World, event: CheckEvent) -> Haste {
        let awaited = self.waiting.told(&event);
        let config = self.config.borrow().clone();
        let verdicts = self.liveness.observed(
            &config,
            &event.name,
            &event.observation,
            |service| world.life(service),
            |service| world.is_busy(service),
        );
        let haste = world.check_observed(&event.name, event.observation);
        for verdict in verdicts {
            let Some(handle) = self.services.get(&verdict.service) else { continue };
            if let Err(e) = handle.liveness_failed(verdict.reason) {
                tracing::warn!("{e}");
            }
        }
        if awaited { Haste::Now } else { haste }
    }

    pub fn noticed(&mut self, world: &mut World, notice: Notice) {
        match notice {
            Notice::Usage(usage) => world.usage_sampled(usage, steady_clock::now()),
            Notice::OwnUsage(usage) => world.own_usage_sampled(usage),
            Notice::Look(check) => drop(self.checks.probe_now(&check)),
            Notice::Crashes(crashes) => world.crashes_listed(crashes),
            Notice::Logs(checks) => world.logs_looked_at(checks),
            Notice::Woke(slept) => {
                let (now, settle) = (steady_clock::now(), self.config.borrow().wake_settle);
                self.liveness.woke(now, settle);
                world.woke(now, settle);
                self.checks.settle(settle);
                if let Some(history) = &self.history {
                    history.slept(now.wall, slept);
                }
                self.time_shifted(slept);
            }
            Notice::Space(space) => world.space_seen(space, steady_clock::now()),
            Notice::History(trouble) => world.history_told(trouble, steady_clock::now()),
            Notice::ClockSet => self.time_shifted(Duration::ZERO),
            Notice::Awake(awake) => world.kept_awake(&awake),
        }
    }

    /// Schedules are of wall time, and timers are not.
    fn time_shifted(&self, slept: Duration) {
        self.operations.time_shifted(slept);
        for job in self.jobs.all() {
            job.time_shifted();
        }
    }

    fn keep_awake_for(&self, name: &str) {
        let config = self.config.borrow();
        let wants = config.services.iter().any(|s| s.name == name && s.keep_awake);
        let up = wants && self.services.get(name).is_some_and(|handle| handle.lifecycle().is_up());
        self.wakeful.send_if_modified(
            |names| {
                if up { names.insert(name.to_owned()) } else { names.remove(name) }
            },
        );
    }

    /// How all of it ends, whichever way, without a hold on what the loop goes on using.
    pub fn ending(&self) -> Ending {
        Ending {
            stack: self.stack.clone(),
            services: self.services.clone(),
            jobs: self.jobs.clone(),
            drills: self.drills.clone(),
            sink: self.deps.sink.clone(),
            sink_keeper: self.sink_keeper.clone(),
        }
    }
}

impl Ending {
    /// The backend of a drill is of no use to the next agent, which removes its data.
    async fn end_drill(&self) {
        if let Some(drills) = &self.drills
            && let Err(why) = drills.close().await
        {
            tracing::warn!("the backend of a drill runs on: {why}");
        }
    }
}

pub struct Ending {
    stack: Stack,
    services: Registry<ServiceHandle>,
    jobs: Registry<JobHandle>,
    drills: Option<Drills>,
    sink: SinkClient,
    sink_keeper: AbortHandle,
}

impl Ending {
    /// Lets go of everything for the next agent to take back.
    pub async fn leave(self) {
        self.end_drill().await;
        for service in self.services.all() {
            service.detach().await;
        }
    }

    /// Stops jobs, then the services in order, then the sink, which has nothing to write any more.
    pub async fn stop(self) {
        self.end_drill().await;
        for job in self.jobs.all() {
            job.shutdown().await;
        }
        self.stack.stop_in_order().await;
        self.sink_keeper.abort();
        let sink = self.sink;
        let quit = tokio::task::spawn_blocking(move || sink.quit()).await;
        if let Ok(Err(e)) = quit {
            tracing::warn!("{e}");
        }
    }
}

/// Names that are not free yet.
#[derive(Debug, Clone, Default)]
pub struct Leaving(Arc<Mutex<BTreeSet<String>>>);

impl Leaving {
    pub fn has(&self, name: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(name)
    }

    pub fn begins(&self, name: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
    }

    pub fn is_gone(&self, name: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }
}

fn open_backups(config: &Config, home: &Home, program: &Path) -> Result<Option<Arc<Backups>>, BackupError> {
    let Some(spec) = &config.backup else { return Ok(None) };
    // With the home, where a panic of it leaves its report.
    let args = vec!["engine".into(), "--home".into(), home.root().into()];
    let engine = EngineCommand { program: program.to_owned(), args };
    Ok(Some(Arc::new(Backups::open(home.root(), spec, engine)?)))
}
