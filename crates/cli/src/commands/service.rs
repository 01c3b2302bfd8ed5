use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use steady_client::Client;
use steady_model::check::Status;
use steady_model::job::Outcome;
use steady_model::snapshot::{ServiceStatus, ServiceView, Snapshot};

use crate::live::wait_for;
use crate::style;

/// Longer than any grace and readiness that people configure.
const PATIENCE: Duration = Duration::from_secs(180);

pub async fn restart(client: &Client, names: Vec<String>, json: bool) -> anyhow::Result<ExitCode> {
    let all = names.is_empty();
    let before = chosen(client, names).await?;
    if all {
        client.restart_all().await?;
    } else {
        for service in &before {
            client.restart(&service.name).await?;
        }
    }
    let done = |was: &ServiceView, is: &ServiceView| {
        (is.state == ServiceStatus::Ready && is.pid != was.pid) || has_done_its_work(is)
    };
    settle(client, &before, json, done, is_hopeless).await
}

pub async fn start(client: &Client, names: Vec<String>, json: bool) -> anyhow::Result<ExitCode> {
    let all = names.is_empty();
    let before = chosen(client, names).await?;
    if all {
        client.start_all().await?;
    } else {
        for service in &before {
            client.start(&service.name).await?;
        }
    }
    let done = |_: &ServiceView, is: &ServiceView| is.state == ServiceStatus::Ready || has_done_its_work(is);
    // What runs already is not started, so it is as degraded as it was.
    let lost =
        |was: &ServiceView, is: &ServiceView| is.state == ServiceStatus::Degraded || is_hopeless(was, is);
    settle(client, &before, json, done, lost).await
}

pub async fn stop(client: &Client, names: Vec<String>, json: bool) -> anyhow::Result<ExitCode> {
    let all = names.is_empty();
    let before = chosen(client, names).await?;
    if all {
        client.stop_all().await?;
    } else {
        for service in before.iter().rev() {
            client.stop(&service.name).await?;
        }
    }
    settle(client, &before, json, |_, is| is.state == ServiceStatus::Stopped, is_hopeless).await
}

async fn chosen(client: &Client, names: Vec<String>) -> anyhow::Result<Vec<ServiceView>> {
    let all = client.snapshot().await?.services;
    if names.is_empty() {
        return Ok(all);
    }
    names
        .iter()
        .map(|name| {
            all.iter().find(|s| s.name == *name).cloned().with_context(|| {
                let known: Vec<&str> = all.iter().map(|s| s.name.as_str()).collect();
                format!("there is no service \"{name}\"; configured: {}", known.join(", "))
            })
        })
        .collect()
}

/// A one-shot that is stopped and well.
fn has_done_its_work(service: &ServiceView) -> bool {
    service.state == ServiceStatus::Stopped && service.status == Status::Pass
}

/// Whether waiting longer brings nothing. What a service was before the command says nothing of that.
fn is_hopeless(was: &ServiceView, is: &ServiceView) -> bool {
    let lost = match is.state {
        ServiceStatus::Foreign | ServiceStatus::Degraded | ServiceStatus::CrashLoop => true,
        ServiceStatus::Stopped => is.status == Status::Fail,
        _ => false,
    };
    let moved = (is.state, is.since, is.restarts) != (was.state, was.since, was.restarts);
    lost && moved
}

async fn settle(
    client: &Client,
    before: &[ServiceView],
    json: bool,
    done: fn(&ServiceView, &ServiceView) -> bool,
    hopeless: fn(&ServiceView, &ServiceView) -> bool,
) -> anyhow::Result<ExitCode> {
    let now_of = |s: &Snapshot, was: &ServiceView| s.services.iter().find(|is| is.name == was.name).cloned();
    // Each for itself: one that keeps failing must not make the others wait.
    let mut came_there: BTreeSet<&str> = BTreeSet::new();
    let last = wait_for(client, PATIENCE, |s| {
        let arrived = before.iter().filter(|was| now_of(s, was).is_some_and(|is| done(was, &is)));
        came_there.extend(arrived.map(|was| was.name.as_str()));
        before.iter().all(|was| {
            came_there.contains(was.name.as_str()) || now_of(s, was).is_some_and(|is| hopeless(was, &is))
        })
    })
    .await?;
    let mut failed = false;
    for was in before {
        let Some(is) = now_of(&last, was) else { continue };
        failed |= !done(was, &is);
        if !json {
            style::say(&format!(
                "{} {}: {}",
                style::paint(is.status, style::mark(is.status)),
                is.name,
                is.detail
            ));
        }
    }
    if json {
        style::json(&last.services)?;
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

pub async fn run_job(client: &Client, name: &str, json: bool) -> anyhow::Result<ExitCode> {
    let Some(id) = client.run_job(name).await?.id else { bail!("the agent began no run of {name}") };
    // A job may run as long as its own timeout allows; the agent ends it then.
    let found = |s: &Snapshot| s.jobs.iter().flat_map(|j| &j.runs).find(|r| r.id == id).cloned();
    let last = wait_for(client, Duration::MAX, |s| found(s).is_some()).await?;
    let record = found(&last).context("the record of the run is gone")?;
    if json {
        style::json(&record)?;
    } else {
        for milestone in &record.milestones {
            style::say(&format!(
                "  {} {}",
                milestone.event,
                serde_json::Value::Object(milestone.fields.clone())
            ));
        }
        let why = record.outcome.why().map(|w| format!(": {w}")).unwrap_or_default();
        style::say(&format!("{name} {}{why}", record.outcome.word()));
        if record.outcome != Outcome::Succeeded {
            record.tail.iter().for_each(|line| style::say(&format!("  | {line}")));
        }
    }
    Ok(if record.outcome == Outcome::Succeeded { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
