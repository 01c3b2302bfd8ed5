use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use steady_disk::{DiskError, FileLock, Holder, LockError};
use steady_model::api::ShutdownRequest;
use steady_model::snapshot::{AgentInfo, Snapshot};
use steady_model::time::AwakeInstant;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};

use crate::api::{self, Gate, Pages, Reach};
use crate::config_file::{self, ConfigFileError};
use crate::crashes::Running;
use crate::events::{self, Events};
use crate::heartbeat::Heartbeat;
use crate::history;
use crate::home::Home;
use crate::listeners::{self, ListenError};
use crate::looks::Looks;
use crate::owners::{Owners, StartError};
use crate::reload;
use crate::token::{self, TokenError};
use crate::world::{Haste, World};

/// What the agent is started with.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where it keeps its own state; one agent per home.
    pub home: PathBuf,
    pub config: PathBuf,
    /// The `steady` binary, for the sink and the backup engine.
    pub program: PathBuf,
}

/// Why the agent could not begin. What ran before runs on.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    #[error(transparent)]
    Config(#[from] ConfigFileError),
    #[error("{0}; one agent per home is enough: `steady status` asks the one that runs")]
    SecondAgent(LockError),
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("cannot wait for signals: {0}")]
    Signals(std::io::Error),
}

/// Runs until told to end by signal or by the API.
///
/// The first TERM or INT ends services in order; a second one ends the agent at once and leaves them to be
/// adopted by the next agent.
pub async fn run(options: Options) -> Result<(), AgentError> {
    let config = Arc::new(config_file::load(&options.config)?);
    let home = Home::new(&options.home);
    steady_disk::create_private_dir(home.root())?;
    let started = steady_clock::now().wall;
    let holder = Holder { pid: std::process::id(), what: "the agent".to_owned(), since: started.to_string() };
    let lock = sole(&home.lock(), &holder).await.map_err(AgentError::SecondAgent)?;
    // The kernel lets go of it when this process has ended, which is what `steady down` waits for.
    std::mem::forget(lock);
    // Named, so that it lasts to the end of this function, whichever way that comes.
    let _running = Running::begin(&home, steady_supervise::boot_id().ok(), started)?;
    config_file::lead_to(&options.config, home.root())?;
    let token = token::load_or_create(&home.token())?;
    let socket = listeners::socket(&home.socket())?;
    let loopback = listeners::loopback(config.listen).await;
    let info = AgentInfo {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        started,
        config: options.config.display().to_string(),
        panel: loopback.as_ref().map(|l| format!("http://{}", l.address)),
        usage: None,
        lag_ms: 0,
    };
    let signals = Signals::new().map_err(AgentError::Signals)?;
    let mut world = World::new(config.clone(), info);
    let (ears, events) = events::channels();
    let mut owners = Owners::start(&config, &home, &options.program, ears).await?;
    let (first, _) = world.snapshot(steady_clock::now());
    let (snapshots, seen) = watch::channel(Arc::new(first));
    let notices = owners.ears.notices.clone();
    let (history, recording) = history::start(home.history(), seen.clone(), notices, started);
    owners.history = Some(history.clone());
    let (shutdown, asked) = mpsc::channel(1);
    let (reload, reloads) = mpsc::channel(1);
    let heartbeat = Heartbeat::default();
    heartbeat.promise(steady_clock::now().awake);
    let reach = Reach {
        pages: Pages::new(seen.clone(), heartbeat.clone()),
        looks: Looks::new(owners.waiting.clone(), owners.ears.notices.clone()),
        snapshots: seen,
        stack: owners.stack.clone(),
        jobs: owners.jobs.clone(),
        operations: owners.operations.clone(),
        logs: home.logs(),
        crashes: owners.crashes.clone(),
        lookers: owners.lookers.clone(),
        history,
        shutdown,
        reload,
    };
    let router = api::router(reach.into());
    listeners::serve_socket(socket, router.clone());
    if let Some(loopback) = loopback {
        let gate = Gate::new(&token, loopback.address.port());
        listeners::serve_loopback(loopback, router, gate);
    }
    tracing::info!("the agent runs with {} (home {})", options.config.display(), options.home.display());
    let file = options.config;
    Loop { world, events, snapshots, heartbeat, owners, file, asked, reloads, signals }.run().await;
    if bounded(recording).await.is_err() {
        tracing::warn!("the end of the history was not written: its disk does not answer");
    }
    // Clients see the end of the agent as the end of the socket.
    let _ = std::fs::remove_file(home.socket());
    tracing::info!("the agent ended");
    Ok(())
}

/// A fork of a killed agent has a copy of its lock until it has become its program: that moment is waited for. The
/// thread of a blocking lock could not be ended when it never comes, so it is tried again instead.
async fn sole(path: &Path, holder: &Holder) -> Result<FileLock, LockError> {
    let waiting = async {
        loop {
            match FileLock::try_acquire(path, holder) {
                Err(LockError::Held { holder: Some(last), .. }) if !lives(last.pid) => {
                    pause(Duration::from_millis(10)).await;
                }
                taken => return taken,
            }
        }
    };
    match bounded(waiting).await {
        Ok(taken) => taken,
        Err(_) => FileLock::try_acquire(path, holder),
    }
}

fn lives(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| test_kill_process(pid) != Err(Errno::SRCH))
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    /// A closed terminal is no reason to end.
    _hangup: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            _hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn ended(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

struct Loop {
    world: World,
    events: Events,
    snapshots: watch::Sender<Arc<Snapshot>>,
    heartbeat: Heartbeat,
    owners: Owners,
    /// The configuration file.
    file: PathBuf,
    asked: mpsc::Receiver<ShutdownRequest>,
    reloads: mpsc::Receiver<reload::Request>,
    signals: Signals,
}

impl Loop {
    async fn run(mut self) {
        let mut again = self.publish();
        let stop_services = loop {
            tokio::select! {
                haste = self.events.apply_next(&mut self.world, &mut self.owners) => if haste == Haste::Soon {
                    again = again.min(Due::after(Haste::SOON));
                    continue;
                },
                () = pause(again.left()) => self.world.loop_woke(again.late()),
                request = self.asked.recv() => match request {
                    Some(request) => break request.stop_services,
                    None => break false,
                },
                Some(request) = self.reloads.recv() => self.reload(request).await,
                () = self.signals.ended() => break true,
            }
            again = self.publish();
        };
        tracing::info!(stop_services, "ending");
        self.end(stop_services).await;
    }

    async fn reload(&mut self, request: reload::Request) {
        let file = self.file.clone();
        let read = tokio::task::spawn_blocking(move || config_file::load(&file)).await;
        let Ok(read) = read else { return };
        let done = match read {
            Ok(new) => reload::reload(&mut self.owners, &mut self.world, new, request.dry_run).await,
            Err(e) => Err(e.into()),
        };
        if let Err(e) = &done {
            tracing::warn!("the configuration was not reloaded: {e}");
        }
        // Whoever asked may have gone.
        let _ = request.reply.send(done);
    }

    /// Publishes what is true now, and says when it changes by itself.
    fn publish(&mut self) -> Due {
        let now = steady_clock::now();
        let (snapshot, again) = self.world.snapshot(now);
        self.snapshots.send_replace(Arc::new(snapshot));
        let due = Due(now.awake.after(again));
        self.heartbeat.promise(due.0);
        due
    }

    /// Surfaces follow the stopping; a second signal ends it at once.
    async fn end(mut self, stop_services: bool) {
        let ending = self.owners.ending();
        let mut stopping =
            tokio::spawn(
                async move { if stop_services { ending.stop().await } else { ending.leave().await } },
            );
        loop {
            let again = self.publish();
            tokio::select! {
                _ = self.events.apply_next(&mut self.world, &mut self.owners) => {}
                () = pause(again.left()) => {}
                _ = &mut stopping => return,
                () = self.signals.ended() => {
                    tracing::warn!("ending at once; services that still run are left to the next agent");
                    return;
                }
            }
        }
    }
}

/// When the snapshot changes by time alone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Due(AwakeInstant);

impl Due {
    fn after(span: Duration) -> Self {
        Self(steady_clock::now().awake.after(span))
    }

    fn left(self) -> Duration {
        self.0.since(steady_clock::now().awake)
    }

    /// How long ago it was.
    fn late(self) -> Duration {
        steady_clock::now().awake.since(self.0)
    }
}

/// A disk that hangs does not keep the agent from ending.
async fn bounded<T>(work: impl Future<Output = T>) -> Result<T, tokio::time::error::Elapsed> {
    tokio::time::timeout(Duration::from_secs(3), work).await
}

#[expect(clippy::disallowed_methods, reason = "the timer of what changes by time alone")]
async fn pause(span: Duration) {
    tokio::time::sleep(span).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(pid: u32) -> Holder {
        Holder { pid, what: "the agent".to_owned(), since: "2026-11-22T10:00:00Z".to_owned() }
    }

    #[tokio::test]
    async fn a_killed_agents_lock_is_waited_for_and_a_living_ones_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("agent.lock");
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let dead = child.id();
        child.wait().unwrap();
        let forks = FileLock::try_acquire(&path, &holder(dead)).unwrap();
        let next = tokio::spawn({
            let path = path.clone();
            async move { sole(&path, &holder(std::process::id())).await }
        });
        tokio::task::yield_now().await;
        drop(forks);
        let taken = next.await.unwrap().unwrap();
        let second = sole(&path, &holder(1)).await.unwrap_err().to_string();
        assert!(second.contains(&format!("pid {}", std::process::id())), "{second}");
        drop(taken);
    }
}
