//! Blocking looks, each on a thread of its own.

use std::io;
use std::time::Duration;

use steady_model::check::Status;
use steady_model::time::WallTime;
use steady_model::words;
use tokio::sync::oneshot;

use crate::probe::{Seen, moment};
use crate::threads;

/// Runs one check's blocking work, at most one piece at a time.
///
/// A look at a hanging volume cannot be interrupted. It keeps its one thread until the volume answers, and no
/// second one is started before. The threads are not the runtime's blocking pool: that has an end, and its
/// shutdown would wait for the volume.
pub struct Aside<T> {
    pending: Option<(WallTime, oneshot::Receiver<T>)>,
}

impl<T: Send + 'static> Aside<T> {
    pub const fn new() -> Self {
        Self { pending: None }
    }

    /// Works, after an earlier piece that still hangs has ended. Cancel-safe.
    pub async fn run(&mut self, work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
        if self.pending.is_some() {
            // What it saw is old news by now.
            let _ = self.wait().await;
        }
        let (answer, receive) = oneshot::channel();
        threads::run(Box::new(move || {
            let _ = answer.send(work());
        }))?;
        self.pending = Some((steady_clock::now().wall, receive));
        self.wait().await
    }

    async fn wait(&mut self) -> io::Result<T> {
        let Some((_, receive)) = &mut self.pending else {
            return Err(io::Error::other("nothing was looked at"));
        };
        let answer = receive.await;
        self.pending = None;
        answer.map_err(|_| io::Error::other("the look ended without an answer"))
    }

    /// Since when the current piece is awaited.
    pub fn since(&self) -> Option<WallTime> {
        self.pending.as_ref().map(|(since, _)| *since)
    }
}

/// Blocking looks at files: what hangs is told as the volume's silence.
pub struct Worker(Aside<Seen>);

impl Worker {
    pub fn new() -> Self {
        Self(Aside::new())
    }

    /// Looks, after an earlier look that still hangs has ended. Cancel-safe.
    pub async fn look(&mut self, look: impl FnOnce() -> Seen + Send + 'static) -> Seen {
        self.0
            .run(look)
            .await
            .unwrap_or_else(|e| Seen::new(Status::Unknown, format!("it could not be looked at: {e}")))
    }

    pub fn overdue(&self, timeout: Duration) -> Seen {
        let since =
            self.0.since().map_or_else(String::new, |t| format!(", still waiting since {}", moment(t)));
        Seen::new(Status::Fail, format!("no answer from the volume within {}{since}", words::span(timeout)))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use tokio::time::timeout;

    use super::*;

    const SHORT: Duration = Duration::from_millis(30);

    #[tokio::test]
    async fn a_hanging_look_keeps_one_thread_and_is_told_until_it_ends() {
        let mut worker = Worker::new();
        let (release, hang) = mpsc::channel::<()>();
        let hanging = move || {
            let _ = hang.recv();
            Seen::new(Status::Pass, "old news")
        };
        timeout(SHORT, worker.look(hanging)).await.unwrap_err();
        let since = worker.overdue(SHORT).evidence;
        assert!(
            since.starts_with("no answer from the volume within 30 ms, still waiting since 2"),
            "{since}"
        );

        let (started, starts) = mpsc::channel();
        for _ in 0..5 {
            let started = started.clone();
            let next = move || {
                started.send(()).unwrap();
                Seen::new(Status::Pass, "never seen")
            };
            timeout(SHORT, worker.look(next)).await.unwrap_err();
        }
        assert!(starts.try_recv().is_err(), "a second look was started beside the hanging one");
        assert_eq!(worker.overdue(SHORT).evidence, since);

        release.send(()).unwrap();
        let seen = worker.look(|| Seen::new(Status::Pass, "new")).await;
        assert_eq!(seen.evidence, "new");
        assert!(!worker.overdue(SHORT).evidence.contains("still waiting"));
    }
}
