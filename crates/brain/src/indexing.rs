//! The one who writes the index while brain serves: changed notes, captures from the outbox, requests.
//!
//! Owns when a run is made and what it looks at; the runs themselves are `indexer`'s. Crash order: a run commits
//! before its captures leave the outbox, so that a crash between the two indexes them twice and loses none.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Mutex, Notify};
use tracing::{debug, info, warn};

use crate::backlog::Backlog;
use crate::clock::{self, Stopwatch};
use crate::indexer::{self, IndexError, IndexReport, Ran, Run, Scope};
use crate::stores::Stores;
use crate::stores::connection::StoreError;
use crate::stores::outbox::{self, Due, Settled};
use crate::stores::usage::Used;
use crate::vault::Vault;
use crate::watch::{self, Changes};

/// Captures that go to the index together.
const BATCH: u32 = 64;
/// Between two tries at what failed: from this, doubled each time, to `LONGEST_PAUSE`.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// So long they wait for each other: a run of its own for each would take more than all the searches beside it.
const TOGETHER: Duration = Duration::from_millis(100);
/// Then a phase of work is over, and its memory goes back.
const REST_AFTER: Duration = Duration::from_secs(2);
/// The start has other things to read first.
const EXAMINE_AFTER: Duration = Duration::from_secs(3);

#[derive(Debug, Clone)]
pub struct Indexing(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    vault: Vault,
    data: PathBuf,
    stores: Stores,
    changes: Arc<Changes>,
    /// A capture is in the outbox.
    captured: Notify,
    /// The index has changed.
    indexed: Notify,
    /// Held while the derived stores are written.
    turn: Mutex<()>,
    /// Held by the one request that may wait for its turn; others are refused by the kernel lock.
    request: Mutex<()>,
    /// A run over the whole vault has ended well since the start, or since the index was lost.
    complete: AtomicBool,
}

impl Indexing {
    pub fn new(vault: Vault, data: PathBuf, stores: Stores) -> Self {
        Self(Arc::new(Inner {
            vault,
            data,
            stores,
            changes: Arc::default(),
            captured: Notify::new(),
            indexed: Notify::new(),
            turn: Mutex::new(()),
            request: Mutex::new(()),
            complete: AtomicBool::new(false),
        }))
    }

    /// A capture waits in the outbox.
    pub fn captured(&self) {
        self.0.captured.notify_one();
    }

    /// A note has changed of which no event may tell.
    pub fn changed(&self, path: String) {
        self.0.changes.add(Backlog::path(path));
    }

    /// False while notes may be missing from the index because it was not compared with the vault yet.
    pub fn is_complete(&self) -> bool {
        self.0.complete.load(Ordering::Acquire)
    }

    /// The index is being written, or was never compared with the vault: its stores may disagree.
    pub fn is_under_way(&self) -> bool {
        !self.is_complete() || self.0.turn.try_lock().is_err()
    }

    /// Returns when the index has changed since the last call.
    pub async fn indexed(&self) {
        self.0.indexed.notified().await;
    }

    /// Does something with the derived stores while no run writes them.
    pub async fn between_runs<T>(&self, work: impl Future<Output = T>) -> T {
        let _turn = self.0.turn.lock().await;
        work.await
    }

    /// Brings the index up to date now. Refused while another such request, or another process, is at it; waits
    /// for the short runs of the background.
    pub async fn request(&self, full: bool) -> Result<IndexReport, IndexError> {
        let first = self.0.request.try_lock();
        let _turn = match &first {
            Ok(_) => Some(self.0.turn.lock().await),
            Err(_) => None,
        };
        let what = if full { "brain: full rebuild of the index" } else { "brain: index" };
        let backlog = if full { Backlog::Everything } else { Backlog::Changes };
        let ran = self.run(backlog, what).await?;
        // Whatever stood in the way of a capture may be over.
        let now = clock::now();
        if self.0.stores.outbox.query(move |db| outbox::put_back(db, now)).await? > 0 {
            self.captured();
        }
        Ok(ran.report)
    }

    /// Follows the vault and the outbox until it is dropped.
    pub async fn keep_current(self) {
        let root = self.0.vault.root().to_owned();
        tokio::join!(watch::follow(root, Arc::clone(&self.0.changes)), self.work(), self.examine());
    }

    /// Damage that no search has met yet is found before it is needed, once per start.
    async fn examine(&self) {
        clock::pause(EXAMINE_AFTER).await;
        for store in self.0.stores.all() {
            if let Err(e) = store.examine().await {
                debug!(target: "brain.stores", "{e}");
            }
        }
    }

    async fn work(&self) {
        // The watch's beginning adds the whole vault.
        let mut backlog = Backlog::Nothing;
        let mut pauses = pauses();
        let mut told = String::new();
        loop {
            backlog.add(self.0.changes.take());
            match self.turn(&mut backlog).await {
                Ok(()) => {
                    (pauses, told) = (self::pauses(), String::new());
                    let mut todo = pin!(self.something_to_do());
                    tokio::select! {
                        () = &mut todo => {}
                        () = clock::pause(REST_AFTER) => {
                            steady_footprint::give_back();
                            todo.await;
                        }
                    }
                }
                Err(e) => {
                    let said = e.to_string();
                    if said != told {
                        warn!(target: "brain.indexer", "{said}; trying again");
                        told = said;
                    }
                    let pause = clock::pause(pauses.next().unwrap_or(LONGEST_PAUSE));
                    tokio::select! {
                        () = pause => {}
                        () = self.0.changes.settled() => {}
                    }
                }
            }
        }
    }

    /// Indexes the backlog and the captures that are due. On an error the backlog stays.
    async fn turn(&self, backlog: &mut Backlog) -> Result<(), IndexError> {
        let _turn = self.0.turn.lock().await;
        if self.0.stores.mend().await? {
            self.0.complete.store(false, Ordering::Release);
            backlog.add(Backlog::Everything);
        }
        let now = clock::now();
        let due = self.0.stores.outbox.query(move |db| outbox::due(db, now, BATCH)).await?;
        for row in due.iter().filter(|row| !row.path.is_empty()) {
            backlog.add(Backlog::path(row.path.clone()));
        }
        let skipped = match backlog {
            Backlog::Nothing => BTreeMap::new(),
            _ => self.run(backlog.clone(), "brain: changed notes").await?.skipped,
        };
        *backlog = Backlog::Nothing;
        if !due.is_empty() {
            let now = clock::now();
            let settled: Vec<_> = due.iter().map(|row| (row.id, settle(row, &skipped, now))).collect();
            self.0.stores.outbox.query(move |db| outbox::settle(db, &settled, now)).await?;
        }
        Ok(())
    }

    /// The caller has the turn.
    async fn run(&self, backlog: Backlog, what: &'static str) -> Result<Ran, IndexError> {
        match self.run_once(backlog, what).await {
            Err(IndexError::Store(e)) if self.0.stores.distrust(&e) => {
                self.0.complete.store(false, Ordering::Release);
                self.0.stores.mend().await?;
                self.run_once(Backlog::Everything, what).await
            }
            ended => ended,
        }
    }

    async fn run_once(&self, backlog: Backlog, what: &'static str) -> Result<Ran, IndexError> {
        let (vault, data, now) = (self.0.vault.clone(), self.0.data.clone(), clock::now());
        let watch = Stopwatch::start();
        let whole = !matches!(backlog, Backlog::Nothing | Backlog::Paths(_));
        let run = tokio::task::spawn_blocking(move || {
            let scope = backlog.scope().unwrap_or(Scope::Changes);
            indexer::run(&Run { vault: &vault, data: &data, scope, what, now })
        });
        let interrupted = |_| StoreError::Interrupted { path: self.0.data.clone() };
        let ran = run.await.map_err(interrupted)??;
        if whole {
            info!(target: "brain.indexer", "{} in {} ms", ran.report.message, watch.millis());
            self.0.complete.store(true, Ordering::Release);
        } else {
            debug!(target: "brain.indexer", "{} in {} ms", ran.report.message, watch.millis());
        }
        let items = ran.report.notes_processed + ran.report.notes_removed;
        if items > 0 {
            self.0.indexed.notify_one();
            let model = if whole { "vault" } else { "paths" }.to_owned();
            let duration = watch.elapsed();
            self.0.stores.record(Used { operation: "index", model, items, tokens: 0, duration }).await;
        }
        Ok(ran)
    }

    /// Waits for a change, a capture, damage, or a row of the outbox whose time has come.
    async fn something_to_do(&self) {
        let due = async {
            match self.0.stores.outbox.query(|db| outbox::next_due(db)).await {
                Ok(Some(at)) => clock::pause(until(at, clock::now())).await,
                // A store that is refused says so to those who capture.
                Ok(None) | Err(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.0.changes.settled() => {}
            () = self.0.captured.notified() => clock::pause(TOGETHER).await,
            () = self.0.stores.damage.notified() => {}
            () = due => {}
        }
    }
}

fn until(at: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(at.duration_since(now)).unwrap_or_default()
}

fn pauses() -> ExponentialBackoff {
    ExponentialBuilder::new()
        .with_min_delay(FIRST_PAUSE)
        .with_max_delay(LONGEST_PAUSE)
        .without_max_times()
        .build()
}

/// What became of a capture in a run that ended well. A note that is gone was removed by its owner: nothing is lost.
fn settle(row: &Due, skipped: &BTreeMap<String, String>, now: Timestamp) -> Settled {
    let Some(error) = skipped.get(&row.path) else { return Settled::Processed };
    let attempt = usize::try_from(row.attempts).unwrap_or(usize::MAX);
    let pause = pauses().nth(attempt).unwrap_or(LONGEST_PAUSE);
    let again_at = now.checked_add(SignedDuration::try_from(pause).unwrap_or_default()).unwrap_or(now);
    Settled::Refused { error: error.clone(), again_at }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_capture_waits_longer_each_time_up_to_a_minute() {
        let now = Timestamp::UNIX_EPOCH;
        let skipped = BTreeMap::from([("a.md".to_owned(), "no".to_owned())]);
        let pause = |attempts| match settle(&Due { id: 1, path: "a.md".into(), attempts }, &skipped, now) {
            Settled::Refused { again_at, .. } => again_at.as_second(),
            Settled::Processed => -1,
        };
        assert_eq!([0, 1, 2, 5, 6, 9].map(pause), [1, 2, 4, 32, 60, 60]);
        let other = Due { id: 1, path: "b.md".into(), attempts: 0 };
        assert_eq!(settle(&other, &skipped, now), Settled::Processed);
    }

    /// A capture in the outbox of a server that nobody told of changes in the vault.
    async fn with_a_capture(vault: &str) -> (tempfile::TempDir, Indexing, Stores) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("vault")).unwrap();
        std::fs::create_dir(dir.path().join("data")).unwrap();
        std::fs::write(dir.path().join("vault/a.md"), "quince").unwrap();
        let stores = Stores::open(&dir.path().join("data")).unwrap();
        let vault = Vault::new(dir.path().join(vault));
        let indexing = Indexing::new(vault, dir.path().join("data"), stores.clone());
        let now = clock::now();
        let row = stores.outbox.query(move |db| {
            let id = outbox::begin(db, now)?;
            outbox::ready(db, id, "a.md", now)
        });
        row.await.unwrap();
        (dir, indexing, stores)
    }

    #[tokio::test]
    async fn what_is_in_the_outbox_is_indexed_before_it_leaves_it() {
        let (_dir, indexing, stores) = with_a_capture("vault").await;
        indexing.turn(&mut Backlog::Nothing).await.unwrap();
        let found = stores.lexical.query(|db| crate::stores::lexical::search(db, "quince", 9)).await.unwrap();
        assert_eq!((found.len(), stores.outbox_status(clock::now()).await.unwrap().pending), (1, 0));
    }

    #[tokio::test]
    async fn a_run_that_fails_as_a_whole_is_no_attempt_of_the_captures_and_keeps_the_backlog() {
        let (_dir, indexing, stores) = with_a_capture("unmounted").await;
        let mut backlog = Backlog::path("b.md".into());
        for _ in 0..2 * outbox::MAX_ATTEMPTS {
            indexing.turn(&mut backlog).await.unwrap_err();
        }
        assert_eq!(backlog, Backlog::Paths(["a.md", "b.md"].map(String::from).into()));
        let status = stores.outbox_status(clock::now()).await.unwrap();
        assert_eq!((status.pending, status.failed), (1, 0));
    }
}
