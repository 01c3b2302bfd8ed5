//! When each check looks: one small task per check, so that none waits for another.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use steady_model::check::{Observation, Status};
use steady_model::config::{Check, CheckKind};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::debug;

use crate::command::CommandProbe;
use crate::count::CountProbe;
use crate::disk::DiskProbe;
use crate::docker::DockerProbe;
use crate::equality::EqualityProbe;
use crate::http::{HttpProbe, Rules};
use crate::log::LogProbe;
use crate::marker::MarkerProbe;
use crate::ollama::OllamaProbe;
use crate::outbox::OutboxProbe;
use crate::path::PathProbe;
use crate::port::PortProbe;
use crate::postgres::PostgresProbe;
use crate::probe::{Probe, Seen};
use crate::process::ProcessProbe;
use crate::redis::{self, RedisProbe};
use crate::sqlite::SqliteProbe;
use crate::tcp::TcpProbe;
use crate::variable::VariableProbe;

/// The first looks are spread over at most this long, so that a start does not open every socket at once. Each check
/// keeps its distance to the others: thousands never look in one burst.
const SPREAD: Duration = Duration::from_secs(5);
/// No configuration makes a check spin.
const SHORTEST: Duration = Duration::from_millis(10);
const SPREAD_STEP: Duration = Duration::from_millis(2);
/// Of many checks, so many look together: one wake of the processor for all of them.
const GROUP: usize = 32;
/// What is not many.
const FEW: usize = 100;

/// A look that is better than the one before is confirmed this soon, as often as it takes to count.
const CONFIRM: Duration = Duration::from_secs(2);
/// So much after its turn is still in time.
const PUNCTUAL: Duration = Duration::from_millis(5);

/// A check looked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckEvent {
    pub name: String,
    pub observation: Observation,
}

/// Asks for looks out of turn, and ends them all. Dropping it ends them too.
#[derive(Debug)]
pub struct ChecksHandle {
    nudges: BTreeMap<String, Arc<Notify>>,
    /// Until when no check looks by itself.
    quiet: watch::Sender<Option<Instant>>,
    tasks: Mutex<JoinSet<()>>,
}

impl ChecksHandle {
    /// Lets one check look at once; `false` when there is none of that name.
    ///
    /// A look that is under way does not count: it may have begun before what the caller wants to see, so
    /// another follows it.
    pub fn probe_now(&self, name: &str) -> bool {
        self.nudges.get(name).inspect(|n| n.notify_one()).is_some()
    }

    /// Lets every check look at once.
    pub fn probe_all(&self) {
        for nudge in self.nudges.values() {
            nudge.notify_one();
        }
    }

    /// The machine woke: no check looks by itself for this long (awake), then each looks once and goes on as
    /// before. Who is asked to look out of turn looks.
    pub fn settle(&self, quiet: Duration) {
        self.quiet.send_replace(Some(now() + quiet));
    }

    /// Ends all checks; no event is sent after it returns.
    pub async fn shutdown(&self) {
        let mut tasks = mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        tasks.shutdown().await;
    }
}

/// Starts all checks. Each looks at once and then every `interval`, counted from start to start; the results
/// go to `events`, and a full channel delays only the checks that wait for it.
///
/// Must be called within a tokio runtime.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the checks hold the only senders: the channel ends with them"
)]
pub fn watch(checks: Vec<Check>, events: mpsc::Sender<CheckEvent>) -> ChecksHandle {
    let (mut nudges, mut tasks) = (BTreeMap::new(), JoinSet::new());
    let (quiet, noises) = watch::channel(None);
    let step = SPREAD_STEP.min(SPREAD / u32::try_from(checks.len()).unwrap_or(u32::MAX).max(1));
    let begun = now();
    let group = if checks.len() > FEW { GROUP } else { 1 };
    let mut first = begun;
    // What services take is sampled, and judged, by the agent.
    let looking = checks.into_iter().filter(|check| !matches!(check.kind, CheckKind::Usage { .. }));
    for (number, check) in (1..).zip(looking) {
        let nudge = Arc::new(Notify::new());
        nudges.insert(check.name.clone(), Arc::clone(&nudge));
        let turn = Turn {
            name: check.name,
            probe: check.probe,
            improve: check.thresholds.improve,
            first,
            spread: first - begun,
            nudge,
            quiet: noises.clone(),
            events: events.clone(),
        };
        if number % group == 0 {
            first += step * u32::try_from(group).unwrap_or(1);
        }
        start(check.kind, turn, &mut tasks);
    }
    ChecksHandle { nudges, quiet, tasks: Mutex::new(tasks) }
}

fn start(kind: CheckKind, turn: Turn, tasks: &mut JoinSet<()>) {
    match kind {
        CheckKind::Http { url, status, body, warn_body, slow } => {
            tasks.spawn(turn.follow(HttpProbe::new(url, Rules { status, body, warn_body, slow })))
        }
        CheckKind::Path { path } => tasks.spawn(turn.follow(PathProbe::new(path))),
        CheckKind::Disk { path, warn, fail } => tasks.spawn(turn.follow(DiskProbe::new(path, warn, fail))),
        CheckKind::Tcp { address, slow } => tasks.spawn(turn.follow(TcpProbe::new(address, slow))),
        CheckKind::Process { pattern } => tasks.spawn(turn.follow(ProcessProbe::new(pattern))),
        CheckKind::Port { port, process } => tasks.spawn(turn.follow(PortProbe::new(port, process))),
        CheckKind::Variable { variable, files, directory } => {
            tasks.spawn(turn.follow(VariableProbe::new(variable, files, directory)))
        }
        CheckKind::Marker { path, max_age } => tasks.spawn(turn.follow(MarkerProbe::new(path, max_age))),
        CheckKind::Command { command, cwd, env } => {
            tasks.spawn(turn.follow(CommandProbe::new(command, cwd, env)))
        }
        CheckKind::Log { path, pattern, window } => {
            tasks.spawn(turn.follow(LogProbe::new(path, &pattern, window)))
        }
        CheckKind::Sqlite { path, limits } => tasks.spawn(turn.follow(SqliteProbe::new(path, limits))),
        CheckKind::Count { count, collapse } => tasks.spawn(turn.follow(CountProbe::new(count, collapse))),
        CheckKind::Equality { left, right, tolerance } => {
            tasks.spawn(turn.follow(EqualityProbe::new(left, right, tolerance)))
        }
        CheckKind::Postgres { server } => tasks.spawn(turn.follow(PostgresProbe::new(server))),
        CheckKind::Outbox { database, table, limits } => {
            tasks.spawn(turn.follow(OutboxProbe::new(database, table, limits)))
        }
        CheckKind::Redis { server, graphs, data_dir, max_save_age } => {
            let rules = redis::Rules { graphs, data_dir, max_save_age };
            tasks.spawn(turn.follow(RedisProbe::new(server, rules)))
        }
        CheckKind::Ollama { url, model, embed } => {
            tasks.spawn(turn.follow(OllamaProbe::new(url, model, embed)))
        }
        CheckKind::Docker { socket, project, services } => {
            tasks.spawn(turn.follow(DockerProbe::new(socket, project, services)))
        }
        // Judged by the agent, from the figures that it samples anyway.
        CheckKind::Usage { .. } => return,
    };
}

/// One check's turn-taking.
struct Turn {
    name: String,
    probe: steady_model::config::Probe,
    /// So many good looks in a row count.
    improve: u32,
    first: Instant,
    /// Its distance from the first of all checks.
    spread: Duration,
    nudge: Arc<Notify>,
    quiet: watch::Receiver<Option<Instant>>,
    events: mpsc::Sender<CheckEvent>,
}

impl Turn {
    async fn follow(mut self, mut probe: impl Probe) {
        let mut next = self.first;
        let mut recovery = Recovery::default();
        loop {
            tokio::select! {
                biased;
                Ok(()) = self.quiet.changed() => {
                    next = self.after_quiet().unwrap_or(next);
                    continue;
                }
                () = sleep_until(next) => {}
                () = self.nudge.notified() => {}
            }
            let begun = now();
            let seen = match timeout(self.probe.timeout, probe.look()).await {
                Ok(seen) => seen,
                Err(_) => probe.overdue(self.probe.timeout),
            };
            // From its turn and not from when it came to it, so that a group stays together; but a look that was
            // nudged or late has the whole interval before it, and one longer than that is followed by one, never by
            // a burst.
            let from = if begun.duration_since(next) < PUNCTUAL && next <= begun { next } else { begun };
            let interval = self.probe.interval.max(SHORTEST);
            let confirms = recovery.confirms(seen.status, self.improve);
            next = (from + if confirms { CONFIRM.min(interval) } else { interval }).max(now());
            // Nor does a look that was under way at a wake bring the next one nearer.
            next = self.after_quiet().unwrap_or(next);
            let observation = observation(seen, now().duration_since(begun));
            debug!(check = self.name, status = ?observation.status, evidence = observation.evidence);
            if self.events.send(CheckEvent { name: self.name.clone(), observation }).await.is_err() {
                return;
            }
        }
    }

    /// When it looks after the quiet that there is now.
    fn after_quiet(&mut self) -> Option<Instant> {
        let until = *self.quiet.borrow_and_update();
        until.filter(|until| *until > now()).map(|until| until + self.spread)
    }
}

/// What became better, and is not yet sure.
#[derive(Debug, Default)]
struct Recovery {
    last: Option<Status>,
    /// Looks that are to confirm it.
    left: u32,
}

impl Recovery {
    /// Whether the look after this one is to confirm it.
    fn confirms(&mut self, seen: Status, improve: u32) -> bool {
        self.left = match self.last.replace(seen).map(|last| seen.cmp(&last)) {
            Some(Ordering::Less) => improve.saturating_sub(1),
            Some(Ordering::Equal) => self.left.saturating_sub(1),
            Some(Ordering::Greater) | None => 0,
        };
        self.left > 0
    }
}

fn observation(seen: Seen, took: Duration) -> Observation {
    Observation {
        status: seen.status,
        evidence: seen.evidence,
        fact: seen.fact,
        at: steady_clock::now(),
        took,
        measure: seen.measure,
        samples: seen.samples,
        action: seen.action,
    }
}

/// The runtime's own clock, which its timers and tests run on.
#[expect(clippy::disallowed_methods, reason = "this is the adapter that keeps the checks' turns")]
pub fn now() -> Instant {
    Instant::now()
}
