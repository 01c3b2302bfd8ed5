//! The owner of one job: starts it by hand and by schedule, and tells what it sees.

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use steady_disk::{FileLock, Holder, LockError};
use steady_model::config::Job;
use steady_model::job::next_due;
use steady_model::marker::Markers;
use steady_model::time::{AwakeInstant, Now, WallTime};
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_blocking;
use tracing::{error, warn};

use crate::error::RunRefused;
use crate::history::{History, Past};
use crate::run::{self, Done};
use crate::watch::{MarkerWatch, follow_markers};
use crate::{SyncEvent, clock};

/// Scheduled runs wait this long after the agent's start, so that the services they need are there.
const SETTLE: Duration = Duration::from_secs(10);
/// A scheduled run that was refused is tried again after this.
const RETRY: Duration = Duration::from_secs(60);
/// Timers stop while the machine sleeps and schedules do not: the clock is looked at this often at least.
const LOOK: Duration = Duration::from_secs(60);

/// Asks a job's owner. Cheap to clone; the owner ends when the last one is dropped.
#[derive(Debug, Clone)]
pub struct JobHandle {
    job: Arc<Job>,
    commands: mpsc::Sender<Command>,
}

#[derive(Debug)]
enum Command {
    Run(oneshot::Sender<Result<String, RunRefused>>),
    Pause(oneshot::Sender<Result<(), RunRefused>>),
    Resume,
    Shutdown(oneshot::Sender<()>),
}

impl JobHandle {
    /// Starts a run now and answers its id; its end comes as an event.
    pub async fn run_now(&self) -> Result<String, RunRefused> {
        self.ask(Command::Run).await.unwrap_or_else(|| Err(self.ending()))
    }

    /// Lets no run start until `resume`; refused while one runs.
    pub async fn pause(&self) -> Result<(), RunRefused> {
        self.ask(Command::Pause).await.unwrap_or_else(|| Err(self.ending()))
    }

    pub async fn resume(&self) {
        let _ = self.commands.send(Command::Resume).await;
    }

    /// Stops a run (TERM to its group, KILL after 10 s), records it as killed, and ends the owner.
    pub async fn shutdown(&self) {
        self.ask(Command::Shutdown).await;
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.ok()?;
        answer.await.ok()
    }

    fn ending(&self) -> RunRefused {
        RunRefused::Ending { job: self.job.name.clone() }
    }
}

/// Takes a job into care: `home` is Steady's own folder, where the run records are. Must be called within a
/// tokio runtime.
pub fn job(spec: Job, home: &Path, events: mpsc::Sender<SyncEvent>) -> JobHandle {
    let (commands, inbox) = mpsc::channel(8);
    let (marked, markers) = mpsc::channel(8);
    let (tell_done, done) = mpsc::channel(1);
    let spec = Arc::new(spec);
    let owner = Owner {
        history: History::of(home, &spec.name),
        _watch: follow_markers(spec.markers.clone(), marked),
        spec: Arc::clone(&spec),
        events,
        tell_done,
        state: State::Idle,
        paused: false,
        last_start: None,
        hold: steady_clock::now().awake.after(SETTLE),
        next_told: None,
    };
    tokio::spawn(owner.run(inbox, markers, done));
    JobHandle { job: spec, commands }
}

enum State {
    Idle,
    Running {
        run: String,
        since: WallTime,
        /// Dropping it stops the run.
        stop: Option<oneshot::Sender<()>>,
    },
    /// An earlier agent's run that still holds the lock.
    Orphaned {
        run: String,
        since: WallTime,
    },
}

struct Owner {
    spec: Arc<Job>,
    history: History,
    events: mpsc::Sender<SyncEvent>,
    tell_done: mpsc::Sender<Option<Done>>,
    state: State,
    paused: bool,
    last_start: Option<WallTime>,
    /// No scheduled run before this.
    hold: AwakeInstant,
    next_told: Option<WallTime>,
    _watch: MarkerWatch,
}

impl Owner {
    async fn run(
        mut self,
        mut inbox: mpsc::Receiver<Command>,
        mut markers: mpsc::Receiver<Markers>,
        mut done: mpsc::Receiver<Option<Done>>,
    ) {
        self.open().await;
        let mut leave = None;
        while leave.is_none() || matches!(self.state, State::Running { .. }) {
            self.tell_next().await;
            let due = due(self.every(), self.last_start, self.hold);
            tokio::select! {
                command = inbox.recv(), if leave.is_none() => match command {
                    Some(Command::Run(reply)) => {
                        let _ = reply.send(self.start().await);
                    }
                    Some(Command::Pause(reply)) => {
                        let _ = reply.send(self.pause());
                    }
                    Some(Command::Resume) => self.paused = false,
                    Some(Command::Shutdown(reply)) => leave = Some(self.stop(Some(reply))),
                    None => leave = Some(self.stop(None)),
                },
                Some(markers) = markers.recv() => self.tell_markers(markers).await,
                Some(ended) = done.recv() => self.ended(ended).await,
                () = due, if leave.is_none() => self.start_scheduled().await,
            }
        }
        if let Some(Some(reply)) = leave {
            let _ = reply.send(());
        }
    }

    /// Reads what was, and takes care of a run that an earlier agent left.
    async fn open(&mut self) {
        let history = self.history.clone();
        let past = match spawn_blocking(move || history.load()).await {
            Ok(Ok(past)) => past,
            Ok(Err(e)) => {
                error!(job = self.spec.name, "{e}");
                Past::default()
            }
            Err(_) => return,
        };
        let newest = past.runs.last().map(|r| r.started);
        self.last_start = newest.max(past.unfinished.as_ref().map(|(_, at)| *at));
        self.tell(SyncEvent::History { job: self.spec.name.clone(), runs: past.runs }).await;
        if let Some((run, since)) = past.unfinished {
            self.adopt(run, since).await;
        }
    }

    /// The job of a dead agent holds its lock as long as one of its processes lives.
    async fn adopt(&mut self, run: String, since: WallTime) {
        let at = Now { wall: since, ..steady_clock::now() };
        let started = SyncEvent::Started { job: self.spec.name.clone(), run: run.clone(), at };
        self.tell(started).await;
        self.state = State::Orphaned { run: run.clone(), since };
        let (job, history, done) = (Arc::clone(&self.spec), self.history.clone(), self.tell_done.clone());
        // Not the runtime's blocking pool: its shutdown would wait for the job.
        let waiting = thread::Builder::new().name("job-orphan".to_owned()).spawn(move || {
            if let Err(e) = FileLock::wait_until_free(&job.lock) {
                warn!(job = job.name, "cannot wait for {}: {e}", job.lock.display());
            }
            let _ = done.blocking_send(Some(run::keep_orphan(&job, &history, run, since)));
        });
        if let Err(e) = waiting {
            error!(job = self.spec.name, "no thread could be started to wait for its last run: {e}");
            self.state = State::Idle;
        }
    }

    async fn start(&mut self) -> Result<String, RunRefused> {
        let job = || self.spec.name.clone();
        match &self.state {
            State::Idle if self.paused => return Err(RunRefused::Paused { job: job() }),
            State::Idle => {}
            State::Running { run, since, .. } => {
                return Err(RunRefused::AlreadyRunning { job: job(), run: run.clone(), since: *since });
            }
            // Whoever holds the lock is told with its pid; should it be free this moment, its record comes first.
            State::Orphaned { run, since } => {
                let (path, run, since) = (self.spec.lock.clone(), run.clone(), *since);
                let holder = Holder { pid: std::process::id(), what: job(), since: since.to_string() };
                let taken = spawn_blocking(move || FileLock::try_acquire(&path, &holder)).await;
                return Err(match taken {
                    Ok(Err(held @ LockError::Held { .. })) => held.into(),
                    _ => RunRefused::AlreadyRunning { job: job(), run, since },
                });
            }
        }
        let (spec, history) = (Arc::clone(&self.spec), self.history.clone());
        let begun = spawn_blocking(move || run::begin(&spec, &history))
            .await
            .map_err(|_| RunRefused::Ending { job: self.spec.name.clone() })??;
        let (id, at) = (begun.id.clone(), begun.at);
        let (stop, stopped) = oneshot::channel();
        let (spec, history, done) = (Arc::clone(&self.spec), self.history.clone(), self.tell_done.clone());
        tokio::spawn(async move { done.send(begun.finish(spec, history, stopped).await).await });
        self.last_start = Some(at.wall);
        self.state = State::Running { run: id.clone(), since: at.wall, stop: Some(stop) };
        self.tell(SyncEvent::Started { job: self.spec.name.clone(), run: id.clone(), at }).await;
        Ok(id)
    }

    async fn start_scheduled(&mut self) {
        if let Err(e) = self.start().await {
            warn!(job = self.spec.name, "the scheduled run waits: {e}");
            self.hold = steady_clock::now().awake.after(RETRY);
        }
    }

    /// The markers come first: a success counts by its marker.
    async fn ended(&mut self, done: Option<Done>) {
        self.state = State::Idle;
        if let Some(Done { record, markers }) = done {
            self.tell_markers(markers).await;
            self.tell(SyncEvent::Finished { job: self.spec.name.clone(), record }).await;
        }
    }

    fn pause(&mut self) -> Result<(), RunRefused> {
        match &self.state {
            State::Idle => {
                self.paused = true;
                Ok(())
            }
            State::Running { run, since, .. } | State::Orphaned { run, since } => {
                Err(RunRefused::AlreadyRunning {
                    job: self.spec.name.clone(),
                    run: run.clone(),
                    since: *since,
                })
            }
        }
    }

    /// Asks a run to end; the loop goes on until it has.
    fn stop(&mut self, reply: Option<oneshot::Sender<()>>) -> Option<oneshot::Sender<()>> {
        if let State::Running { stop, .. } = &mut self.state {
            drop(stop.take());
        }
        reply
    }

    fn every(&self) -> Option<Duration> {
        let scheduled = self.spec.command.is_some() && !self.paused && matches!(self.state, State::Idle);
        self.spec.every.filter(|_| scheduled)
    }

    async fn tell_next(&mut self) {
        let next = self.spec.command.as_ref().and(self.spec.every).filter(|_| !self.paused);
        let next = next.map(|every| next_due(self.last_start, every, steady_clock::now().wall));
        if self.next_told != next {
            self.next_told = next;
            self.tell(SyncEvent::Next { job: self.spec.name.clone(), at: next }).await;
        }
    }

    async fn tell_markers(&self, markers: Markers) {
        self.tell(SyncEvent::Markers { job: self.spec.name.clone(), markers }).await;
    }

    async fn tell(&self, event: SyncEvent) {
        // Nobody listens any more: the agent is ending.
        let _ = self.events.send(event).await;
    }
}

/// Ends when a scheduled run is due and no longer held back.
async fn due(every: Option<Duration>, last_start: Option<WallTime>, hold: AwakeInstant) {
    let Some(every) = every else { return std::future::pending().await };
    loop {
        let now = steady_clock::now();
        let left = next_due(last_start, every, now.wall).since(now.wall).unwrap_or_default();
        let left = left.max(hold.since(now.awake));
        if left.is_zero() {
            return;
        }
        clock::pause(left.min(LOOK)).await;
    }
}
