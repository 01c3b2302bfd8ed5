//! The backend of a drill: where it may listen, what it may not touch, and what it is asked.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::time::Duration;

use steady_model::check::{Observation, Severity, Thresholds};
use steady_model::config::{Check, CheckKind, Predicate, Probe, Service};
use steady_model::service::{State, StopReason};
use steady_model::words;
use steady_supervise::{Deps, ServiceEvent, ServiceHandle};
use tokio::sync::mpsc;

use crate::validate::look_once;

/// Names of configured services begin with a letter or a digit.
pub const NAME: &str = ".drill";
/// Beyond the grace and the readiness that it is configured with.
pub const MARGIN: Duration = Duration::from_secs(15);
/// For one answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// The search path may lead through any folder.
const SEARCH_PATH: &str = "PATH";

/// Takes back what runs already under this name; nothing is started.
pub fn hold(spec: Service, deps: &Deps) -> ServiceHandle {
    steady_supervise::hold(spec, deps.clone(), unheard())
}

/// Its first and only order: nobody else starts it, so that a stop is the last word.
pub fn start(spec: Service, deps: &Deps) -> ServiceHandle {
    steady_supervise::supervise(spec, deps.clone(), unheard())
}

/// Its lifecycle says all that a drill wants to know; the events have to be taken all the same.
fn unheard() -> mpsc::Sender<ServiceEvent> {
    let (events, mut told) = mpsc::channel(16);
    tokio::spawn(async move { while told.recv().await.is_some() {} });
    events
}

/// Waits until it is ready, or cannot become so any more.
pub async fn ready(handle: &ServiceHandle, limit: Duration, home: &Path) -> Result<(), String> {
    let mut changes = handle.changes();
    let settled = changes.wait_for(|life| {
        use State::{Degraded, Foreign, Ready, Stopped};
        matches!(life.state, Ready { .. } | Degraded { .. } | Stopped { .. } | Foreign { .. })
    });
    // What it is like then is looked at in any case.
    let _ = tokio::time::timeout(limit, settled).await.map(|seen| seen.map(drop));
    let why = match handle.lifecycle().state {
        State::Ready { .. } => return Ok(()),
        State::Stopped { reason: StopReason::Ended(end), .. } => words::end(&end),
        State::Stopped { reason: StopReason::CouldNotStart(why), .. } => why,
        State::Stopped { .. } => "it was stopped, because the agent ends".to_owned(),
        State::Foreign { owner, .. } => format!("another process took the port {}", owner.port),
        _ => format!("it was not ready after {}", words::span(limit)),
    };
    // Not its last lines: nobody has taken the secrets out of them.
    Err(format!("{why}; what it said is in {}", home.join("logs").join(NAME).display()))
}

pub fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// A drill never runs on the live data: nothing of what it is started with may lead there, whether it was typed, or
/// comes from a file of variables.
pub async fn refuse_live(service: &Service, source: &Path) -> Result<(), String> {
    let env = service.env.clone();
    let whole = tokio::task::spawn_blocking(move || steady_launch::environment(&env, [])).await;
    let whole = whole.map_err(|e| e.to_string())?.map_err(|e| e.to_string())?;
    let live = source.to_string_lossy();
    let leads = |text: &str| text.contains(live.as_ref());
    let variable = whole
        .iter()
        .find(|(name, value)| *name != SEARCH_PATH && leads(&value.to_string_lossy()))
        .map(|(name, _)| format!("its variable {}", name.to_string_lossy()));
    let word = service.command.iter().find(|word| leads(word)).map(|word| format!("its argument {word}"));
    match variable.or(word) {
        None => Ok(()),
        Some(what) => {
            Err(format!("{what} leads to the live data in {live}; give it another value in backup.drill.env"))
        }
    }
}

/// One look, as the checks do it.
pub async fn ask(name: &str, url: String, body: BTreeMap<String, Predicate>) -> Option<Observation> {
    let check = Check {
        name: name.to_owned(),
        probe: Probe { interval: PATIENCE, timeout: PATIENCE },
        kind: CheckKind::Http { url, status: vec![200], body, warn_body: BTreeMap::new(), slow: None },
        severity: Severity::Critical,
        thresholds: Thresholds { worsen: 1, improve: 1 },
        service: None,
        depends_on: Vec::new(),
        warm_up: Duration::ZERO,
    };
    look_once(vec![check]).await.remove(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_backend_that_a_file_of_variables_leads_to_the_live_data_is_not_started() {
        let dir = tempfile::tempdir().unwrap();
        let live = dir.path().join("data");
        let file = dir.path().join("brain.env");
        let service = |word: &str| {
            let mut service = Service::child(NAME, vec!["brain".to_owned(), word.to_owned()], dir.path());
            service.env.files.push(file.clone());
            service
        };
        std::fs::write(&file, format!("BRAIN_DATA=sqlite://{}/brain.db\n", live.display())).unwrap();
        let why = refuse_live(&service("serve"), &live).await.unwrap_err();
        assert!(why.contains("BRAIN_DATA") && why.contains("backup.drill.env"), "{why}");
        std::fs::write(&file, "BRAIN_DATA=/scratch/brain.db\n").unwrap();
        refuse_live(&service("serve"), &live).await.unwrap();
        let why = refuse_live(&service(&format!("--data={}", live.display())), &live).await.unwrap_err();
        assert!(why.contains("its argument --data="), "{why}");
    }
}
