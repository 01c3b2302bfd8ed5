//! The owner of one job: starts it by hand and by schedule, and tells what it sees.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use jiff::tz::TimeZone;
use steady_disk::{FileLock, Holder, LockError};
use steady_model::config::Job;
use steady_model::job::{Next, Outcome, RunRecord, Timing};
use steady_model::marker::{self, Marker, Markers};
use steady_model::time::{Now, WallTime};
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_blocking;
use tracing::{error, warn};
use ulid::Ulid;

use crate::elsewhere::{OutputWatch, follow_output};
use crate::error::RunRefused;
use crate::gate::Gate;
use crate::handle::{Command, JobHandle};
use crate::history::{Entry, History, Past, Unfinished};
use crate::run::{self, Done};
use crate::watch::{MarkerWatch, Watched, follow_markers};
use crate::{SyncEvent, clock, orphan};

/// Takes a job into care: `home` is Steady's own folder, where the run records are. Must be called within a
/// tokio runtime.
pub fn job(spec: Job, home: &Path, events: mpsc::Sender<SyncEvent>) -> JobHandle {
    job_behind(spec, home, events, None)
}

/// As [`job`]; each of its runs waits for the gate.
pub fn job_behind(
    spec: Job,
    home: &Path,
    events: mpsc::Sender<SyncEvent>,
    gate: Option<Arc<dyn Gate>>,
) -> JobHandle {
    let (commands, inbox) = mpsc::channel(8);
    let (marked, markers) = mpsc::channel(8);
    let (observed, runs) = mpsc::channel(8);
    let (tell_done, done) = mpsc::channel(1);
    let news = News { markers, runs, done };
    let spec = Arc::new(spec);
    let owner = Owner {
        history: History::of(home, &spec.name),
        _markers: follow_markers(spec.markers.clone(), marked),
        _output: spec.output.is_some().then(|| follow_output(Arc::clone(&spec), observed)),
        spec: Arc::clone(&spec),
        events,
        tell_done,
        state: State::Idle,
        paused: false,
        waiting: Vec::new(),
        timing: Timing::new(steady_clock::now()),
        polled: None,
        next_told: None,
        gate,
    };
    tokio::spawn(owner.run(inbox, news));
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
        /// When its time is up, and whether it was.
        until: Option<tokio::time::Instant>,
        timed_out: Arc<AtomicBool>,
    },
}

/// What the owner hears besides commands.
struct News {
    markers: mpsc::Receiver<Watched>,
    /// Runs that its log tells of, when it runs elsewhere.
    runs: mpsc::Receiver<RunRecord>,
    done: mpsc::Receiver<Option<Done>>,
}

struct Owner {
    spec: Arc<Job>,
    history: History,
    events: mpsc::Sender<SyncEvent>,
    tell_done: mpsc::Sender<Option<Done>>,
    state: State,
    paused: bool,
    /// Who wants to know when no run is under way.
    waiting: Vec<oneshot::Sender<()>>,
    timing: Timing,
    /// How often the markers are read where the system gives no events.
    polled: Option<Duration>,
    next_told: Option<WallTime>,
    gate: Option<Arc<dyn Gate>>,
    _markers: MarkerWatch,
    _output: Option<OutputWatch>,
}

impl Owner {
    async fn run(mut self, mut inbox: mpsc::Receiver<Command>, mut news: News) {
        self.open().await;
        let mut leave = None;
        while leave.is_none() || matches!(self.state, State::Running { .. }) {
            let wait = self.look().await;
            let overdue = self.orphan_until();
            tokio::select! {
                command = inbox.recv(), if leave.is_none() => match command {
                    Some(Command::Run(reply)) => {
                        let _ = reply.send(self.start(None).await);
                    }
                    Some(Command::Pause(reply)) => {
                        let _ = reply.send(self.pause());
                    }
                    Some(Command::Resume) => self.paused = false,
                    Some(Command::WhenIdle(reply)) => self.waiting.push(reply),
                    Some(Command::Look) => {}
                    Some(Command::Shutdown(reply)) => leave = Some(self.stop(Some(reply))),
                    None => leave = Some(self.stop(None)),
                },
                Some(watched) = news.markers.recv() => {
                    self.polled = watched.polled;
                    self.tell_markers(watched.markers).await;
                }
                Some(record) = news.runs.recv() => self.note(record).await,
                Some(ended) = news.done.recv() => self.ended(ended).await,
                () = overdue => self.end_orphan(),
                () = clock::pause(wait), if leave.is_none() => self.start_due().await,
            }
            if matches!(self.state, State::Idle) {
                for reply in self.waiting.drain(..) {
                    // Whoever waits no more is gone.
                    let _ = reply.send(());
                }
            }
        }
        if let Some(Some(reply)) = leave {
            let _ = reply.send(());
        }
    }

    /// Looks at the clocks, tells what they brought, and says when to look again.
    async fn look(&mut self) -> Duration {
        let (now, zone) = (steady_clock::now(), TimeZone::system());
        self.timing.look(&self.spec, now);
        let missed = match self.timing.missed(&self.spec, now, &zone) {
            Ok(slot) => {
                self.note(missed(&self.spec, slot, now.wall)).await;
                Duration::ZERO
            }
            Err(wait) => wait,
        };
        self.tell_next(now, &zone).await;
        match self.scheduled().then(|| self.timing.next(&self.spec, now, &zone)) {
            Some(Next::Run(_)) => Duration::ZERO,
            Some(Next::In(wait)) => wait.min(missed),
            None => missed,
        }
    }

    /// Starts what is due; the wait may have been for something else.
    async fn start_due(&mut self) {
        let (now, zone) = (steady_clock::now(), TimeZone::system());
        self.timing.look(&self.spec, now);
        if !self.scheduled() {
            return;
        }
        let Next::Run(slot) = self.timing.next(&self.spec, now, &zone) else { return };
        if let Err(e) = self.start(Some(slot)).await {
            warn!(job = self.spec.name, "the scheduled run waits: {e}");
            self.timing.refused(steady_clock::now());
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
        let now = steady_clock::now();
        past.runs.iter().for_each(|run| self.timing.ended(&self.spec, run, now));
        if let Some(open) = &past.unfinished {
            self.timing.started(open.slot.unwrap_or(open.at));
        }
        self.tell(SyncEvent::History { job: self.spec.name.clone(), runs: past.runs }).await;
        if let Some(open) = past.unfinished {
            self.adopt(open).await;
        }
    }

    /// The job of a dead agent holds its lock as long as one of its processes lives.
    async fn adopt(&mut self, open: Unfinished) {
        let at = Now { wall: open.at, ..steady_clock::now() };
        self.tell(SyncEvent::Started { job: self.spec.name.clone(), run: open.run.clone(), at }).await;
        let timed_out = Arc::new(AtomicBool::new(false));
        self.state = State::Orphaned {
            run: open.run.clone(),
            since: open.at,
            // How long the machine was awake before is not known: it gets its whole time again.
            until: Some(clock::deadline(self.spec.timeout)),
            timed_out: Arc::clone(&timed_out),
        };
        let (job, history, done) = (Arc::clone(&self.spec), self.history.clone(), self.tell_done.clone());
        // Not the runtime's blocking pool: its shutdown would wait for the job.
        let waiting = thread::Builder::new().name("job-orphan".to_owned()).spawn(move || {
            if let Err(e) = FileLock::wait_until_free(&job.lock) {
                warn!(job = job.name, "cannot wait for {}: {e}", job.lock.display());
            }
            let timed_out = timed_out.load(Ordering::Acquire);
            let _ = done.blocking_send(Some(run::keep_orphan(&job, &history, open, timed_out)));
        });
        if let Err(e) = waiting {
            error!(job = self.spec.name, "no thread could be started to wait for its last run: {e}");
            self.state = State::Idle;
        }
    }

    fn orphan_until(&self) -> impl Future<Output = ()> + use<> {
        let until = match &self.state {
            State::Orphaned { until, .. } => *until,
            _ => None,
        };
        async move {
            match until {
                Some(until) => tokio::time::sleep_until(until).await,
                None => std::future::pending().await,
            }
        }
    }

    /// Its time is up: what is provably its group is ended, and then its lock is free.
    fn end_orphan(&mut self) {
        let State::Orphaned { run, until, timed_out, .. } = &mut self.state else { return };
        *until = None;
        tokio::spawn(orphan::end(Arc::clone(&self.spec), run.clone(), Arc::clone(timed_out)));
    }

    async fn start(&mut self, slot: Option<WallTime>) -> Result<String, RunRefused> {
        let job = || self.spec.name.clone();
        match &self.state {
            State::Idle if self.paused => return Err(RunRefused::Paused { job: job() }),
            State::Idle => {}
            State::Running { run, since, .. } => {
                return Err(RunRefused::AlreadyRunning { job: job(), run: run.clone(), since: *since });
            }
            // Whoever holds the lock is told with its pid; should it be free this moment, its record comes first.
            State::Orphaned { run, since, .. } => {
                let (path, run, since) = (self.spec.lock.clone(), run.clone(), *since);
                let holder = Holder { pid: std::process::id(), what: job(), since: since.to_string() };
                let taken = spawn_blocking(move || FileLock::try_acquire(&path, &holder)).await;
                return Err(match taken {
                    Ok(Err(held @ LockError::Held { .. })) => held.into(),
                    _ => RunRefused::AlreadyRunning { job: job(), run, since },
                });
            }
        }
        let (spec, history, gate) = (Arc::clone(&self.spec), self.history.clone(), self.gate.clone());
        let begun = spawn_blocking(move || run::begin(&spec, &history, slot, gate))
            .await
            .map_err(|_| RunRefused::Ending { job: self.spec.name.clone() })??;
        let (id, at) = (begun.id.clone(), begun.at);
        let (stop, stopped) = oneshot::channel();
        let (spec, history, done) = (Arc::clone(&self.spec), self.history.clone(), self.tell_done.clone());
        tokio::spawn(async move { done.send(begun.finish(spec, history, stopped).await).await });
        self.timing.started(slot.unwrap_or(at.wall));
        self.state = State::Running { run: id.clone(), since: at.wall, stop: Some(stop) };
        self.tell(SyncEvent::Started { job: self.spec.name.clone(), run: id.clone(), at }).await;
        Ok(id)
    }

    /// The markers come first: a success counts by its marker.
    async fn ended(&mut self, done: Option<Done>) {
        self.state = State::Idle;
        if let Some(Done { record, markers }) = done {
            self.timing.ended(&self.spec, &record, steady_clock::now());
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
            State::Running { run, since, .. } | State::Orphaned { run, since, .. } => {
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

    fn scheduled(&self) -> bool {
        self.spec.command.is_some() && !self.paused && matches!(self.state, State::Idle)
    }

    async fn tell_next(&mut self, now: Now, zone: &TimeZone) {
        let ours = self.spec.command.is_some() && !self.paused;
        let next = ours.then(|| self.timing.shown(&self.spec, now, zone)).flatten();
        if self.next_told != next {
            self.next_told = next;
            self.tell(SyncEvent::Next { job: self.spec.name.clone(), at: next }).await;
        }
    }

    /// Keeps a record of what Steady did not run: a run elsewhere, or none at all.
    async fn note(&mut self, record: RunRecord) {
        self.timing.ended(&self.spec, &record, steady_clock::now());
        let (history, entry) = (self.history.clone(), Entry::Finished { record: record.clone() });
        if let Ok(Err(e)) = spawn_blocking(move || history.append(entry)).await {
            error!(job = self.spec.name, "{e}");
        }
        self.tell(SyncEvent::Noted { job: self.spec.name.clone(), record }).await;
    }

    async fn tell_markers(&mut self, markers: Markers) {
        let now = steady_clock::now().wall;
        self.timing.marked(match marker::believe(&markers.completed, now) {
            Marker::At { at, .. } => Some(at),
            _ => None,
        });
        let (job, polled) = (self.spec.name.clone(), self.polled);
        self.tell(SyncEvent::Markers { job, markers, polled }).await;
    }

    async fn tell(&self, event: SyncEvent) {
        // Nobody listens any more: the agent is ending.
        let _ = self.events.send(event).await;
    }
}

fn missed(job: &Job, slot: WallTime, now: WallTime) -> RunRecord {
    RunRecord {
        id: Ulid::generate().to_string(),
        job: job.name.clone(),
        started: slot,
        ended: now,
        outcome: Outcome::Missed,
        exit: None,
        milestones: Vec::new(),
        tail: Vec::new(),
        slot: Some(slot),
        part: None,
    }
}
