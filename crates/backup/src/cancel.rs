//! Cancelling: asked from outside, heard by the work itself, so that it ends in order.

use std::sync::Arc;

use tokio::sync::watch;

use crate::error::BackupError;

tokio::task_local! {
    static CURRENT: Cancel;
}

/// The way to end an operation early. Cheap to clone.
///
/// Work that runs below [`Cancel::over`] ends its engine when it is asked to, then cleans up after itself and fails
/// with [`BackupError::Cancelled`]. From a restore's last chance on it cannot be asked any more.
#[derive(Debug, Clone)]
pub struct Cancel(Arc<watch::Sender<Stage>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Possible,
    Asked,
    TooLate,
}

impl Default for Cancel {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(Stage::Possible)))
    }
}

impl Cancel {
    /// Of work that cannot be cancelled.
    pub fn impossible() -> Self {
        Self(Arc::new(watch::Sender::new(Stage::TooLate)))
    }

    /// Runs `work`, which then ends when this is asked for. Tasks that it spawns are not reached.
    pub async fn over<F: Future>(&self, work: F) -> F::Output {
        CURRENT.scope(self.clone(), work).await
    }

    /// Asks for the end; `false` when it is too late for that. Asking twice is asking once.
    pub fn ask(&self) -> bool {
        self.0.send_if_modified(|stage| {
            let asked = *stage == Stage::Possible;
            if asked {
                *stage = Stage::Asked;
            }
            asked
        }) || self.is_asked()
    }

    pub fn is_asked(&self) -> bool {
        *self.0.borrow() == Stage::Asked
    }

    pub fn is_possible(&self) -> bool {
        *self.0.borrow() == Stage::Possible
    }

    /// Returns when it was asked for, or never.
    pub async fn asked(&self) {
        let mut stage = self.0.subscribe();
        if stage.wait_for(|stage| *stage == Stage::Asked).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// That of the work which runs now; one that nobody can ask for, when there is none.
    pub(crate) fn current() -> Self {
        CURRENT.try_with(Clone::clone).unwrap_or_default()
    }

    /// The last chance: an error when it was asked for, and from here on it cannot be.
    pub(crate) fn close() -> Result<(), BackupError> {
        let current = Self::current();
        let closed = current.0.send_if_modified(|stage| {
            let open = *stage != Stage::Asked;
            if open {
                *stage = Stage::TooLate;
            }
            open
        });
        if closed { Ok(()) } else { Err(BackupError::Cancelled) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_asks_in_time_is_heard_and_who_asks_too_late_is_told() {
        let early = Cancel::default();
        assert!(early.is_possible() && early.ask() && early.ask() && !early.is_possible());
        early.asked().await;
        let ended = early.over(async { Cancel::close() }).await;
        assert!(matches!(ended, Err(BackupError::Cancelled)));

        let late = Cancel::default();
        late.over(async { Cancel::close() }).await.unwrap();
        assert!(!late.ask() && !late.is_asked());
    }

    #[tokio::test]
    async fn work_of_nobody_cannot_be_cancelled() {
        let other = Cancel::default();
        other.ask();
        Cancel::close().unwrap();
    }
}
