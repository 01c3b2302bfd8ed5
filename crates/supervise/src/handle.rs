use std::sync::Arc;
use std::time::Duration;

use steady_model::config::Service;
use steady_model::service::{Input, Lifecycle, State};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use crate::SuperviseError;
use crate::journal::Wanted;

/// A service that does not get to its commands has this many waiting, then says busy.
pub const COMMANDS_WAITING: usize = 16;

/// Boxed: a channel has room for 32 from the start.
pub type Commands = mpsc::Sender<Box<Command>>;

pub struct Command {
    pub order: Order,
    /// Told once the step was taken and its effects were begun.
    pub taken: Option<oneshot::Sender<()>>,
}

pub enum Order {
    Feed(Input),
    /// The same, for a person: the next agent is to know of it.
    Want(Wanted, Input),
    /// What is configured from now on.
    Reconfigure(Box<Service>),
    /// Let go of the service without touching it.
    Detach,
}

impl Order {
    fn up() -> Self {
        Self::Want(Wanted::Up, Input::Start)
    }

    fn anew() -> Self {
        Self::Want(Wanted::Anew, Input::Restart)
    }
}

/// Speaks to the one task that owns a service. Cheap to clone; none of the plain commands waits.
#[derive(Debug, Clone)]
pub struct ServiceHandle {
    service: Arc<str>,
    commands: Commands,
    lifecycle: watch::Receiver<Lifecycle>,
}

impl ServiceHandle {
    pub(crate) fn new(service: &str, commands: Commands, lifecycle: watch::Receiver<Lifecycle>) -> Self {
        Self { service: service.into(), commands, lifecycle }
    }

    pub fn name(&self) -> &str {
        &self.service
    }

    pub fn lifecycle(&self) -> Lifecycle {
        self.lifecycle.borrow().clone()
    }

    /// Follows the lifecycle; ends with the service's task.
    pub fn changes(&self) -> watch::Receiver<Lifecycle> {
        self.lifecycle.clone()
    }

    pub fn start(&self) -> Result<(), SuperviseError> {
        self.send(Order::up(), None)
    }

    /// For a person: it stays down, also for the next agent, until it is started or restarted.
    pub fn stop(&self) -> Result<(), SuperviseError> {
        self.send(Order::Want(Wanted::Down, Input::Stop), None)
    }

    pub fn restart(&self) -> Result<(), SuperviseError> {
        self.send(Order::anew(), None)
    }

    /// A start that waits for [`release`](Self::release); `on` is shown to people: `waiting for db`. Nothing to a
    /// service that runs.
    pub fn wait_for(&self, on: impl Into<String>) -> Result<(), SuperviseError> {
        self.send(Order::Want(Wanted::Up, Input::Wait(on.into())), None)
    }

    /// What it waits for has changed, unless somebody stopped it meanwhile.
    pub fn still_waits_for(&self, on: impl Into<String>) -> Result<(), SuperviseError> {
        self.feed(Input::StillWaits(on.into()))
    }

    /// What it waited for is there: starts it, unless somebody stopped it meanwhile.
    pub fn release(&self) -> Result<(), SuperviseError> {
        self.feed(Input::Release)
    }

    /// Its check failed often enough; `reason` is shown to people.
    pub fn liveness_failed(&self, reason: impl Into<String>) -> Result<(), SuperviseError> {
        self.feed(Input::LivenessFailed(reason.into()))
    }

    /// Its processes take more memory than they may; `reason` has both numbers.
    pub fn memory_exceeded(&self, reason: impl Into<String>) -> Result<(), SuperviseError> {
        self.feed(Input::MemoryExceeded(reason.into()))
    }

    /// Takes a changed configuration: policy, readiness and log limits at once, the launch from the next start on.
    /// Its process is not touched. Name and manager stay: for those it takes another `supervise`.
    pub fn reconfigure(&self, spec: Service) -> Result<(), SuperviseError> {
        self.send(Order::Reconfigure(Box::new(spec)), None)
    }

    /// Stops it and returns once its group is empty and its port is free. For a shutdown or a restore: the next
    /// agent starts it again.
    pub async fn stop_and_wait(&self, limit: Duration) -> Result<(), SuperviseError> {
        let stopped = |life: &Lifecycle| matches!(life.state, State::Stopped { .. });
        if self.order_and_wait(Order::Feed(Input::Stop), limit, stopped).await? {
            return Ok(());
        }
        Err(SuperviseError::NotStopped {
            service: self.service.to_string(),
            limit,
            state: self.state_words(),
        })
    }

    /// Starts it and returns once it is ready; sooner, with an error, when it cannot become so.
    pub async fn start_and_wait_ready(&self, limit: Duration) -> Result<(), SuperviseError> {
        self.order_and_wait_ready(Order::up(), limit).await
    }

    /// Restarts it and returns once the new process is ready.
    pub async fn restart_and_wait_ready(&self, limit: Duration) -> Result<(), SuperviseError> {
        self.order_and_wait_ready(Order::anew(), limit).await
    }

    /// Ends the care for it and leaves it running, for the next agent to take back.
    pub async fn detach(&self) {
        let (taken, detached) = oneshot::channel();
        if self.commands.send(Box::new(Command { order: Order::Detach, taken: Some(taken) })).await.is_ok() {
            let _ = detached.await;
        }
    }

    async fn order_and_wait_ready(&self, order: Order, limit: Duration) -> Result<(), SuperviseError> {
        let settled = |life: &Lifecycle| {
            use State::{CrashLoop, Degraded, Foreign, Ready, Stopped};
            matches!(
                life.state,
                Ready { .. } | Degraded { .. } | Stopped { .. } | CrashLoop { .. } | Foreign { .. }
            )
        };
        self.order_and_wait(order, limit, settled).await?;
        if matches!(self.lifecycle.borrow().state, State::Ready { .. }) {
            return Ok(());
        }
        Err(SuperviseError::NotReady { service: self.service.to_string(), limit, state: self.state_words() })
    }

    /// Whether the lifecycle came to `settled` within `limit`, counted from when the order was taken.
    async fn order_and_wait(
        &self,
        order: Order,
        limit: Duration,
        settled: impl Fn(&Lifecycle) -> bool,
    ) -> Result<bool, SuperviseError> {
        let (taken, done) = oneshot::channel();
        self.send(order, Some(taken))?;
        let mut lifecycle = self.changes();
        let waited = timeout(limit, async {
            done.await.map_err(|_| self.gone())?;
            lifecycle.wait_for(|life| settled(life)).await.map(drop).map_err(|_| self.gone())
        });
        waited.await.map_or(Ok(false), |done| done.map(|()| true))
    }

    fn feed(&self, input: Input) -> Result<(), SuperviseError> {
        self.send(Order::Feed(input), None)
    }

    fn send(&self, order: Order, taken: Option<oneshot::Sender<()>>) -> Result<(), SuperviseError> {
        self.commands.try_send(Box::new(Command { order, taken })).map_err(|e| match e {
            mpsc::error::TrySendError::Full(_) => SuperviseError::Busy { service: self.service.to_string() },
            mpsc::error::TrySendError::Closed(_) => self.gone(),
        })
    }

    fn gone(&self) -> SuperviseError {
        SuperviseError::Gone { service: self.service.to_string() }
    }

    fn state_words(&self) -> String {
        match &self.lifecycle.borrow().state {
            State::Stopped { .. } => "it is stopped".to_owned(),
            State::Starting { .. } => "it is still starting".to_owned(),
            State::Ready { .. } => "it is ready".to_owned(),
            State::Degraded { reason, .. } => format!("it runs but is {reason}"),
            State::Stopping { process, .. } => format!("it is still stopping (pid {})", process.pid),
            State::Backoff { cause, .. } => format!("it is waiting for its next try after {cause}"),
            State::CrashLoop { cause, .. } => format!("it is in a crash loop after {cause}"),
            State::Foreign { owner, .. } => match owner.pid {
                Some(pid) => format!("its port {} is taken by pid {pid}", owner.port),
                None => format!("its port {} is taken by another user's process", owner.port),
            },
            State::Unknown => "it has not been looked at yet".to_owned(),
        }
    }
}
