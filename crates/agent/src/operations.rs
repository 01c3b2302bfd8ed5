//! The owner of backups and restores: one long operation at a time, begun by command or by schedule.

mod idle;
mod looking;
mod removal;
mod work;

use std::sync::Arc;
use std::time::Duration;

use steady_backup::{BackupError, Backups, Progress, Services, Thoroughness};
use steady_model::api::RestoreRequest;
use steady_model::backup::{Operation, OperationKind, PointKind, RestorePoint, RestoreRecord};
use steady_model::config::Backup as BackupSpec;
use steady_model::copy::CopyFacts;
use steady_model::drill::{self, DrillRecord};
use steady_model::milestone::Milestone;
use steady_model::retention::PruneRecord;
use steady_model::time::{Now, WallTime};
use steady_sync::{JobHandle, RunRefused};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use ulid::Ulid;

use crate::backup_moment::Moment;
use crate::copies::{self, CopiesHandle};
use crate::drills::Drills;
use crate::milestones;
use crate::registry::Registry;
pub(crate) use idle::Idle;
use work::Work;

/// A scheduled backup that failed is tried again after this, or after `every` when that is shorter.
const RETRY: Duration = Duration::from_secs(15 * 60);
/// The wall clock may jump: a long wait is looked at again this often.
const LOOK_AGAIN: Duration = Duration::from_secs(300);

/// What the World hears of backups.
#[derive(Debug)]
pub enum BackupEvent {
    Catalogue(Vec<RestorePoint>),
    Operation(Option<Operation>),
    LastRestore(Option<RestoreRecord>),
    LastError(Option<String>),
    Next(Option<WallTime>),
    LastDrill(Option<DrillRecord>),
    NextDrill(Option<WallTime>),
    Pruned(Option<PruneRecord>),
    /// The name of a copy and what is known of it.
    Copy(String, CopyFacts),
}

#[derive(Debug, thiserror::Error)]
pub enum OperationError {
    #[error("Steady is {} already; wait until it is done", doing.gerund())]
    Busy { doing: OperationKind },
    #[error("backup is not configured; add a [backup] section with the data directory to steady.toml")]
    NotConfigured,
    #[error("there is no verified restore point to rehearse; `steady backup` takes one")]
    NothingToDrill,
    #[error("there is no restore to undo")]
    NothingToUndo,
    #[error("there is no restore point {id}; `steady backups` shows them")]
    UnknownPoint { id: String },
    #[error("there is no copy {name}; `steady copies` shows those that are configured")]
    UnknownCopy { name: String },
    #[error("the data is in use by a job: {0}; wait until it has ended")]
    JobRuns(#[from] RunRefused),
    #[error("nothing was changed: {why}")]
    Refused { why: String },
    #[error("the agent is ending")]
    Gone,
    #[error(transparent)]
    Backup(#[from] BackupError),
}

struct Command {
    work: Work,
    reply: oneshot::Sender<Result<String, OperationError>>,
}

/// Begins operations and answers plans. Cheap to clone.
#[derive(Clone)]
pub struct OperationsHandle {
    commands: mpsc::Sender<Command>,
    doing: watch::Receiver<Option<OperationKind>>,
    backups: Option<Arc<Backups>>,
    copies: CopiesHandle,
}

impl OperationsHandle {
    /// Takes a restore point; answers the operation's id at once.
    pub async fn back_up(&self, kind: PointKind) -> Result<String, OperationError> {
        self.begin(Work::BackUp(kind)).await
    }

    pub async fn restore(&self, id: &str, how: RestoreRequest) -> Result<String, OperationError> {
        let from = how.from.as_deref().map(|name| self.copies.target(name)).transpose()?.cloned();
        self.begin(Work::restore(id, how, from)).await
    }

    /// Reads a restore point back.
    pub async fn verify(&self, id: &str, how: Thoroughness) -> Result<String, OperationError> {
        self.begin(Work::Verify { id: id.to_owned(), how }).await
    }

    pub async fn undo(&self) -> Result<String, OperationError> {
        self.begin(Work::Undo).await
    }

    /// Rehearses the restore of the newest verified point.
    pub async fn drill(&self) -> Result<String, OperationError> {
        self.begin(Work::Drill).await
    }

    /// The owners of the copies in other places.
    pub fn copies(&self) -> &CopiesHandle {
        &self.copies
    }

    /// Services and jobs belong to the restore while one runs.
    pub fn refuse_while_restoring(&self) -> Result<(), String> {
        match *self.doing.borrow() {
            Some(doing @ (OperationKind::Restore | OperationKind::Undo)) => {
                Err(OperationError::Busy { doing }.to_string())
            }
            _ => Ok(()),
        }
    }

    async fn begin(&self, work: Work) -> Result<String, OperationError> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(Command { work, reply }).await.map_err(|_| OperationError::Gone)?;
        answer.await.map_err(|_| OperationError::Gone)?
    }
}

fn known(backups: &Backups, id: &str) -> Result<(), OperationError> {
    if backups.catalogue()?.iter().any(|p| p.id == id) {
        return Ok(());
    }
    Err(OperationError::UnknownPoint { id: id.to_owned() })
}

/// What the operations need from the rest of the agent.
pub struct Wiring {
    pub spec: Option<BackupSpec>,
    pub backups: Option<(Arc<Backups>, Drills)>,
    pub services: Arc<dyn Services>,
    pub jobs: Registry<JobHandle>,
    pub events: mpsc::Sender<BackupEvent>,
}

/// Starts the owner.
pub fn start(wiring: Wiring) -> OperationsHandle {
    let (commands, inbox) = mpsc::channel(8);
    let (doing_tx, doing) = watch::channel(None);
    let backups = wiring.backups.as_ref().map(|(backups, _)| backups.clone());
    let copies = match (&wiring.spec, &backups) {
        (Some(spec), Some(backups)) => copies::start(&spec.copies, backups, &doing, &wiring.events),
        _ => CopiesHandle::default(),
    };
    let handle = OperationsHandle { commands, doing, backups, copies };
    tokio::spawn(
        Owner {
            wiring,
            doing: doing_tx,
            running: None,
            began: steady_clock::now(),
            due: None,
            drill_due: None,
            tidy: None,
        }
        .run(inbox),
    );
    handle
}

struct Owner {
    wiring: Wiring,
    doing: watch::Sender<Option<OperationKind>>,
    running: Option<JoinHandle<Result<(), OperationError>>>,
    /// When the last operation began.
    began: Now,
    due: Option<WallTime>,
    drill_due: Option<WallTime>,
    /// When old points are to be removed.
    tidy: Option<WallTime>,
}

impl Owner {
    async fn run(mut self, mut inbox: mpsc::Receiver<Command>) {
        self.publish_catalogue().await;
        self.publish_last_restore().await;
        self.publish_last_drill().await;
        self.publish_last_prune().await;
        self.plan_next(None).await;
        loop {
            tokio::select! {
                command = inbox.recv() => match command {
                    Some(Command { work, reply }) => {
                        let _ = reply.send(self.begin(work));
                    }
                    None => return,
                },
                ended = finished(&mut self.running) => self.ended(ended).await,
                () = until(self.due), if self.running.is_none() => {
                    let overdue = self.due.is_some_and(|due| due <= steady_clock::now().wall);
                    if overdue && let Err(e) = self.begin(Work::BackUp(PointKind::Scheduled)) {
                        tracing::warn!("the scheduled backup did not begin: {e}");
                        self.due = None;
                    }
                }
                () = until(self.drill_due), if self.running.is_none() => {
                    let overdue = self.drill_due.is_some_and(|due| due <= steady_clock::now().wall);
                    if overdue && let Err(e) = self.begin(Work::Drill) {
                        tracing::warn!("the scheduled drill did not begin: {e}");
                        self.drill_due = None;
                    }
                }
                () = until(self.tidy), if self.running.is_none() => {
                    if self.tidy.is_some_and(|tidy| tidy <= steady_clock::now().wall) {
                        self.tidy = None;
                        if let Err(e) = self.begin(Work::Prune) {
                            tracing::warn!("the removal of old restore points did not begin: {e}");
                        }
                    }
                }
            }
        }
    }

    fn begin(&mut self, work: Work) -> Result<String, OperationError> {
        let (backups, drills) = self.wiring.backups.clone().ok_or(OperationError::NotConfigured)?;
        if let Some(doing) = *self.doing.borrow() {
            return Err(OperationError::Busy { doing });
        }
        work.is_possible(&backups)?;
        let kind = work.kind();
        let operation = Operation {
            id: Ulid::generate().to_string(),
            kind,
            started: steady_clock::now().wall,
            phase: "beginning".to_owned(),
            done_bytes: 0,
            total_bytes: 0,
        };
        let id = operation.id.clone();
        self.began = steady_clock::now();
        self.doing.send_replace(Some(kind));
        let reporter = Reporter { operation, events: self.wiring.events.clone() };
        reporter.tell(&Progress { phase: "beginning".to_owned(), done_bytes: 0, total_bytes: 0 });
        let (services, jobs) = (self.wiring.services.clone(), self.wiring.jobs.clone());
        let reach = work::Reach { backups, drills, services, jobs };
        let moment = Moment::of(self.wiring.spec.as_ref());
        self.running = Some(tokio::spawn(work::perform(work, reach, moment, reporter)));
        Ok(id)
    }

    async fn ended(&mut self, result: Result<(), String>) {
        self.running = None;
        let kind = self.doing.send_replace(None);
        let failed = result.is_err();
        if let Err(why) = &result {
            tracing::error!("{} failed: {why}", kind.map_or("the operation", OperationKind::gerund));
        }
        if let Some(kind) = kind {
            let now = steady_clock::now();
            let took = now.awake.since(self.began.awake);
            let found = self.last_drill().filter(|_| kind == OperationKind::Drill).and_then(|d| d.failure());
            let error = result.as_ref().err().or(found.as_ref()).map(String::as_str);
            milestones::tell(&Milestone::of_operation(kind, took, now.wall, error));
        }
        // A removal tells of itself in its record.
        if kind != Some(OperationKind::Prune) {
            self.tell(BackupEvent::LastError(result.err())).await;
        }
        self.publish_catalogue().await;
        self.publish_last_restore().await;
        self.publish_last_drill().await;
        self.publish_last_prune().await;
        self.tell(BackupEvent::Operation(None)).await;
        if kind == Some(OperationKind::Backup) && !failed {
            self.plan_removal();
        }
        self.plan_next((failed && kind == Some(OperationKind::Backup)).then_some(RETRY)).await;
    }

    /// Due `every` after the newest point of ours; at once when there is none.
    async fn plan_next(&mut self, retry: Option<Duration>) {
        let every = self.wiring.spec.as_ref().and_then(|s| s.every);
        let now = steady_clock::now().wall;
        self.due = every.map(|every| match (retry, self.newest()) {
            (Some(retry), _) => now.after(retry.min(every)),
            (None, Some(newest)) => newest.after(every),
            (None, None) => now,
        });
        self.tell(BackupEvent::Next(self.due)).await;
        let drill_every = self.wiring.backups.as_ref().and_then(|(_, drills)| drills.every());
        let verified = self.points().iter().any(|p| p.verified.is_some());
        self.drill_due = drill::due(self.last_drill().as_ref(), drill_every, verified, now);
        self.tell(BackupEvent::NextDrill(self.drill_due)).await;
    }

    fn points(&self) -> Vec<RestorePoint> {
        let backups = self.wiring.backups.as_ref();
        backups.and_then(|(backups, _)| backups.catalogue().ok()).unwrap_or_default()
    }

    fn last_drill(&self) -> Option<DrillRecord> {
        self.wiring.backups.as_ref()?.0.last_drill().ok()?
    }

    async fn publish_last_drill(&self) {
        let Some((backups, _)) = &self.wiring.backups else { return };
        match backups.last_drill() {
            Ok(record) => self.tell(BackupEvent::LastDrill(record)).await,
            Err(e) => self.tell(BackupEvent::LastError(Some(e.to_string()))).await,
        }
    }

    fn newest(&self) -> Option<WallTime> {
        self.points().iter().filter(|p| p.kind != PointKind::Safety).map(|p| p.taken).max()
    }

    async fn publish_catalogue(&self) {
        let Some((backups, _)) = &self.wiring.backups else { return };
        match backups.catalogue() {
            Ok(points) => self.tell(BackupEvent::Catalogue(points)).await,
            Err(e) => self.tell(BackupEvent::LastError(Some(e.to_string()))).await,
        }
    }

    async fn publish_last_restore(&self) {
        let Some((backups, _)) = &self.wiring.backups else { return };
        match backups.last_restore() {
            Ok(record) => self.tell(BackupEvent::LastRestore(record)).await,
            Err(e) => self.tell(BackupEvent::LastError(Some(e.to_string()))).await,
        }
    }

    async fn tell(&self, event: BackupEvent) {
        // The World outlives its owners; when it is gone the agent is ending.
        let _ = self.wiring.events.send(event).await;
    }
}

struct Reporter {
    operation: Operation,
    events: mpsc::Sender<BackupEvent>,
}

impl Reporter {
    /// Progress is a courtesy: when the World is behind, a step of it is skipped.
    fn tell(&self, p: &Progress) {
        let operation = Operation {
            phase: p.phase.clone(),
            done_bytes: p.done_bytes,
            total_bytes: p.total_bytes,
            ..self.operation.clone()
        };
        let _ = self.events.try_send(BackupEvent::Operation(Some(operation)));
    }
}

/// Waits for the running operation; for ever when there is none.
async fn finished(running: &mut Option<JoinHandle<Result<(), OperationError>>>) -> Result<(), String> {
    match running {
        Some(task) => match task.await {
            Ok(result) => result.map_err(|e| e.to_string()),
            Err(e) => Err(format!("it broke off: {e}")),
        },
        None => std::future::pending().await,
    }
}

#[expect(clippy::disallowed_methods, reason = "the timer of the backup schedule")]
pub(crate) async fn until(due: Option<WallTime>) {
    match due {
        Some(due) => {
            let left = due.since(steady_clock::now().wall).unwrap_or_default();
            tokio::time::sleep(left.min(LOOK_AGAIN)).await;
        }
        None => std::future::pending().await,
    }
}
