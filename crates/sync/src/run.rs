//! One run of a job: locked, started, followed, judged, recorded.

use std::sync::Arc;

use steady_disk::{FileLock, Holder, LockError};
use steady_model::config::Job;
use steady_model::job::{Outcome, RunRecord, Told, judge_run};
use steady_model::marker::Markers;
use steady_model::process::Exit;
use steady_model::time::{Now, WallTime};
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;
use tracing::{error, info};
use ulid::Ulid;

use crate::error::{RunRefused, SyncError};
use crate::gate::Gate;
use crate::history::{Entry, History, Unfinished};
use crate::markers;
use crate::output::Output;
use crate::process::{Ended, Ending, Process, SpawnError};

/// A run that has its lock, or could not have it.
pub struct Begun {
    pub id: String,
    pub at: Now,
    pub slot: Option<WallTime>,
    /// None where the lock file could not be opened, so that nothing was started.
    lock: Option<FileLock>,
    start: Start,
}

enum Start {
    /// The process was started under the lock, or could not be.
    Process(Result<Process, SpawnError>),
    /// It starts when the gate is open.
    Behind(Arc<dyn Gate>),
}

/// What a run leaves.
pub struct Done {
    pub record: RunRecord,
    /// As they lie on disk after it.
    pub markers: Markers,
}

/// Takes the lock, and starts the process when there is no gate. Blocks; must be called within a tokio runtime.
pub fn begin(
    job: &Job,
    history: &History,
    slot: Option<WallTime>,
    gate: Option<Arc<dyn Gate>>,
) -> Result<Begun, RunRefused> {
    if job.command.is_none() {
        return Err(RunRefused::NotOurs { job: job.name.clone() });
    }
    let at = steady_clock::now();
    let holder = Holder { pid: std::process::id(), what: job.name.clone(), since: format!("{:.0}", at.wall) };
    // Who holds it is a refusal. A lock that cannot be made is a failed run: nobody would hear of a refusal by
    // schedule, and the job would look as if it had never been tried.
    let locked = match FileLock::try_acquire(&job.lock, &holder) {
        Err(held @ LockError::Held { .. }) => return Err(held.into()),
        locked => locked,
    };
    let id = Ulid::generate().to_string();
    if let Err(e) = history.append(Entry::Started { run: id.clone(), at: at.wall, slot }) {
        // Better an unrecorded sync than none.
        error!(job = job.name, "{e}");
    }
    let (lock, start) = match (locked, gate) {
        (Ok(lock), Some(gate)) => (Some(lock), Start::Behind(gate)),
        (Ok(mut lock), None) => {
            let process = start(job, &mut lock, &id, at.wall);
            (Some(lock), Start::Process(process))
        }
        (Err(e), _) => (None, Start::Process(Err(e.into()))),
    };
    Ok(Begun { id, at, slot, lock, start })
}

/// Blocks; must be called within a tokio runtime.
fn start(job: &Job, lock: &mut FileLock, id: &str, since: WallTime) -> Result<Process, SpawnError> {
    let command = job.command.as_deref().unwrap_or_default();
    let process = Process::spawn(job, command, lock, id)?;
    info!(job = job.name, run = id, pid = process.pid(), "started");
    let since = format!("{since:.0}");
    // The note is only for people.
    let _ = lock.name(&Holder { pid: process.pid(), what: job.name.clone(), since });
    Ok(process)
}

impl Begun {
    /// Follows the run to its end. `stop` ends it early.
    pub async fn finish(
        mut self,
        job: Arc<Job>,
        history: History,
        mut stop: oneshot::Receiver<()>,
    ) -> Option<Done> {
        let started = match self.start {
            Start::Process(process) => process.map_err(|e| Outcome::Failed { why: e.to_string() }),
            Start::Behind(gate) => {
                let opened = tokio::select! {
                    opened = gate.open(&job.name) => opened.map_err(|why| Outcome::Failed { why }),
                    _ = &mut stop => Err(Outcome::Killed),
                };
                match (opened, self.lock.take()) {
                    (Ok(()), Some(lock)) => {
                        let (lock, process) = start_behind(&job, lock, &self.id, self.at.wall).await?;
                        self.lock = Some(lock);
                        process.map_err(|e| Outcome::Failed { why: e.to_string() })
                    }
                    (opened, lock) => {
                        self.lock = lock;
                        Err(opened.err().unwrap_or(Outcome::Killed))
                    }
                }
            }
        };
        let (outcome, ended) = match started {
            Ok(process) => {
                let ended = process.follow(job.timeout, stop).await;
                (judge(&ended), Some(ended))
            }
            Err(outcome) => (outcome, None),
        };
        let (exit, output) = ended.map_or_else(Default::default, |e| (e.exit, e.output));
        let record = RunRecord {
            id: self.id,
            job: job.name.clone(),
            started: self.at.wall,
            ended: steady_clock::now().wall,
            outcome,
            exit,
            part: output.part(),
            milestones: output.milestones,
            tail: output.tail.into(),
            slot: self.slot,
        };
        let lock = self.lock;
        spawn_blocking(move || {
            let done = keep(&job, &history, record);
            drop(lock);
            done
        })
        .await
        .ok()
    }
}

/// `None` when the runtime ends.
async fn start_behind(
    job: &Arc<Job>,
    mut lock: FileLock,
    id: &str,
    since: WallTime,
) -> Option<(FileLock, Result<Process, SpawnError>)> {
    let (job, id) = (Arc::clone(job), id.to_owned());
    let starting = spawn_blocking(move || {
        let process = start(&job, &mut lock, &id, since);
        (lock, process)
    });
    starting.await.ok()
}

fn judge(ended: &Ended) -> Outcome {
    match ended.ending {
        Ending::TimedOut => Outcome::TimedOut,
        Ending::Stopped => Outcome::Killed,
        Ending::ByItself => {
            let tail: Vec<String> = ended.output.tail.iter().cloned().collect();
            let Output { milestones, admitted, .. } = &ended.output;
            judge_run(ended.exit.unwrap_or(Exit::Unobserved), Told { milestones, tail: &tail, admitted })
        }
    }
}

/// Records a run that an earlier agent started and did not see to its end. Blocks.
pub fn keep_orphan(job: &Job, history: &History, open: Unfinished, timed_out: bool) -> Done {
    let why = "Steady itself ended during the run, so what came of it is not known";
    let record = RunRecord {
        id: open.run,
        job: job.name.clone(),
        started: open.at,
        ended: steady_clock::now().wall,
        outcome: if timed_out { Outcome::TimedOut } else { Outcome::Failed { why: why.to_owned() } },
        exit: Some(Exit::Unobserved),
        milestones: Vec::new(),
        tail: Vec::new(),
        slot: open.slot,
        part: None,
    };
    keep(job, history, record)
}

/// The record comes first: a crash in between leaves an older success marker, never a success without a record.
fn keep(job: &Job, history: &History, record: RunRecord) -> Done {
    info!(job = job.name, run = record.id, why = record.outcome.why(), "{}", record.outcome.word());
    if let Err(e) = history.append(Entry::Finished { record: record.clone() }) {
        error!(job = job.name, "{e}");
    }
    // A run of a part says nothing about the whole, unless it failed.
    let tells = record.part.is_none() || record.outcome != Outcome::Succeeded;
    let written = if tells { markers::write(&job.markers, &record) } else { Ok(()) };
    if let Err(source) = written {
        error!("{}", SyncError::Marker { job: job.name.clone(), source });
    }
    Done { record, markers: markers::read(&job.markers) }
}
