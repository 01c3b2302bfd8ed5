//! The owners of the copies of restore points, one for each place: a copy of hours keeps no backup waiting.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use steady_backup::{BackupError, Backups, Cancel, Code};
use steady_model::backup::{Operation, OperationKind};
use steady_model::config::CopyTarget;
use steady_model::copy::CopyFacts;
use steady_model::time::WallTime;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use ulid::Ulid;

use crate::mounts::Mounts;
use crate::operations::{BackupEvent, OperationError, Reporter, until};

/// After a failure it is tried again after these, and then with the last of them.
const RETRIES: [Duration; 4] = [
    Duration::from_secs(60),
    Duration::from_secs(5 * 60),
    Duration::from_secs(15 * 60),
    Duration::from_hours(1),
];

/// What was cancelled goes on by itself after this.
const LATER: Duration = Duration::from_hours(1);

enum Ask {
    Begin {
        init: bool,
        reply: oneshot::Sender<String>,
    },
    /// Answers whether the attempt of this id was there to be ended.
    Cancel {
        attempt: String,
        reply: oneshot::Sender<bool>,
    },
}

/// Begins copies. Cheap to clone.
#[derive(Clone, Default)]
pub struct CopiesHandle {
    places: Arc<BTreeMap<String, (CopyTarget, mpsc::Sender<Ask>)>>,
}

impl CopiesHandle {
    /// What is configured of a copy.
    pub fn target(&self, name: &str) -> Result<&CopyTarget, OperationError> {
        self.find(name).map(|(target, _)| target)
    }

    fn find(&self, name: &str) -> Result<&(CopyTarget, mpsc::Sender<Ask>), OperationError> {
        self.places.get(name).ok_or_else(|| OperationError::UnknownCopy { name: name.to_owned() })
    }

    /// Copies what is not copied yet; answers the attempt's id at once, or that of the one that goes on.
    pub async fn begin(&self, name: &str, init: bool) -> Result<String, OperationError> {
        let (_, place) = self.find(name)?;
        let (reply, answer) = oneshot::channel();
        place.send(Ask::Begin { init, reply }).await.map_err(|_| OperationError::Gone)?;
        answer.await.map_err(|_| OperationError::Gone)
    }

    /// Ends the attempt of this id early; `false` when none of the places makes it.
    pub async fn cancel(&self, attempt: &str) -> Result<bool, OperationError> {
        for (_, place) in self.places.values() {
            let (reply, answer) = oneshot::channel();
            let ask = Ask::Cancel { attempt: attempt.to_owned(), reply };
            place.send(ask).await.map_err(|_| OperationError::Gone)?;
            if answer.await.map_err(|_| OperationError::Gone)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Starts an owner for each place.
pub fn start(
    targets: &[CopyTarget],
    backups: &Arc<Backups>,
    doing: &watch::Receiver<Option<OperationKind>>,
    events: &mpsc::Sender<BackupEvent>,
) -> CopiesHandle {
    let mut places = BTreeMap::new();
    if let Err(e) = backups.sweep_copies() {
        tracing::warn!("secrets of copies that were cut off may lie in files: {e}");
    }
    for target in targets {
        let (asks, inbox) = mpsc::channel(4);
        places.insert(target.name.clone(), (target.clone(), asks));
        let place = Place { target: target.clone(), backups: backups.clone(), events: events.clone() };
        let owner = Owner {
            place,
            facts: CopyFacts::default(),
            running: None,
            cancel: Cancel::default(),
            failures: 0,
        };
        tokio::spawn(owner.run(inbox, doing.clone()));
    }
    CopiesHandle { places: Arc::new(places) }
}

#[derive(Clone)]
struct Place {
    target: CopyTarget,
    backups: Arc<Backups>,
    events: mpsc::Sender<BackupEvent>,
}

impl Place {
    /// One point after the other, the newest first: each that arrived counts, whatever happens to the next.
    async fn copy(self, init: bool, mut facts: CopyFacts, reporter: &Reporter) -> Result<(), BackupError> {
        if init {
            self.backups.init_copy(&self.target).await?;
        }
        if self.backups.copied(&self.target)?.is_none() {
            return Err(BackupError::CopyNotReady { name: self.target.name.clone() });
        }
        for point in self.backups.uncopied(&self.target)? {
            self.backups.copy(&self.target, &point, |p| reporter.tell(&p)).await?;
            self.recall(&mut facts);
            self.tell(&facts).await;
        }
        Ok(())
    }

    /// What the record of the copy says.
    fn recall(&self, facts: &mut CopyFacts) {
        match self.backups.copied(&self.target) {
            Ok(Some(record)) => {
                facts.ready = true;
                facts.points = record.copied.len().try_into().unwrap_or(u64::MAX);
                facts.newest = record.copied.iter().map(|c| c.taken).max();
            }
            Ok(None) => facts.ready = false,
            Err(e) => facts.error = Some(e.to_string()),
        }
    }

    fn reporter(&self, attempt: &str, cancel: &Cancel) -> Reporter {
        let started = steady_clock::now().wall;
        let operation = Operation::begun(attempt.to_owned(), OperationKind::Copy, started);
        let name = self.target.name.clone();
        let told = move |now| BackupEvent::Copying(name.clone(), Some(now));
        Reporter::new(operation, cancel.clone(), self.events.clone(), told)
    }

    async fn tell(&self, facts: &CopyFacts) {
        // The World outlives its owners; when it is gone the agent is ending.
        let _ = self.events.send(BackupEvent::Copy(self.target.name.clone(), facts.clone())).await;
    }
}

struct Owner {
    place: Place,
    facts: CopyFacts,
    running: Option<JoinHandle<Result<(), BackupError>>>,
    /// Of the attempt that runs.
    cancel: Cancel,
    /// In a row.
    failures: usize,
}

impl Owner {
    async fn run(
        mut self,
        mut inbox: mpsc::Receiver<Ask>,
        mut doing: watch::Receiver<Option<OperationKind>>,
    ) {
        let mut mounts = Mounts::watch().inspect_err(|e| tracing::warn!("mounts are not noticed: {e}")).ok();
        self.place.recall(&mut self.facts);
        self.place.tell(&self.facts).await;
        self.begin_if_behind(&doing).await;
        loop {
            tokio::select! {
                ask = inbox.recv() => match ask {
                    Some(Ask::Begin { init, reply }) => drop(reply.send(self.begin(init).await)),
                    Some(Ask::Cancel { attempt, reply }) => drop(reply.send(self.cancel(&attempt))),
                    None => return,
                },
                result = finished(&mut self.running) => {
                    self.ended(result).await;
                    if self.failures == 0 && !self.facts.cancelled {
                        self.begin_if_behind(&doing).await;
                    }
                }
                changed = doing.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    // What failed waits for its time.
                    if self.failures == 0 {
                        self.begin_if_behind(&doing).await;
                    }
                }
                seen = attached(&mut mounts) => match seen {
                    Ok(()) if self.facts.absent => self.begin_if_behind(&doing).await,
                    Ok(()) => {}
                    Err(e) => {
                        tracing::warn!("mounts are not noticed any more: {e}");
                        mounts = None;
                    }
                },
                () = until(self.facts.next), if self.running.is_none() => {
                    if self.facts.next.is_some_and(|at| at <= steady_clock::now().wall) {
                        self.begin(false).await;
                    }
                }
            }
        }
    }

    /// A backup or a restore has the disk for itself; what it adds is copied after it.
    async fn begin_if_behind(&mut self, doing: &watch::Receiver<Option<OperationKind>>) {
        let idle = doing.borrow().is_none() && self.running.is_none();
        if idle && self.place.backups.uncopied(&self.place.target).is_ok_and(|points| !points.is_empty()) {
            self.begin(false).await;
        }
    }

    async fn begin(&mut self, init: bool) -> String {
        if let (Some(attempt), true) = (&self.facts.attempt, self.running.is_some()) {
            return attempt.clone();
        }
        let attempt = Ulid::generate().to_string();
        self.facts.attempt = Some(attempt.clone());
        self.facts.running = true;
        self.facts.next = None;
        self.place.tell(&self.facts).await;
        self.facts.cancelled = false;
        self.cancel = Cancel::default();
        let (cancel, place, facts) = (self.cancel.clone(), self.place.clone(), self.facts.clone());
        let reporter = place.reporter(&attempt, &cancel);
        self.running = Some(tokio::spawn(async move {
            Box::pin(reporter.during(cancel.over(place.copy(init, facts, &reporter)))).await
        }));
        attempt
    }

    fn cancel(&self, attempt: &str) -> bool {
        let runs = self.running.is_some() && self.facts.attempt.as_deref() == Some(attempt);
        runs && self.cancel.ask()
    }

    async fn ended(&mut self, result: Result<(), BackupError>) {
        self.running = None;
        self.facts.running = false;
        // The World outlives its owners.
        let over = BackupEvent::Copying(self.place.target.name.clone(), None);
        let _ = self.place.events.send(over).await;
        if matches!(result, Err(BackupError::Cancelled)) {
            return self.cancelled().await;
        }
        self.facts.absent = matches!(&result, Err(BackupError::Engine { code: Code::Away, .. }));
        self.facts.error = result.as_ref().err().map(ToString::to_string);
        self.place.recall(&mut self.facts);
        self.failures = if result.is_err() { self.failures.saturating_add(1) } else { 0 };
        // What was never set up waits for a person.
        self.facts.next = (self.failures > 0 && self.facts.ready).then(|| self.retry_at());
        if let Some(error) = &self.facts.error {
            tracing::warn!(copy = self.place.target.name, "restore points were not copied: {error}");
        }
        self.place.tell(&self.facts).await;
    }

    /// What arrived counts; the rest comes with the next backup, or later by itself.
    async fn cancelled(&mut self) {
        self.facts.cancelled = true;
        self.place.recall(&mut self.facts);
        self.facts.next = self.facts.ready.then(|| steady_clock::now().wall.after(LATER));
        self.place.tell(&self.facts).await;
    }

    fn retry_at(&self) -> WallTime {
        let last = RETRIES.len().saturating_sub(1);
        let step = self.failures.saturating_sub(1).min(last);
        steady_clock::now().wall.after(RETRIES.get(step).copied().unwrap_or(Duration::from_hours(1)))
    }
}

/// Waits for the attempt that runs; for ever when there is none.
async fn finished(running: &mut Option<JoinHandle<Result<(), BackupError>>>) -> Result<(), BackupError> {
    match running {
        Some(task) => match task.await {
            Ok(result) => result,
            Err(e) => Err(BackupError::Worker { why: e.to_string() }),
        },
        None => std::future::pending().await,
    }
}

async fn attached(mounts: &mut Option<Mounts>) -> std::io::Result<()> {
    match mounts {
        Some(mounts) => mounts.changed().await,
        None => std::future::pending().await,
    }
}
