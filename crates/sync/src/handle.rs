//! The way to ask a job's owner.

use std::sync::Arc;

use steady_model::config::Job;
use tokio::sync::{mpsc, oneshot};

use crate::error::RunRefused;

/// Asks a job's owner. Cheap to clone; the owner ends when the last one is dropped.
#[derive(Debug, Clone)]
pub struct JobHandle {
    pub(crate) job: Arc<Job>,
    pub(crate) commands: mpsc::Sender<Command>,
}

#[derive(Debug)]
pub(crate) enum Command {
    Run(oneshot::Sender<Result<String, RunRefused>>),
    Pause(oneshot::Sender<Result<(), RunRefused>>),
    Resume,
    WhenIdle(oneshot::Sender<()>),
    Look,
    Shutdown(oneshot::Sender<()>),
}

impl JobHandle {
    /// Starts a run now and answers its id; its end comes as an event.
    pub async fn run_now(&self) -> Result<String, RunRefused> {
        self.ask(Command::Run).await.unwrap_or_else(|| Err(self.ending()))
    }

    /// Lets no run start until `resume`; refused while one runs.
    pub async fn pause(&self) -> Result<(), RunRefused> {
        self.ask(Command::Pause).await.unwrap_or_else(|| Err(self.ending()))
    }

    pub async fn resume(&self) {
        let _ = self.commands.send(Command::Resume).await;
    }

    pub fn name(&self) -> &str {
        &self.job.name
    }

    /// Ends when no run of Steady's is under way, at once when none is. Nothing keeps the next one from starting.
    pub async fn idle(&self) {
        self.ask(Command::WhenIdle).await;
    }

    /// The machine woke, or its clock was set: timers stand still meanwhile, and schedules do not.
    pub fn time_shifted(&self) {
        // A queue that is full makes the owner look anyway.
        let _ = self.commands.try_send(Command::Look);
    }

    /// Stops a run (TERM to its group, KILL after 10 s), records it as killed, and ends the owner.
    pub async fn shutdown(&self) {
        self.ask(Command::Shutdown).await;
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.ok()?;
        answer.await.ok()
    }

    fn ending(&self) -> RunRefused {
        RunRefused::Ending { job: self.job.name.clone() }
    }
}
