//! What a service's actor has running beside itself. Dropping a task ends it.

use std::future::Future;

use steady_model::process::ProcessId;
use steady_model::service::Input;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

#[derive(Debug)]
pub struct Task(AbortHandle);

impl Task {
    pub fn spawn(work: impl Future<Output = ()> + Send + 'static) -> Self {
        // What it needed is given back when it is done, not when it is dropped.
        Self(tokio::spawn(Box::pin(work)).abort_handle())
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What a task found out, and about what: the actor may have gone on meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub about: About,
    pub news: News,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    Process(ProcessId),
    /// The stranger on the port.
    Port,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    Feed(Input),
    /// Its manager could not do what it was told.
    Failed(String),
}

#[derive(Debug, Default)]
pub struct Tasks {
    pub readiness: Option<Task>,
    pub proof: Option<Task>,
    pub stranger: Option<Task>,
    pub output: Option<Task>,
    /// What a manager is being told.
    pub order: Option<Task>,
}

/// Sends one finding to the actor, boxed because a channel has room for 32 from the start; nobody hears it when the actor is gone.
pub async fn tell(found: mpsc::Sender<Box<Found>>, about: About, news: News) {
    let _ = found.send(Box::new(Found { about, news })).await;
}

pub async fn feed(found: mpsc::Sender<Box<Found>>, about: About, input: Input) {
    tell(found, about, News::Feed(input)).await;
}
