//! What the next agent would read, kept in step with what is true.

use std::path::Path;

use steady_model::config::{Readiness, Service};
use steady_model::service::{State, StopReason};
use tokio::task::spawn_blocking;

use super::Actor;
use crate::journal::{Entry, Journal, Wanted};

pub struct Memory {
    pub journal: Journal,
    pub entry: Entry,
}

impl Memory {
    pub fn of(spec: &Service, home: &Path) -> Self {
        Self { journal: Journal::of(home, &spec.name), entry: Entry::new(spec, home) }
    }

    async fn note(&mut self, change: impl FnOnce(&mut Entry)) {
        let was = self.entry.clone();
        change(&mut self.entry);
        if self.entry == was {
            return;
        }
        let (journal, entry) = (self.journal.clone(), self.entry.clone());
        let _ = spawn_blocking(move || write(&journal, &entry)).await;
    }
}

/// An entry that cannot be written is said; the mark still tells the next agent what is ours. Blocking.
pub fn write(journal: &Journal, entry: &Entry) {
    if let Err(e) = journal.write(entry) {
        tracing::warn!(service = entry.service, "{e}");
    }
}

impl Actor {
    /// Before it is done, so that an agent that is killed in between leaves the wish and not its half.
    pub(super) async fn want(&mut self, wanted: Wanted) {
        let runs = self.run.is_some();
        let wanted = if wanted == Wanted::Anew && !runs { Wanted::Up } else { wanted };
        self.memory.note(|entry| entry.wanted = wanted).await;
    }

    /// What a step led to and cannot be seen by looking at processes.
    pub(super) async fn remember(&mut self) {
        // A growing streak is written with the next start.
        if self.life.streak == 0 && self.memory.entry.streak > 0 {
            self.memory.note(|entry| (entry.streak, entry.looping) = (0, false)).await;
        }
        match &self.life.state {
            State::Ready { .. } if !self.memory.entry.ready => {
                // The others can be asked again.
                if matches!(self.spec.ready, Readiness::Log { .. } | Readiness::Delay { .. }) {
                    self.memory.note(|entry| entry.ready = true).await;
                }
            }
            State::Stopped { reason: StopReason::Completed(exit), .. } => {
                let exit = *exit;
                self.memory.note(|entry| entry.completed = Some(exit)).await;
            }
            State::Stopped { .. } if self.memory.entry.completed.is_some() => {
                self.memory.note(|entry| entry.completed = None).await;
            }
            _ => {}
        }
    }
}
