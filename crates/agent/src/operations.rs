//! The owner of backups and restores: one long operation at a time, begun by command or by schedule.

mod cancelling;
mod error;
mod idle;
mod importing;
mod key;
mod looking;
mod occasion;
mod publishing;
mod recovery;
mod removal;
mod reporter;
mod running;
mod schedule;
mod work;

use std::sync::Arc;
use std::time::Duration;

use steady_backup::{Backups, Cancel, Progress, Services, Thoroughness};
use steady_model::api::RestoreRequest;
use steady_model::backup::{
    EndedOperation, Operation, OperationKind, OperationOutcome, PointKind, RestorePoint, RestoreRecord,
};
use steady_model::config::Backup as BackupSpec;
use steady_model::copy::CopyFacts;
use steady_model::drill::{self, DrillRecord};
use steady_model::key::BackupKeyView;
use steady_model::milestone::Milestone;
use steady_model::retention::PruneRecord;
use steady_model::time::WallTime;
use steady_sync::JobHandle;
use tokio::sync::{mpsc, oneshot, watch};
use ulid::Ulid;

use crate::backup_moment::Moment;
use crate::copies::{self, CopiesHandle};
use crate::drills::Drills;
use crate::hold::Hold;
use crate::milestones;
use crate::registry::Registry;
use crate::stack::Stack;
pub use error::OperationError;
pub(crate) use idle::Idle;
pub(crate) use occasion::Occasion;
pub(crate) use reporter::Reporter;
use running::{Running, finished};
use work::Work;

/// The wall clock may jump: a long wait is looked at again this often.
const LOOK_AGAIN: Duration = Duration::from_secs(300);

/// What the World hears of backups.
#[derive(Debug)]
pub enum BackupEvent {
    Catalogue(Vec<RestorePoint>),
    Operation(Option<Operation>),
    /// Told before there is none any more.
    Ended(EndedOperation),
    LastRestore(Option<RestoreRecord>),
    LastError(Option<String>),
    Next(Option<WallTime>),
    LastDrill(Option<DrillRecord>),
    NextDrill(Option<WallTime>),
    Pruned(Option<PruneRecord>),
    Key(Option<BackupKeyView>),
    /// Why an interrupted restore could not be ended; `None` when there is none.
    Unfinished(Option<String>),
    /// The name of a copy and what is known of it.
    Copy(String, CopyFacts),
    /// How far the copy of this name is; `None` when nothing is copied.
    Copying(String, Option<Operation>),
}

enum Command {
    Begin {
        work: Box<Work>,
        reply: oneshot::Sender<Result<String, OperationError>>,
    },
    Cancel {
        id: String,
        reply: oneshot::Sender<Result<(), OperationError>>,
    },
    /// Timers stand still while the machine sleeps, and schedules do not: it woke after this long, or the clock was set.
    TimeShifted(Duration),
}

/// Begins operations and answers plans. Cheap to clone.
#[derive(Clone)]
pub struct OperationsHandle {
    commands: mpsc::Sender<Command>,
    doing: watch::Receiver<Option<OperationKind>>,
    backups: Option<Arc<Backups>>,
    copies: CopiesHandle,
    events: mpsc::Sender<BackupEvent>,
}

impl OperationsHandle {
    /// Takes a restore point; answers the operation's id at once.
    pub async fn back_up(&self, kind: PointKind) -> Result<String, OperationError> {
        self.begin(Work::BackUp(kind, Occasion::default())).await
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
        self.commands
            .send(Command::Begin { work: Box::new(work), reply })
            .await
            .map_err(|_| OperationError::Gone)?;
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
    pub stack: Stack,
    /// A restore that was interrupted and is not ended.
    pub hold: Hold,
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
    let handle = OperationsHandle { commands, doing, backups, copies, events: wiring.events.clone() };
    tokio::spawn(
        Owner {
            wiring,
            doing: doing_tx,
            running: None,
            last: None,
            due: None,
            drill_due: None,
            idle: None,
            not_before: None,
            began: steady_clock::now().wall,
            failed: None,
            woke: None,
            no_drill_before: None,
            tidy: None,
            imported: false,
        }
        .run(inbox),
    );
    handle
}

struct Owner {
    wiring: Wiring,
    doing: watch::Sender<Option<OperationKind>>,
    running: Option<Running>,
    last: Option<EndedOperation>,
    due: Option<WallTime>,
    drill_due: Option<WallTime>,
    /// Jobs that wait for an interrupted restore to be ended.
    idle: Option<Idle>,
    /// Who cancelled a backup or a drill does not want the schedule to begin it again at once.
    not_before: Option<WallTime>,
    /// What of the past the schedule of backups asks for.
    began: WallTime,
    failed: Option<WallTime>,
    woke: Option<WallTime>,
    no_drill_before: Option<WallTime>,
    /// When old points are to be removed.
    tidy: Option<WallTime>,
    /// Whether the older copies of the configuration were begun with.
    imported: bool,
}

impl Owner {
    async fn run(mut self, mut inbox: mpsc::Receiver<Command>) {
        self.hold_jobs().await;
        self.publish_catalogue().await;
        self.publish_last_restore().await;
        self.publish_last_drill().await;
        self.publish_last_prune().await;
        self.plan_next().await;
        self.import_older();
        loop {
            tokio::select! {
                command = inbox.recv() => match command {
                    Some(Command::Begin { work, reply }) => drop(reply.send(self.begin(*work))),
                    Some(Command::Cancel { id, reply }) => drop(reply.send(self.cancel(id).await)),
                    Some(Command::TimeShifted(slept)) => self.time_shifted(slept).await,
                    None => return,
                },
                outcome = finished(&mut self.running) => self.ended(outcome).await,
                () = until(self.due), if self.running.is_none() => {
                    let overdue = self.due.is_some_and(|due| due <= steady_clock::now().wall);
                    if overdue && let Err(e) = self.begin(Work::BackUp(PointKind::Scheduled, Occasion::default())) {
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
        self.refuse_between_states(&work)?;
        work.is_possible(&backups)?;
        let kind = work.kind();
        let began = steady_clock::now();
        let operation = Operation::begun(Ulid::generate().to_string(), kind, began.wall);
        let id = operation.id.clone();
        self.doing.send_replace(Some(kind));
        let cancel = if kind == OperationKind::Recover { Cancel::impossible() } else { Cancel::default() };
        let events = self.wiring.events.clone();
        let reporter =
            Reporter::new(operation.clone(), cancel.clone(), events, |now| BackupEvent::Operation(Some(now)));
        reporter.tell(&Progress::of("beginning"));
        let (services, jobs) = (self.wiring.services.clone(), self.wiring.jobs.clone());
        let hold = self.wiring.hold.clone();
        let reach = work::Reach { backups, drills, services, jobs, hold, cancel: cancel.clone() };
        let moment = Moment::of(self.wiring.spec.as_ref());
        let task = tokio::spawn(work::perform(work, reach, moment, reporter));
        self.running = Some(Running { operation, cancel, began, task });
        Ok(id)
    }

    async fn ended(&mut self, outcome: OperationOutcome) {
        let Some(running) = self.running.take() else { return };
        self.doing.send_replace(None);
        let (kind, now) = (running.operation.kind, steady_clock::now());
        let error = match &outcome {
            OperationOutcome::Failed { why } => Some(why.clone()),
            OperationOutcome::Done | OperationOutcome::Cancelled => None,
        };
        if let Some(why) = &error {
            tracing::error!("{} failed: {why}", kind.gerund());
        }
        let cancelled = outcome == OperationOutcome::Cancelled;
        let last = running.ended(outcome, now.wall);
        self.last = Some(last.clone());
        if !cancelled {
            let found = self.last_drill().filter(|_| kind == OperationKind::Drill).and_then(|d| d.failure());
            let told = error.as_ref().or(found.as_ref()).map(String::as_str);
            let took = now.awake.since(running.began.awake);
            milestones::tell(&Milestone::of_operation(kind, took, now.wall, told));
        }
        if kind == OperationKind::Recover {
            self.recovered().await;
        }
        // Those tell of themselves in their records, and what was cancelled neither failed nor succeeded.
        if !matches!(kind, OperationKind::Prune | OperationKind::Recover) && !cancelled {
            self.tell(BackupEvent::LastError(error.clone())).await;
        }
        self.publish_catalogue().await;
        self.publish_last_restore().await;
        self.publish_last_drill().await;
        self.publish_last_prune().await;
        self.tell(BackupEvent::Ended(last)).await;
        self.tell(BackupEvent::Operation(None)).await;
        if kind == OperationKind::Backup && !cancelled && error.is_none() {
            self.plan_removal();
        }
        if cancelled {
            self.postpone(kind, now.wall);
        }
        if kind == OperationKind::Backup && !cancelled {
            self.failed = error.is_some().then_some(now.wall);
        }
        self.plan_next().await;
        self.import_older();
    }

    async fn plan_next(&mut self) {
        let now = steady_clock::now().wall;
        self.due = self.backup_due(now);
        self.tell(BackupEvent::Next(self.due)).await;
        let drill_every = self.wiring.backups.as_ref().and_then(|(_, drills)| drills.every());
        let verified = self.points().iter().any(|p| p.verified.is_some());
        self.drill_due = drill::due(self.last_drill().as_ref(), drill_every, verified, now)
            .map(|due| self.no_drill_before.map_or(due, |not_before| due.max(not_before)));
        self.tell(BackupEvent::NextDrill(self.drill_due)).await;
    }

    fn points(&self) -> Vec<RestorePoint> {
        let backups = self.wiring.backups.as_ref();
        backups.and_then(|(backups, _)| backups.catalogue().ok()).unwrap_or_default()
    }

    fn last_drill(&self) -> Option<DrillRecord> {
        self.wiring.backups.as_ref()?.0.last_drill().ok()?
    }

    async fn tell(&self, event: BackupEvent) {
        // The World outlives its owners; when it is gone the agent is ending.
        let _ = self.wiring.events.send(event).await;
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
