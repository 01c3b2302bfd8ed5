//! What the owners tell, and how the World takes it in.

use std::collections::BTreeMap;
use std::time::Duration;

use steady_health::CheckEvent;
use steady_model::backup::Space;
use steady_model::crash::CrashSummary;
use steady_model::job::Activity;
use steady_model::milestone::Milestone;
use steady_model::snapshot::CheckView;
use steady_model::usage::Usage;
use steady_power::Awake;
use steady_supervise::ServiceEvent;
use steady_sync::SyncEvent;
use tokio::sync::mpsc;

use crate::milestones;
use crate::operations::BackupEvent;
use crate::owners::Owners;
use crate::world::{Haste, World};

/// Events of one kind that may wait for the World; beyond it the owners wait.
const BACKLOG: usize = 256;

/// What is not told by an owner of services, checks, jobs or backups.
#[derive(Debug)]
pub enum Notice {
    Usage(BTreeMap<String, Usage>),
    Crashes(Vec<CrashSummary>),
    Logs(Vec<CheckView>),
    /// What the agent's own process takes.
    OwnUsage(Usage),
    /// Somebody asked for a look of this check.
    Look(String),
    /// The machine woke, after it slept this long.
    Woke(Duration),
    /// Room where the backups are; `Err` says why that is not known.
    Space(Result<Space, String>),
    /// Why the history is not written; `None` when it is.
    History(Option<String>),
    ClockSet,
    /// Whether it is kept from going to sleep.
    Awake(Awake),
}

/// Where owners tell; kept for those that come with a new configuration.
#[derive(Debug, Clone)]
pub struct Ears {
    pub services: mpsc::Sender<ServiceEvent>,
    pub checks: mpsc::Sender<CheckEvent>,
    pub jobs: mpsc::Sender<SyncEvent>,
    pub backups: mpsc::Sender<BackupEvent>,
    pub notices: mpsc::Sender<Notice>,
}

pub struct Events {
    services: mpsc::Receiver<ServiceEvent>,
    checks: mpsc::Receiver<CheckEvent>,
    jobs: mpsc::Receiver<SyncEvent>,
    backups: mpsc::Receiver<BackupEvent>,
    notices: mpsc::Receiver<Notice>,
}

pub fn channels() -> (Ears, Events) {
    let (service, services) = mpsc::channel(BACKLOG);
    let (check, checks) = mpsc::channel(BACKLOG);
    let (job, jobs) = mpsc::channel(BACKLOG);
    let (backup, backups) = mpsc::channel(BACKLOG);
    let (notice, notices) = mpsc::channel(BACKLOG);
    let ears = Ears { services: service, checks: check, jobs: job, backups: backup, notices: notice };
    (ears, Events { services, checks, jobs, backups, notices })
}

impl Events {
    /// Waits for the next event, then takes in all that have come with it.
    pub async fn apply_next(&mut self, world: &mut World, owners: &mut Owners) -> Haste {
        let mut haste = Haste::Now;
        tokio::select! {
            Some(event) = self.services.recv() => owners.service_told(world, event),
            Some(event) = self.checks.recv() => haste = owners.check_told(world, event),
            Some(event) = self.jobs.recv() => apply_job(world, event),
            Some(event) = self.backups.recv() => apply_backup(world, event),
            Some(notice) = self.notices.recv() => owners.noticed(world, notice),
            else => std::future::pending().await,
        }
        while let Ok(event) = self.checks.try_recv() {
            haste = haste.max(owners.check_told(world, event));
        }
        while let Ok(event) = self.services.try_recv() {
            owners.service_told(world, event);
            haste = Haste::Now;
        }
        while let Ok(event) = self.jobs.try_recv() {
            apply_job(world, event);
            haste = Haste::Now;
        }
        while let Ok(event) = self.backups.try_recv() {
            apply_backup(world, event);
            haste = Haste::Now;
        }
        while let Ok(notice) = self.notices.try_recv() {
            owners.noticed(world, notice);
            haste = Haste::Now;
        }
        haste
    }
}

fn apply_job(world: &mut World, event: SyncEvent) {
    let facts = world.job_facts(event.job());
    let Some(facts) = facts else { return };
    match event {
        SyncEvent::Started { run, at, .. } => facts.activity = Activity::Running { run, since: at },
        SyncEvent::Finished { record, .. } => {
            milestones::tell(&Milestone::of_run(&record));
            facts.ran(record);
        }
        SyncEvent::Markers { markers, polled, .. } => {
            facts.markers = Some(markers);
            facts.polled = polled;
        }
        SyncEvent::Noted { record, .. } => facts.noted(record),
        SyncEvent::History { runs, .. } => facts.runs = runs,
        SyncEvent::Next { at, .. } => facts.next = at,
    }
}

fn apply_backup(world: &mut World, event: BackupEvent) {
    let facts = world.backup_facts();
    match event {
        BackupEvent::Catalogue(points) => {
            facts.points = Some(points);
            world.judge_space(steady_clock::now());
        }
        BackupEvent::Operation(operation) => facts.operation = operation,
        BackupEvent::Ended(ended) => facts.last_operation = Some(ended),
        BackupEvent::LastRestore(record) => facts.last_restore = record,
        BackupEvent::LastError(error) => facts.last_error = error,
        BackupEvent::Next(next) => facts.next = next,
        BackupEvent::LastDrill(record) => facts.last_drill = record,
        BackupEvent::NextDrill(next) => facts.next_drill = next,
        BackupEvent::Pruned(record) => facts.pruned = record,
        BackupEvent::Key(key) => facts.key = key,
        BackupEvent::Unfinished(why) => facts.unfinished = why,
        BackupEvent::Copying(name, Some(work)) => drop(facts.copying.insert(name, work)),
        BackupEvent::Copying(name, None) => drop(facts.copying.remove(&name)),
        BackupEvent::Copy(name, copy) => drop(facts.copies.insert(name, copy)),
    }
}
