//! Stops the services for the moment of a copy that does not succeed while they run: the engine asks, the agent's
//! side answers.

use std::io::{self, BufRead};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::capture::{self, Capture, Wanted};
use crate::clock::Stopwatch;
use crate::error::BackupError;
use crate::events::{Events, send};
use crate::protocol::{Event, Quiet};
use crate::restore::Services;

/// Takes the cut; once more in quiet when something never stood still and the configuration allows it.
pub(crate) fn capture(
    mut wanted: Wanted<'_>,
    may_ask: bool,
    events: &Events,
) -> Result<Capture, BackupError> {
    let first = capture::capture(&wanted)?;
    if first.restless.is_empty() || !may_ask {
        return Ok(first);
    }
    let restless = first.restless.clone();
    // Its pins end here: the next scan looks at database files, which must not be open then.
    drop(first);
    events.phase("waiting for the services to stand still", 0);
    send(&Event::Hush { restless: restless.clone() });
    let named = restless.join(", ");
    match answer()? {
        Quiet::Stopped => {
            wanted.notes.push(format!("The services were stopped while {named} was copied."));
            let second = capture::capture(&wanted);
            send(&Event::Resume);
            second
        }
        Quiet::Refused(why) => {
            wanted.notes.push(format!("The services could not be stopped for the copy of {named}: {why}"));
            capture::capture(&wanted)
        }
    }
}

fn answer() -> Result<Quiet, BackupError> {
    let mut line = String::new();
    let pipe =
        |source| BackupError::EnginePipe { doing: "could not read the answer to its question", source };
    io::stdin().lock().read_line(&mut line).map_err(pipe)?;
    serde_json::from_str(&line).map_err(|e| pipe(e.into()))
}

/// The agent's side: whoever is stopped is started again, also when the engine dies or nobody waits any more.
pub(crate) struct Hush {
    services: Arc<dyn Services>,
    names: Vec<String>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    stopped: Option<Stopwatch>,
    stood_still: Option<Duration>,
    not_back: Option<String>,
}

impl Hush {
    pub(crate) fn new(services: Arc<dyn Services>, names: Vec<String>) -> Self {
        Self { services, names, state: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) async fn stop(&self, restless: &[String]) -> Quiet {
        tracing::info!(?restless, "the services are stopped for a copy");
        // Before it begins: what is stopped half must be started too.
        self.lock().stopped = Some(Stopwatch::start());
        match self.services.stop(&self.names).await {
            Ok(()) => Quiet::Stopped,
            Err(why) => {
                self.start().await;
                Quiet::Refused(why)
            }
        }
    }

    pub(crate) async fn start(&self) {
        let Some(stopped) = self.lock().stopped else { return };
        let started = self.services.start_and_wait_healthy(&self.names).await;
        let mut state = self.lock();
        state.stopped = None;
        state.stood_still = Some(stopped.elapsed());
        state.not_back = started.err();
    }

    /// For how long the services stood still; an error when they did not come back.
    pub(crate) async fn end(self) -> Result<Option<Duration>, String> {
        self.start().await;
        let state = std::mem::take(&mut *self.lock());
        match state.not_back {
            Some(why) => Err(why),
            None => Ok(state.stood_still),
        }
    }
}

impl Drop for Hush {
    fn drop(&mut self) {
        if self.lock().stopped.is_none() {
            return;
        }
        // The backup was cancelled while they were stopped. Without a runtime the agent itself ends.
        let (services, names) = (Arc::clone(&self.services), std::mem::take(&mut self.names));
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(why) = services.start_and_wait_healthy(&names).await {
                    tracing::error!("the services that were stopped for a backup did not come back: {why}");
                }
            });
        }
    }
}
