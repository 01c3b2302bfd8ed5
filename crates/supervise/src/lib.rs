//! Services as real processes: the adapter around `steady_model::service::step`.
//!
//! Owns the child processes, their groups, ports and journals; one task per service owns one of each. Must
//! never signal a process whose identity it cannot prove (pid and start time of the leader; for what a dead
//! leader left behind, the group and the mark in the environment), never run two copies of a service, never
//! decide anything that `step` decides, and never touch a client of a port.
//!
//! What an agent that is killed leaves behind is enough for the next one: the child runs on, its output is a
//! FIFO that nobody's death breaks, the journal names it, and its environment carries a mark
//! (`STEADY_SERVICE`, `STEADY_HOME`) for the moment between the spawn and the journal.

mod actor;
mod adopt;
mod census;
mod environment;
mod error;
mod event;
mod exec;
mod exit_watch;
mod handle;
mod journal;
pub mod manager;
mod port;
mod process_info;
mod ready;
mod sink_keeper;
mod spawn;
mod stop;
mod stray;
mod tasks;
mod timer;

use std::path::{Path, PathBuf};

use steady_logs::SinkClient;
use steady_model::config::Service;
use steady_model::service::{Input, Lifecycle};
use tokio::sync::{mpsc, watch};

pub use census::Census;
pub use error::{SpawnError, SuperviseError};
pub use event::{Crash, ServiceEvent};
pub use exec::{exec_service, start_sink};
pub use handle::ServiceHandle;
pub use process_info::boot_id;
pub use sink_keeper::keep_sink;

/// What a service needs from the agent.
#[derive(Debug, Clone)]
pub struct Deps {
    /// Steady's home: gets `journal/`, `fifo/` and `logs/<service>/`.
    pub home: PathBuf,
    pub sink: SinkClient,
    /// Shared by the services that begin together.
    pub census: Census,
}

impl Deps {
    pub fn new(home: impl Into<PathBuf>, sink: SinkClient) -> Self {
        Self { home: home.into(), sink, census: Census::default() }
    }
}

/// Takes a service into care: takes its running process back, or starts it, unless a person had stopped it. Needs a
/// tokio runtime.
///
/// The agent must read `events`, or the service waits for it.
pub fn supervise(spec: Service, deps: Deps, events: mpsc::Sender<ServiceEvent>) -> ServiceHandle {
    care(spec, deps, events, Input::Start)
}

/// The same, but what does not run already waits until it is released: for an agent that first has to end an
/// interrupted restore, or to look at dependencies.
pub fn hold(spec: Service, deps: Deps, events: mpsc::Sender<ServiceEvent>) -> ServiceHandle {
    care(spec, deps, events, Input::Wait("waiting for the agent".to_owned()))
}

fn care(spec: Service, deps: Deps, events: mpsc::Sender<ServiceEvent>, when_down: Input) -> ServiceHandle {
    let (commands, inbox) = mpsc::channel(handle::COMMANDS_WAITING);
    let (shown, lifecycle) = watch::channel(Lifecycle::default());
    let handle = ServiceHandle::new(&spec.name, commands, lifecycle);
    tokio::spawn(Box::new(actor::Actor::new(spec, deps, events, shown)).run(when_down, inbox));
    handle
}

fn fifo_of(home: &Path, service: &str) -> PathBuf {
    home.join("fifo").join(service)
}

fn log_dir_of(home: &Path, service: &str) -> PathBuf {
    home.join("logs").join(service)
}
