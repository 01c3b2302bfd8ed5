//! How far an operation is, told to the World with its speed.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use steady_backup::{Cancel, Progress};
use steady_model::backup::Operation;
use steady_model::speed::Speed;
use tokio::sync::mpsc;

use super::BackupEvent;

/// Work that stands still says nothing by itself, and its speed falls all the same.
const SAY_AGAIN: Duration = Duration::from_secs(2);

/// Tells of one operation.
pub(crate) struct Reporter {
    operation: Mutex<(Operation, Speed)>,
    cancel: Cancel,
    events: mpsc::Sender<BackupEvent>,
    told: Box<dyn Fn(Operation) -> BackupEvent + Send + Sync>,
}

impl Reporter {
    /// `told` makes an event for the World of it.
    pub(crate) fn new(
        operation: Operation,
        cancel: Cancel,
        events: mpsc::Sender<BackupEvent>,
        told: impl Fn(Operation) -> BackupEvent + Send + Sync + 'static,
    ) -> Self {
        let speed = Speed::begin(0, steady_clock::now().awake);
        Self { operation: Mutex::new((operation, speed)), cancel, events, told: Box::new(told) }
    }

    fn lock(&self) -> MutexGuard<'_, (Operation, Speed)> {
        self.operation.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn tell(&self, p: &Progress) {
        let now = steady_clock::now().awake;
        let mut state = self.lock();
        let (operation, speed) = &mut *state;
        if operation.phase != p.phase {
            operation.phase.clone_from(&p.phase);
            *speed = Speed::begin(p.done_bytes, now);
        }
        speed.note(p.done_bytes, now);
        (operation.done_bytes, operation.total_bytes) = (p.done_bytes, p.total_bytes);
        (operation.done_files, operation.total_files) = (p.done_files, p.total_files);
        self.send(operation, speed);
    }

    /// Runs the work, and tells now and then how it is also when the work says nothing.
    pub(crate) async fn during<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                () = pause(SAY_AGAIN) => {
                    let mut state = self.lock();
                    let (operation, speed) = &mut *state;
                    speed.note(operation.done_bytes, steady_clock::now().awake);
                    self.send(operation, speed);
                }
            }
        }
    }

    /// Progress is a courtesy: when the World is behind, a step of it is skipped, and what is being cancelled has said
    /// its last.
    fn send(&self, operation: &mut Operation, speed: &Speed) {
        operation.rate = speed.rate();
        operation.remaining_s = speed.remaining(operation.total_bytes).map(|left| left.as_secs());
        operation.can_cancel = self.cancel.is_possible();
        if !self.cancel.is_asked() {
            let _ = self.events.try_send((self.told)(operation.clone()));
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the timer of what says nothing by itself")]
async fn pause(span: Duration) {
    tokio::time::sleep(span).await;
}
