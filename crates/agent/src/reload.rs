//! A new configuration takes force: only what it changes is touched.

use std::sync::Arc;
use std::time::Duration;

use steady_model::api::{Change, Changed, Consequence, ReloadPlan};
use steady_model::config::{self, Config, Service};
use steady_supervise::manager::manager_of;
use steady_sync::RunRefused;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

use crate::config_file::ConfigFileError;
use crate::owners::Owners;
use crate::world::World;

/// Beyond the grace of a service that leaves.
const STOP_MARGIN: Duration = Duration::from_secs(30);

/// Asks the loop for a reload.
pub struct Request {
    pub dry_run: bool,
    pub reply: oneshot::Sender<Result<ReloadPlan, ReloadError>>,
}

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    #[error("{0}; nothing was changed")]
    Config(#[from] ConfigFileError),
    #[error("{0}; reload when it has ended, nothing was changed")]
    JobRuns(#[from] RunRefused),
    #[error("the service {name} of the configuration before is still stopping; reload when it is gone")]
    Leaving { name: String },
    #[error("{0}; reload when it is done, nothing was changed")]
    Restoring(String),
}

/// Judges `new`, and unless it is a dry run brings it into force.
pub async fn reload(
    owners: &mut Owners,
    world: &mut World,
    new: Config,
    dry_run: bool,
) -> Result<ReloadPlan, ReloadError> {
    let old = owners.config.borrow().clone();
    let changes = config::diff(&old, &new);
    if dry_run || changes.is_empty() {
        return Ok(ReloadPlan { changes, applied: !dry_run });
    }
    owners.operations.refuse_while_restoring().map_err(ReloadError::Restoring)?;
    let comes_back = |c: &&Change| c.section == "service" && c.what == Changed::Added;
    for change in changes.iter().filter(comes_back) {
        if let Some(name) = change.name.as_ref().filter(|name| owners.leaving.has(name)) {
            return Err(ReloadError::Leaving { name: name.clone() });
        }
    }
    hold_jobs(owners, &changes).await?;
    let new = Arc::new(in_force(&old, new, &changes));
    owners.config.send_replace(new.clone());
    world.reconfigure(new.clone());
    change_services(owners, &old, &new, &changes);
    if changes.iter().any(|c| c.section == "check") {
        owners.checks.shutdown().await;
        owners.checks = steady_health::watch(new.checks.clone(), owners.ears.checks.clone());
    }
    change_jobs(owners, &new, &changes).await;
    for service in &new.services {
        owners.stack.changed(&service.name);
    }
    Ok(ReloadPlan { changes, applied: true })
}

/// What waits for the agent's restart stays as it is, so that the next reload speaks of it again.
fn in_force(old: &Config, mut new: Config, changes: &[Change]) -> Config {
    new.listen = old.listen;
    new.backup.clone_from(&old.backup);
    let waits = |name: &str| {
        let is_it = |c: &&Change| c.section == "service" && c.name.as_deref() == Some(name);
        changes.iter().find(is_it).is_some_and(|c| c.consequence == Consequence::AgentRestart)
    };
    for service in &mut new.services {
        if waits(&service.name)
            && let Some(was) = find(old, &service.name)
        {
            service.clone_from(was);
        }
    }
    new
}

fn find<'a>(config: &'a Config, name: &str) -> Option<&'a Service> {
    config.services.iter().find(|s| s.name == name)
}

/// Jobs that change or go begin no run any more; refused while one runs.
async fn hold_jobs(owners: &Owners, changes: &[Change]) -> Result<(), RunRefused> {
    let mut held = Vec::new();
    for job in of(changes, "job").filter_map(|(name, _)| owners.jobs.get(name)) {
        if let Err(runs) = job.pause().await {
            for job in held {
                steady_sync::JobHandle::resume(&job).await;
            }
            return Err(runs);
        }
        held.push(job);
    }
    Ok(())
}

fn of<'a>(changes: &'a [Change], section: &str) -> impl Iterator<Item = (&'a str, &'a Change)> {
    changes.iter().filter(move |c| c.section == section).filter_map(|c| Some((c.name.as_deref()?, c)))
}

fn change_services(owners: &Owners, old: &Config, new: &Config, changes: &[Change]) {
    for (name, change) in of(changes, "service") {
        match (change.what, find(new, name)) {
            (Changed::Removed, _) => leave(owners, old, name),
            (Changed::Added, Some(spec)) => {
                let events = owners.ears.services.clone();
                owners.services.put(name, steady_supervise::hold(spec.clone(), owners.deps.clone(), events));
            }
            (Changed::Changed, Some(spec)) => {
                let Some(handle) = owners.services.get(name) else { continue };
                let taken = handle.reconfigure(spec.clone()).and_then(|()| {
                    let restarts = change.consequence == Consequence::Restarts;
                    if restarts && handle.lifecycle().is_up() { handle.restart() } else { Ok(()) }
                });
                if let Err(e) = taken {
                    tracing::error!("{e}");
                }
            }
            (_, None) => {}
        }
    }
}

/// Stops it, takes away what was made for it, ends its log; its name is taken until then.
fn leave(owners: &Owners, old: &Config, name: &str) {
    let Some(handle) = owners.services.take(name) else { return };
    let spec = find(old, name).cloned();
    let limit = spec.as_ref().map_or(STOP_MARGIN, |s| s.stop_grace + STOP_MARGIN);
    let home = owners.deps.home.clone();
    let (leaving, sink, name) = (owners.leaving.clone(), owners.deps.sink.clone(), name.to_owned());
    leaving.begins(&name);
    tokio::spawn(async move {
        if let Err(e) = handle.stop_and_wait(limit).await {
            tracing::error!("{e}");
        }
        drop(handle);
        let service = name.clone();
        let gone = spawn_blocking(move || {
            let removed = spec.map_or(Ok(()), |spec| manager_of(&spec, &home).remove());
            (removed, sink.detach(&service))
        });
        if let Ok((removed, detached)) = gone.await {
            let failures = [removed.err().map(|e| e.to_string()), detached.err().map(|e| e.to_string())];
            for failure in failures.into_iter().flatten() {
                tracing::warn!(service = name, "{failure}");
            }
        }
        leaving.is_gone(&name);
    });
}

async fn change_jobs(owners: &Owners, new: &Config, changes: &[Change]) {
    for (name, _) in of(changes, "job") {
        if let Some(job) = owners.jobs.take(name) {
            job.shutdown().await;
        }
        if let Some(spec) = new.jobs.iter().find(|j| j.name == name) {
            let (events, gate) = (owners.ears.jobs.clone(), owners.gates.of(name));
            let job = steady_sync::job_behind(spec.clone(), &owners.deps.home, events, gate);
            owners.jobs.put(name, job);
        }
    }
}
