use std::sync::Arc;
use std::time::Duration;

use steady_model::service::{Input, Lifecycle, State};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use crate::SuperviseError;

/// A service that does not get to its commands has this many waiting, then says busy.
pub const COMMANDS_WAITING: usize = 16;

pub struct Command {
    pub order: Order,
    /// Told once the step was taken and its effects were begun.
    pub taken: Option<oneshot::Sender<()>>,
}

pub enum Order {
    Feed(Input),
    /// Let go of the service without touching it.
    Detach,
}

/// Speaks to the one task that owns a service. Cheap to clone; none of the plain commands waits.
#[derive(Debug, Clone)]
pub struct ServiceHandle {
    service: Arc<str>,
    commands: mpsc::Sender<Command>,
    lifecycle: watch::Receiver<Lifecycle>,
}

impl ServiceHandle {
    pub(crate) fn new(
        service: &str,
        commands: mpsc::Sender<Command>,
        lifecycle: watch::Receiver<Lifecycle>,
    ) -> Self {
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
        self.send(Input::Start, None)
    }

    pub fn stop(&self) -> Result<(), SuperviseError> {
        self.send(Input::Stop, None)
    }

    pub fn restart(&self) -> Result<(), SuperviseError> {
        self.send(Input::Restart, None)
    }

    /// What it waited for is there: starts it, unless somebody stopped it meanwhile.
    pub fn release(&self) -> Result<(), SuperviseError> {
        self.send(Input::Release, None)
    }

    /// Its check failed often enough; `reason` is shown to people.
    pub fn liveness_failed(&self, reason: impl Into<String>) -> Result<(), SuperviseError> {
        self.send(Input::LivenessFailed(reason.into()), None)
    }

    /// Stops it and returns once its group is empty and its port is free.
    pub async fn stop_and_wait(&self, limit: Duration) -> Result<(), SuperviseError> {
        let stopped = |life: &Lifecycle| matches!(life.state, State::Stopped { .. });
        if self.order_and_wait(Input::Stop, limit, stopped).await? {
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
        self.order_and_wait_ready(Input::Start, limit).await
    }

    /// Restarts it and returns once the new process is ready.
    pub async fn restart_and_wait_ready(&self, limit: Duration) -> Result<(), SuperviseError> {
        self.order_and_wait_ready(Input::Restart, limit).await
    }

    /// Ends the care for it and leaves it running, for the next agent to take back.
    pub async fn detach(&self) {
        let (taken, detached) = oneshot::channel();
        if self.commands.send(Command { order: Order::Detach, taken: Some(taken) }).await.is_ok() {
            let _ = detached.await;
        }
    }

    async fn order_and_wait_ready(&self, order: Input, limit: Duration) -> Result<(), SuperviseError> {
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
        order: Input,
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

    fn send(&self, input: Input, taken: Option<oneshot::Sender<()>>) -> Result<(), SuperviseError> {
        self.commands.try_send(Command { order: Order::Feed(input), taken }).map_err(|e| match e {
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
