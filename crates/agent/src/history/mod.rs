//! What was: intervals of states in a database of the home, written by one task from the stream of snapshots.
//!
//! Never delays the World, and a disk that takes nothing more costs history and nothing else. What a subject was
//! in for less than [`REST`] may be left out.

mod recorder;
mod store;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use steady_model::history::HistoryPage;
use steady_model::snapshot::Snapshot;
use steady_model::time::{AwakeInstant, WallTime};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::events::Notice;
use recorder::Recorder;
use store::{Entry, Store};
pub use store::{HistoryError, Span};

/// Between two looks at the snapshots.
pub const REST: Duration = Duration::from_millis(300);
/// How often it is noted that the agent lives, and a failed write is tried again.
const BEAT: Duration = Duration::from_secs(60);
const PRUNE: Duration = Duration::from_secs(86_400);
/// What waits for a disk that takes nothing; then the oldest go.
const WAITING: usize = 10_000;
/// Sleeps that nobody has taken in yet.
const SLEEPS: usize = 64;

/// Tells of sleeps, and reads. Cheap to clone.
#[derive(Debug, Clone)]
pub struct History {
    path: Arc<PathBuf>,
    sleeps: mpsc::Sender<Entry>,
}

impl History {
    /// The machine woke at `now`.
    pub fn slept(&self, now: WallTime, slept: Duration) {
        let from = now.0.checked_sub(slept).map_or(now, WallTime);
        if self.sleeps.try_send(Entry::Slept { from, to: now }).is_err() {
            tracing::warn!("a sleep is missing from the history: too many at once");
        }
    }

    pub async fn read(&self, span: Span) -> Result<HistoryPage, HistoryError> {
        let path = self.path.clone();
        let read = spawn_blocking(move || store::read(&path, &span)).await;
        read.unwrap_or_else(|_| Err(HistoryError::BrokeOff))
    }
}

/// Records until the snapshots end; then the returned task writes what is left.
pub fn start(
    path: PathBuf,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    notices: mpsc::Sender<Notice>,
    started: WallTime,
) -> (History, JoinHandle<()>) {
    let (sleeps, told) = mpsc::channel(SLEEPS);
    let path = Arc::new(path);
    let book = Book { path: path.clone(), started, store: None, waiting: Vec::new() };
    let writer = Writer { book, notices, trouble: None, tried: None, pruned: None };
    let task = tokio::spawn(record(snapshots, told, writer));
    (History { path, sleeps }, task)
}

async fn record(
    mut snapshots: watch::Receiver<Arc<Snapshot>>,
    mut sleeps: mpsc::Receiver<Entry>,
    mut writer: Writer,
) {
    let mut recorder = Recorder::default();
    loop {
        let snapshot = snapshots.borrow_and_update().clone();
        while let Ok(slept) = sleeps.try_recv() {
            writer.add(slept);
        }
        for change in recorder.changes(&snapshot) {
            writer.add(Entry::Change(change));
        }
        let Some(back) = writer.write_if_due().await else { return };
        writer = back;
        pause(REST).await;
        if snapshots.changed().await.is_err() {
            for change in recorder.changes(&snapshots.borrow().clone()) {
                writer.add(Entry::Change(change));
            }
            writer.tried = None;
            writer.write_if_due().await;
            return;
        }
    }
}

/// The database and what it has not got yet.
struct Book {
    path: Arc<PathBuf>,
    started: WallTime,
    store: Option<Store>,
    waiting: Vec<Entry>,
}

impl Book {
    fn write(&mut self, prune: bool) -> Result<(), HistoryError> {
        let store = match &mut self.store {
            Some(store) => store,
            none => none.insert(Store::open(&self.path, self.started)?),
        };
        let now = steady_clock::now().wall;
        store.write(&self.waiting, now)?;
        self.waiting.clear();
        if prune { store.prune(now) } else { Ok(()) }
    }
}

struct Writer {
    book: Book,
    notices: mpsc::Sender<Notice>,
    /// Why the last write failed.
    trouble: Option<String>,
    tried: Option<AwakeInstant>,
    pruned: Option<AwakeInstant>,
}

impl Writer {
    fn add(&mut self, entry: Entry) {
        self.book.waiting.push(entry);
        let surplus = self.book.waiting.len().saturating_sub(WAITING);
        self.book.waiting.drain(..surplus);
    }

    /// Writes what waits, and once a minute that the agent lives. `None` when writing broke off.
    async fn write_if_due(mut self) -> Option<Self> {
        let now = steady_clock::now().awake;
        let since = |then: Option<AwakeInstant>| then.map(|then| now.since(then));
        let quiet = self.book.waiting.is_empty() || self.trouble.is_some();
        if quiet && since(self.tried).is_some_and(|since| since < BEAT) {
            return Some(self);
        }
        self.tried = Some(now);
        let prune = since(self.pruned).is_none_or(|since| since >= PRUNE);
        let mut book = self.book;
        let done = spawn_blocking(move || {
            let written = book.write(prune);
            (book, written)
        });
        let (book, written) = match done.await {
            Ok(done) => done,
            Err(e) => {
                tracing::error!("writing the history broke off: {e}");
                return None;
            }
        };
        self.book = book;
        if prune && written.is_ok() {
            self.pruned = Some(now);
        }
        self.tell(written.err().map(|e| e.to_string())).await;
        Some(self)
    }

    async fn tell(&mut self, trouble: Option<String>) {
        if trouble == self.trouble {
            return;
        }
        match &trouble {
            Some(why) => tracing::warn!("{why}"),
            None => tracing::info!("the history is written again"),
        }
        self.trouble.clone_from(&trouble);
        // At the end of the agent nobody hears it.
        let _ = self.notices.send(Notice::History(trouble)).await;
    }
}

#[expect(clippy::disallowed_methods, reason = "what changes ten times a second is not written ten times")]
async fn pause(span: Duration) {
    tokio::time::sleep(span).await;
}
