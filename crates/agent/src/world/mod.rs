//! The one place where what is known lives. Fed by events, read as snapshots; knows no clock and no I/O.

mod backup_facts;
#[cfg(test)]
mod causes;
mod checks;
mod judge;
#[cfg(test)]
mod nights;
mod view;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use steady_model::backup::Space;
use steady_model::check::CheckState;
use steady_model::config::{Check, Config};
use steady_model::crash::CrashSummary;
use steady_model::job::{Activity, AwakeLog, RunRecord};
use steady_model::marker::Markers;
use steady_model::service::{Lifecycle, State};
use steady_model::settle::Settle;
use steady_model::snapshot::{AgentInfo, CheckView, Snapshot};
use steady_model::time::{AwakeInstant, Now, WallTime};
use steady_model::usage::Usage;
use steady_power::Awake;

pub use backup_facts::BackupFacts;

/// Ages in sentences are told anew this often.
const AGES: Duration = Duration::from_secs(60);
/// Runs that are judged.
const RUNS_KEPT: usize = 200;

/// What is known of one job.
#[derive(Debug, Default)]
pub struct JobFacts {
    /// `None` until the marker directory has been looked at.
    pub markers: Option<Markers>,
    /// How often they are read, where the system gives no events.
    pub polled: Option<Duration>,
    /// Oldest first.
    pub runs: Vec<RunRecord>,
    pub activity: Activity,
    pub next: Option<WallTime>,
}

impl JobFacts {
    pub fn ran(&mut self, record: RunRecord) {
        self.activity = Activity::Idle;
        self.noted(record);
    }

    /// Takes in a run that Steady did not make, or that did not come.
    pub fn noted(&mut self, record: RunRecord) {
        self.runs.push(record);
        let surplus = self.runs.len().saturating_sub(RUNS_KEPT);
        self.runs.drain(..surplus);
    }
}

/// A check with what is known of it.
struct Watched {
    spec: Check,
    state: CheckState,
}

/// How soon what came is to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Haste {
    /// With the next news, or within [`Haste::SOON`]: a newer look that is judged like the one before.
    Soon,
    Now,
}

impl Haste {
    /// Thousands of looks a minute make a few snapshots a second.
    pub const SOON: Duration = Duration::from_millis(250);
}

pub struct World {
    config: Arc<Config>,
    agent: AgentInfo,
    services: BTreeMap<String, Lifecycle>,
    /// In the order of the configuration, then those that nobody has to configure.
    checks: IndexMap<String, Watched>,
    settle: Settle,
    /// When it was first asked: the agent's start.
    begun: Option<AwakeInstant>,
    jobs: BTreeMap<String, JobFacts>,
    /// How much of the past the machine was awake: lateness counts by it.
    awake: AwakeLog,
    backup: BackupFacts,
    /// Where the backups are; `Err` is why that is not known.
    space: Option<Result<Space, String>>,
    usage: BTreeMap<String, Usage>,
    /// What is wrong with definitions of services.
    warnings: BTreeMap<String, String>,
    /// Why the machine may go to sleep although services want it awake.
    sleepy: Option<String>,
    /// What the logs themselves give cause to say.
    log_checks: Vec<CheckView>,
    /// Why the history is not written, and since when.
    history: Option<(String, WallTime)>,
    /// Newest first.
    crashes: Vec<CrashSummary>,
    version: u64,
}

impl World {
    pub fn new(config: Arc<Config>, agent: AgentInfo) -> Self {
        Self {
            services: config.services.iter().map(|s| (s.name.clone(), Lifecycle::default())).collect(),
            checks: checks::watched(&config),
            settle: Settle::default(),
            begun: None,
            jobs: config.jobs.iter().map(|j| (j.name.clone(), JobFacts::default())).collect(),
            awake: AwakeLog::default(),
            backup: BackupFacts::default(),
            space: None,
            usage: BTreeMap::new(),
            warnings: BTreeMap::new(),
            sleepy: None,
            log_checks: Vec::new(),
            history: None,
            crashes: Vec::new(),
            version: 0,
            config,
            agent,
        }
    }

    /// What is known of what stays is kept; what changed is to be looked at anew.
    pub fn reconfigure(&mut self, config: Arc<Config>) {
        let mut services = std::mem::take(&mut self.services);
        let mut checks = std::mem::replace(&mut self.checks, checks::watched(&config));
        let mut jobs = std::mem::take(&mut self.jobs);
        for service in &config.services {
            self.services.insert(service.name.clone(), services.remove(&service.name).unwrap_or_default());
        }
        for (name, check) in &mut self.checks {
            if let Some(known) = checks.swap_remove(name).filter(|known| known.spec == check.spec) {
                *check = known;
            }
        }
        for job in &config.jobs {
            self.jobs.insert(job.name.clone(), jobs.remove(&job.name).unwrap_or_default());
        }
        self.usage.retain(|name, _| self.services.contains_key(name));
        self.warnings.retain(|name, _| self.services.contains_key(name));
        self.config = config;
    }

    pub fn life(&self, service: &str) -> Option<&Lifecycle> {
        self.services.get(service)
    }

    /// Whether a running job keeps the service busy.
    pub fn is_busy(&self, service: &str) -> bool {
        self.config.jobs.iter().any(|job| {
            let runs = self.jobs.get(&job.name).is_some_and(|facts| facts.activity != Activity::Idle);
            runs && job.busy.iter().any(|name| name == service)
        })
    }

    pub fn own_usage_sampled(&mut self, usage: Usage) {
        self.agent.usage = Some(usage);
    }

    /// The loop waited for time to pass, and came back this late.
    pub fn loop_woke(&mut self, late: Duration) {
        self.agent.lag_ms = u64::try_from(late.as_millis()).unwrap_or(u64::MAX);
    }

    pub fn warned(&mut self, service: &str, warning: Option<String>) {
        match warning {
            Some(warning) => self.warnings.insert(service.to_owned(), warning),
            None => self.warnings.remove(service),
        };
    }

    pub fn kept_awake(&mut self, awake: &Awake) {
        self.sleepy = match awake {
            Awake::Free | Awake::Held => None,
            Awake::Refused(why) => Some(format!("the machine may go to sleep: {why}")),
        };
    }

    pub fn logs_looked_at(&mut self, checks: Vec<CheckView>) {
        self.log_checks = checks;
    }

    pub fn crashes_listed(&mut self, crashes: Vec<CrashSummary>) {
        self.crashes = crashes;
    }

    /// Whether a service has just become ready. What its checks said before is forgotten when its process is
    /// gone, and they should look again when the next one is ready.
    pub fn service_changed(&mut self, name: &str, life: Lifecycle) -> bool {
        let Some(slot) = self.services.get_mut(name) else { return false };
        let became_ready = ready_since(&life).is_some() && ready_since(slot).is_none();
        *slot = life;
        // One that runs without being ready keeps its evidence: its checks are why.
        if became_ready || !matches!(slot.state, State::Ready { .. } | State::Degraded { .. }) {
            for check in self.checks.values_mut().filter(|c| c.spec.service.as_deref() == Some(name)) {
                check.state = CheckState::default();
            }
        }
        became_ready
    }

    pub fn job_facts(&mut self, name: &str) -> Option<&mut JobFacts> {
        self.jobs.get_mut(name)
    }

    pub fn backup_facts(&mut self) -> &mut BackupFacts {
        &mut self.backup
    }

    /// The checks that look at `service`.
    pub fn checks_of<'a>(&'a self, service: &'a str) -> impl Iterator<Item = &'a str> {
        self.config
            .checks
            .iter()
            .filter(move |c| c.service.as_deref() == Some(service))
            .map(|c| c.name.as_str())
    }

    /// All that is true now, and after how much awake time it changes by time alone.
    pub fn snapshot(&mut self, now: Now) -> (Snapshot, Duration) {
        self.awake.note(now);
        self.begun.get_or_insert(now.awake);
        let mut next = self.settle.left(now.awake).unwrap_or(AGES).min(AGES);
        let mut reasons = Vec::new();
        let services = self.judge_services(now, &mut reasons, &mut next);
        let checks = self.judge_checks(now, &mut reasons, &mut next);
        let jobs = self.judge_jobs(now, &mut reasons);
        let backup = self.judge_backup(now, &mut reasons);
        let verdict = self.conclude(now, reasons, &jobs, &backup);
        self.version += 1;
        let snapshot = Snapshot {
            version: self.version,
            at: now.wall,
            agent: self.agent.clone(),
            verdict,
            services,
            checks,
            jobs,
            backup,
            crashes: self.crashes.clone(),
        };
        (snapshot, next)
    }
}

fn ready_since(life: &Lifecycle) -> Option<Now> {
    match &life.state {
        State::Ready { since, .. } => Some(*since),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use steady_model::check::{Observation, Status};
    use steady_model::config::{self, Roots};
    use steady_model::process::ProcessId;
    use steady_model::time::AwakeInstant;

    use super::*;

    const CONFIG: &str = "version = 1\n[service.brain]\ncommand = [\"brain\"]\n\
        [check.health]\nkind = \"http\"\nurl = \"http://x\"\nservice = \"brain\"\n";

    fn world() -> World {
        let roots = Roots { base: "/".as_ref(), user_home: None };
        let config = config::parse(CONFIG, "steady.toml".as_ref(), roots).unwrap();
        let agent = AgentInfo {
            version: "0".into(),
            pid: 1,
            started: at(0).wall,
            config: "steady.toml".into(),
            panel: None,
            usage: None,
            lag_ms: 0,
        };
        World::new(Arc::new(config), agent)
    }

    fn at(second: u64) -> Now {
        let wall = WallTime("2026-11-22T10:00:00Z".parse().unwrap()).after(Duration::from_secs(second));
        Now { awake: AwakeInstant::since_boot(Duration::from_secs(second)), wall }
    }

    fn saw(status: Status, second: u64, took: u64) -> Observation {
        let took = Duration::from_secs(took);
        Observation {
            status,
            evidence: "seen".into(),
            fact: false,
            at: at(second),
            took,
            measure: None,
            samples: Vec::new(),
            action: None,
        }
    }

    fn ready(second: u64) -> Lifecycle {
        let process = ProcessId { pid: 4711, started: 1 };
        Lifecycle { state: State::Ready { process, since: at(second) }, ..Lifecycle::default() }
    }

    #[test]
    fn nothing_is_green_before_it_was_looked_at() {
        let mut world = world();
        assert_eq!(world.snapshot(at(1)).0.verdict.status, Status::Unknown);
        world.service_changed("brain", ready(2));
        assert_eq!(world.snapshot(at(3)).0.verdict.status, Status::Unknown, "the check has not answered yet");
        world.check_observed("health", saw(Status::Pass, 4, 0));
        assert_eq!(world.snapshot(at(5)).0.verdict.status, Status::Pass);
    }

    #[test]
    fn a_look_that_began_before_the_service_was_ready_does_not_count() {
        let mut world = world();
        world.check_observed("health", saw(Status::Fail, 1, 0));
        world.service_changed("brain", ready(10));
        world.check_observed("health", saw(Status::Fail, 11, 3));
        assert_eq!(world.snapshot(at(11)).0.checks[0].status, Status::Unknown);
        world.check_observed("health", saw(Status::Pass, 12, 1));
        assert_eq!(world.snapshot(at(12)).0.checks[0].status, Status::Pass);
    }

    #[test]
    fn only_news_of_a_check_is_told_at_once() {
        let mut world = world();
        world.service_changed("brain", ready(1));
        assert_eq!(world.check_observed("health", saw(Status::Pass, 2, 0)), Haste::Now);
        assert_eq!(world.check_observed("health", saw(Status::Pass, 3, 0)), Haste::Soon);
        assert_eq!(
            world.check_observed("health", saw(Status::Fail, 4, 0)),
            Haste::Soon,
            "the first of three"
        );
        world.check_observed("health", saw(Status::Fail, 5, 0));
        assert_eq!(world.check_observed("health", saw(Status::Fail, 6, 0)), Haste::Now);
    }

    #[test]
    fn a_look_that_does_not_count_yet_says_so() {
        let mut world = world();
        world.service_changed("brain", ready(1));
        let told = |world: &mut World, status, second| {
            world.check_observed("health", saw(status, second, 0));
            let check = world.snapshot(at(second)).0.checks.swap_remove(0);
            (check.status, check.evidence)
        };
        assert_eq!(told(&mut world, Status::Pass, 2), (Status::Pass, "seen".into()));
        let waits = "seen; 2 more looks like this before it counts";
        assert_eq!(told(&mut world, Status::Fail, 3), (Status::Pass, waits.into()));
        let waits = "seen; 1 more look like this before it counts";
        assert_eq!(told(&mut world, Status::Fail, 4), (Status::Pass, waits.into()));
        assert_eq!(told(&mut world, Status::Fail, 5), (Status::Fail, "seen".into()));
        let better = "it seems to be better: seen; 1 more look like this before it counts";
        assert_eq!(told(&mut world, Status::Pass, 6), (Status::Fail, better.into()));
        assert_eq!(told(&mut world, Status::Pass, 7), (Status::Pass, "seen".into()));
    }

    #[test]
    fn what_a_check_said_of_the_process_before_is_forgotten_when_the_next_is_ready() {
        let mut world = world();
        world.service_changed("brain", ready(1));
        world.check_observed("health", saw(Status::Pass, 2, 0));
        let down = State::Starting { process: None, since: at(3) };
        world.service_changed("brain", Lifecycle { state: down, ..Lifecycle::default() });
        let gone = world.snapshot(at(3)).0;
        assert_eq!(
            gone.checks[0].status,
            Status::Unknown,
            "nobody may read a green of a process that is gone"
        );
        assert_eq!(gone.checks[0].evidence, "not looked at while brain is not ready");
        assert!(world.service_changed("brain", ready(4)), "its checks are told to look again");
        assert_eq!(world.snapshot(at(4)).0.checks[0].status, Status::Unknown);
    }
}
