//! The process group of an engine: ended whole and reaped, whatever becomes of who waits for it.

use std::io;
use std::os::fd::OwnedFd;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::process::Child;
use tokio::sync::watch;

/// Between TERM and KILL.
const GRACE: Duration = Duration::from_secs(2);
/// A killed process ends at once, unless it hangs in the kernel.
const DYING: Duration = Duration::from_secs(2);

/// A pipe that nobody writes to: every process of the group inherits its end, and it closes when the last one is gone.
pub(crate) fn sign_of_life() -> io::Result<(pipe::Receiver, OwnedFd)> {
    let (reader, writer) = io::pipe()?;
    Ok((pipe::Receiver::from_owned_fd(reader.into())?, writer.into()))
}

/// Engines that nobody waits for any more and that are not gone yet.
#[derive(Debug, Clone, Default)]
pub(crate) struct Leaving(Arc<watch::Sender<usize>>);

impl Leaving {
    /// Returns when none is left: the next engine then finds their locks free.
    pub(crate) async fn none(&self) {
        // The sender is our own.
        let _ = self.0.subscribe().wait_for(|count| *count == 0).await;
    }
}

/// An engine with all that it started. When this is dropped its group is ended and reaped all the same.
pub(crate) struct Group {
    running: Option<Running>,
    leaving: Leaving,
}

struct Running {
    child: Child,
    number: Option<Pid>,
    life: pipe::Receiver,
}

impl Group {
    /// `child` leads a group of its own, and `life` is the other end of what it inherited.
    pub(crate) fn new(child: Child, life: pipe::Receiver, leaving: &Leaving) -> Self {
        let number = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        Self { running: Some(Running { child, number, life }), leaving: leaving.clone() }
    }

    pub(crate) fn child(&mut self) -> Option<&mut Child> {
        self.running.as_mut().map(|running| &mut running.child)
    }

    /// The engine has said its last word: waits for its exit.
    pub(crate) async fn exited(mut self) -> io::Result<ExitStatus> {
        match &mut self.running {
            Some(running) => {
                let status = running.child.wait().await?;
                self.running = None;
                Ok(status)
            }
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// TERM to all of it, KILL to what is left after the grace; returns when it is gone.
    pub(crate) async fn end(mut self) -> io::Result<ExitStatus> {
        match &mut self.running {
            Some(running) => {
                let status = running.end().await?;
                self.running = None;
                Ok(status)
            }
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

impl Running {
    async fn end(&mut self) -> io::Result<ExitStatus> {
        self.signal(Signal::TERM);
        self.gone(GRACE).await;
        // The leader is not reaped yet, so the number is still this group's.
        self.signal(Signal::KILL);
        self.gone(DYING).await;
        self.child.wait().await
    }

    fn signal(&self, signal: Signal) {
        if let Some(number) = self.number {
            // An error says that nobody is left to signal.
            let _ = kill_process_group(number, signal);
        }
    }

    /// Waits until no process of the group lives, for a while.
    async fn gone(&mut self, limit: Duration) {
        let mut nothing = [0; 1];
        let _ = tokio::time::timeout(limit, self.life.read(&mut nothing)).await;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let Some(mut running) = self.running.take() else { return };
        running.signal(Signal::TERM);
        // Without a runtime the agent itself ends; the child is killed with this.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let leaving = self.leaving.clone();
        leaving.0.send_modify(|count| *count += 1);
        runtime.spawn(async move {
            if let Err(error) = running.end().await {
                tracing::warn!("an engine that nobody waits for cannot be waited for: {error}");
            }
            leaving.0.send_modify(|count| *count = count.saturating_sub(1));
        });
    }
}
