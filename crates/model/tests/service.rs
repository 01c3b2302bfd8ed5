//! The life of a service: every state with every input, then what only a sequence can show.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

use std::time::Duration;

use proptest::prelude::*;
use steady_model::process::{Exit, PortOwner, ProcessId};
use steady_model::service::{
    AfterStop, BACKOFF_JITTER, BACKOFF_MAX, CRASH_LIMIT, Effect, Input, Lifecycle, Policy, RestartPolicy,
    SLOW_LANE, STABLE_AFTER, State, StopReason, backoff, step,
};
use steady_model::time::{AwakeInstant, Now, WallTime};

const START: u64 = 1_000;
const NO_JITTER: f64 = 0.5;

fn policy(restart: RestartPolicy) -> Policy {
    Policy {
        restart,
        success_codes: vec![3],
        stop_grace: Duration::from_secs(10),
        ready_timeout: Duration::from_secs(30),
    }
}

/// Both clocks, `seconds` of awake time after boot.
fn at(seconds: u64) -> Now {
    let wall = "2026-11-22T09:00:00Z".parse().unwrap();
    Now { awake: awake(seconds), wall: WallTime(wall).after(Duration::from_secs(seconds)) }
}

fn awake(seconds: u64) -> AwakeInstant {
    AwakeInstant::since_boot(Duration::from_secs(seconds))
}

fn process(pid: u32) -> ProcessId {
    ProcessId { pid, started: 7 }
}

fn owner() -> PortOwner {
    PortOwner { port: 8000, pid: Some(9), command: None, since: None }
}

fn life(state: State) -> Lifecycle {
    Lifecycle { state, ..Lifecycle::default() }
}

fn stopping(then: AfterStop, deadline: u64) -> Lifecycle {
    life(State::Stopping { process: process(1), deadline: awake(deadline), killed: false, then })
}

/// Every state; where time decides, before and after it.
fn states() -> Vec<(&'static str, Lifecycle)> {
    let now = at(START);
    let cause = || "exit code 1".to_owned();
    let starting = |process, since| life(State::Starting { process, since: at(since) });
    let backoff = |until| life(State::Backoff { until: awake(until), attempt: 2, cause: cause() });
    let crash_loop = |until| life(State::CrashLoop { until: awake(until), cause: cause() });
    let ended = StopReason::Ended(Exit::Code(1));
    vec![
        ("unknown", life(State::Unknown)),
        ("stopped", life(State::Stopped { since: now.wall, reason: ended })),
        ("spawning", starting(None, START)),
        ("starting", starting(Some(process(1)), START)),
        ("starting, late", starting(Some(process(1)), START - 30)),
        ("ready", life(State::Ready { process: process(1), since: now })),
        ("degraded", life(State::Degraded { process: process(1), since: now, reason: cause() })),
        ("stopping", stopping(AfterStop::Stay, START + 1)),
        ("stopping, late", stopping(AfterStop::Stay, START)),
        ("restarting", stopping(AfterStop::Restart, START + 1)),
        ("restarting, late", stopping(AfterStop::Restart, START)),
        ("backoff", backoff(START + 1)),
        ("backoff, due", backoff(START)),
        ("crash loop", crash_loop(START + 1)),
        ("crash loop, due", crash_loop(START)),
        ("foreign", life(State::Foreign { owner: owner(), since: now.wall })),
    ]
}

const INPUTS: usize = 14;

fn inputs() -> [Input; INPUTS] {
    [
        Input::Start,
        Input::Stop,
        Input::Restart,
        Input::Spawned(process(2)),
        Input::SpawnFailed("no such file".to_owned()),
        Input::Adopted(process(2)),
        Input::PortTaken(owner()),
        Input::ReadinessPassed,
        Input::LivenessFailed("5 in a row".to_owned()),
        Input::Exited(Exit::Code(0)),
        Input::Exited(Exit::Signal(9)),
        Input::Exited(Exit::Unobserved),
        Input::ProvedStopped,
        Input::Timer,
    ]
}

// Expected: next state, then effects. Processes by pid: 1 is the one there was, 2 the one in the input.
const SAME: &str = "same";
const SPAWN: &str = "spawning: spawn";
const STOPPED: &str = "stopped as asked";
const STOP: &str = "stopping 1: terminate, prove, wake in 10 s";
const RESTART: &str = "restarting 1: terminate, prove, wake in 10 s";
/// A process that nobody waits for must not run on unseen.
const STOP_NEW: &str = "stopping 2: terminate, prove, wake in 10 s";
const STARTING: &str = "starting 2: wake in 30 s";
const READY: &str = "ready 1: wake in 60 s";
const AGAIN: &str = "spawning: sweep, spawn";
const CRASHED: &str = "spawning: report, sweep, spawn";
const KILL: &str = "stopping 1, killed: kill, wake in 5 s";
const KILL_RESTART: &str = "restarting 1, killed: kill, wake in 5 s";

/// Restart policy `always`. Columns as in `inputs`.
#[rustfmt::skip]
const TABLE: [(&str, [&str; INPUTS]); 16] = [
    //                  Start    Stop     Restart  Spawned    SpawnFailed Adopted  PortTaken  Ready  Liveness Exit 0  Signal 9 Unseen   Proved   Timer
    ("unknown",        [SPAWN,   STOPPED, SPAWN,   STOP_NEW,  SAME,     STARTING, SAME,      SAME,  SAME,    SAME,   SAME,    SAME,    SAME,    SAME]),
    ("stopped",        [SPAWN,   STOPPED, SPAWN,   STOP_NEW,  SAME,     STARTING, SAME,      SAME,  SAME,    SAME,   SAME,    SAME,    SAME,    SAME]),
    ("spawning",       [SAME,    STOPPED, SAME,    STARTING,  SPAWN,    STARTING, "foreign", SAME,  SAME,    SAME,   SAME,    SAME,    SAME,    SAME]),
    ("starting",       [SAME,    STOP,    RESTART, STOP_NEW,  SAME,     SAME,     SAME,      READY, SAME,    AGAIN,  CRASHED, CRASHED, SAME,    SAME]),
    ("starting, late", [SAME,    STOP,    RESTART, STOP_NEW,  SAME,     SAME,     SAME,      READY, SAME,    AGAIN,  CRASHED, CRASHED, SAME,    "degraded 1"]),
    ("ready",          [SAME,    STOP,    RESTART, STOP_NEW,  SAME,     SAME,     SAME,      SAME,  RESTART, AGAIN,  CRASHED, CRASHED, SAME,    SAME]),
    ("degraded",       [SAME,    STOP,    RESTART, STOP_NEW,  SAME,     SAME,     SAME,      READY, SAME,    AGAIN,  CRASHED, CRASHED, SAME,    SAME]),
    ("stopping",       ["restarting 1", SAME, "restarting 1", STOP_NEW, SAME, SAME, SAME,    SAME,  SAME,    SAME,   SAME,    SAME,    STOPPED, SAME]),
    ("stopping, late", ["restarting 1", SAME, "restarting 1", STOP_NEW, SAME, SAME, SAME,    SAME,  SAME,    SAME,   SAME,    SAME,    STOPPED, KILL]),
    ("restarting",     [SAME,    "stopping 1", SAME, STOP_NEW, SAME,    SAME,     SAME,      SAME,  SAME,    SAME,   SAME,    SAME,    SPAWN,   SAME]),
    ("restarting, late", [SAME,  "stopping 1", SAME, STOP_NEW, SAME,    SAME,     SAME,      SAME,  SAME,    SAME,   SAME,    SAME,    SPAWN,   KILL_RESTART]),
    ("backoff",        [SPAWN,   STOPPED, SPAWN,   STOP_NEW,  SAME,     SAME,     SAME,      SAME,  SAME,    SAME,   SAME,    SAME,    SAME,    SAME]),
    ("backoff, due",   [SPAWN,   STOPPED, SPAWN,   STOP_NEW,  SAME,     SAME,     SAME,      SAME,  SAME,    SAME,   SAME,    SAME,    SAME,    SPAWN]),
    ("crash loop",     [SPAWN,   STOPPED, SPAWN,   STOP_NEW,  SAME,     SAME,     SAME,      SAME,  SAME,    SAME,   SAME,    SAME,    SAME,    SAME]),
    ("crash loop, due", [SPAWN,  STOPPED, SPAWN,   STOP_NEW,  SAME,     SAME,     SAME,      SAME,  SAME,    SAME,   SAME,    SAME,    SAME,    SPAWN]),
    ("foreign",        [SPAWN,   STOPPED, SPAWN,   STOP_NEW,  SAME,     STARTING, SAME,      SAME,  SAME,    SAME,   SAME,    SAME,    SAME,    SAME]),
];

#[test]
fn every_state_answers_every_input_as_the_table_says() {
    let states = states();
    assert_eq!(states.len(), TABLE.len(), "a state without a row");
    for ((name, was), (row, expected)) in states.iter().zip(TABLE) {
        assert_eq!(*name, row);
        for (input, expected) in inputs().into_iter().zip(expected) {
            let what = format!("{name} × {input:?}");
            let (next, effects) = step(was, &policy(RestartPolicy::Always), input, at(START), NO_JITTER);
            let answer =
                if next == *was && effects.is_empty() { SAME.to_owned() } else { words(&next, &effects) };
            assert_eq!(answer, expected, "{what}");
        }
    }
}

fn words(life: &Lifecycle, effects: &[Effect]) -> String {
    let state = match &life.state {
        State::Stopped { reason: StopReason::Requested, .. } => "stopped as asked".to_owned(),
        State::Stopped { reason, .. } => format!("stopped: {reason:?}"),
        State::Starting { process: None, .. } => "spawning".to_owned(),
        State::Starting { process: Some(p), .. } => format!("starting {}", p.pid),
        State::Ready { process, .. } => format!("ready {}", process.pid),
        State::Degraded { process, .. } => format!("degraded {}", process.pid),
        State::Stopping { process, killed, then, .. } => {
            let verb = if *then == AfterStop::Stay { "stopping" } else { "restarting" };
            format!("{verb} {}{}", process.pid, if *killed { ", killed" } else { "" })
        }
        State::Backoff { attempt, .. } => format!("backoff {attempt}"),
        State::CrashLoop { .. } => "crash loop".to_owned(),
        State::Foreign { .. } => "foreign".to_owned(),
        State::Unknown => "unknown".to_owned(),
    };
    let effects: Vec<String> = effects
        .iter()
        .map(|effect| match effect {
            Effect::Spawn => "spawn".to_owned(),
            Effect::Terminate => "terminate".to_owned(),
            Effect::Kill => "kill".to_owned(),
            Effect::Sweep => "sweep".to_owned(),
            Effect::ProveStopped => "prove".to_owned(),
            Effect::WakeAt(due) => format!("wake in {} s", due.since(awake(START)).as_secs()),
            Effect::ReportCrash(_) => "report".to_owned(),
        })
        .collect();
    if effects.is_empty() { state } else { format!("{state}: {}", effects.join(", ")) }
}

#[test]
fn an_exit_is_answered_as_the_restart_policy_says() {
    use RestartPolicy::{Always, Never, OnFailure};
    // Code 3 is listed as a success.
    let rows = [
        (Always, Exit::Code(0), "spawning: sweep, spawn"),
        (Always, Exit::Code(1), "spawning: report, sweep, spawn"),
        (OnFailure, Exit::Code(0), "stopped: Ended(Code(0)): sweep"),
        (OnFailure, Exit::Code(3), "stopped: Ended(Code(3)): sweep"),
        (OnFailure, Exit::Code(1), "spawning: report, sweep, spawn"),
        (OnFailure, Exit::Signal(15), "spawning: report, sweep, spawn"),
        (OnFailure, Exit::Unobserved, "spawning: report, sweep, spawn"),
        (Never, Exit::Code(0), "stopped: Ended(Code(0)): sweep"),
        (Never, Exit::Signal(9), "stopped: Ended(Signal(9)): report, sweep"),
    ];
    for (restart, exit, expected) in rows {
        let ready = life(State::Ready { process: process(1), since: at(START) });
        let (next, effects) = step(&ready, &policy(restart), Input::Exited(exit), at(START), NO_JITTER);
        assert_eq!(words(&next, &effects), expected, "{restart:?} × {exit:?}");
        assert_eq!(next.last_exit, Some((exit, at(START).wall)));
    }
}

#[test]
fn a_service_that_may_not_restart_is_degraded_by_its_liveness() {
    let ready = life(State::Ready { process: process(1), since: at(START) });
    let failed = Input::LivenessFailed("5 in a row".to_owned());
    let (next, effects) = step(&ready, &policy(RestartPolicy::Never), failed, at(START), NO_JITTER);
    assert_eq!(words(&next, &effects), "degraded 1");
}

/// A service under `always` on a clock of its own.
struct Play {
    life: Lifecycle,
    now: u64,
}

impl Play {
    fn begun() -> Self {
        let mut play = Self { life: Lifecycle::default(), now: START };
        play.feed(Input::Start);
        play
    }

    fn feed(&mut self, input: Input) -> Vec<Effect> {
        let policy = policy(RestartPolicy::Always);
        let (next, effects) = step(&self.life, &policy, input, at(self.now), NO_JITTER);
        self.life = next;
        effects
    }

    fn after(&mut self, seconds: u64) -> &mut Self {
        self.now += seconds;
        self
    }

    fn dies(&mut self) -> String {
        self.feed(Input::Spawned(process(1)));
        self.feed(Input::Exited(Exit::Code(1)));
        match &self.life.state {
            State::Starting { process: None, .. } => "at once".to_owned(),
            State::Backoff { until, .. } => format!("in {} s", until.since(awake(self.now)).as_secs()),
            State::CrashLoop { until, .. } => {
                format!("crash loop, in {} s", until.since(awake(self.now)).as_secs())
            }
            other => panic!("{other:?}"),
        }
    }

    /// Waits for the next try, if it has to.
    fn is_tried_again(&mut self) {
        if let State::Backoff { until, .. } | State::CrashLoop { until, .. } = self.life.state {
            self.now += until.since(awake(self.now)).as_secs();
            assert_eq!(self.feed(Input::Timer), [Effect::Spawn]);
        }
    }
}

#[test]
fn the_first_respawn_is_at_once_then_the_waits_double_into_the_crash_loop() {
    let mut play = Play::begun();
    let mut waits = Vec::new();
    for _ in 0..5 {
        waits.push(play.dies());
        play.is_tried_again();
    }
    assert_eq!(waits, ["at once", "in 1 s", "in 2 s", "in 4 s", "crash loop, in 300 s"]);
    assert_eq!(play.life.restarts, 5);
}

#[test]
fn slow_deaths_are_no_crash_loop_and_wait_at_most_a_minute() {
    let mut play = Play::begun();
    let mut waits = Vec::new();
    for _ in 0..9 {
        play.after(31);
        waits.push(play.dies());
        play.is_tried_again();
    }
    assert_eq!(
        waits,
        ["at once", "in 1 s", "in 2 s", "in 4 s", "in 8 s", "in 16 s", "in 32 s", "in 60 s", "in 60 s"]
    );
}

#[test]
fn a_failed_try_of_the_slow_lane_goes_back_to_it() {
    let mut play = Play::begun();
    for _ in 0..5 {
        play.dies();
        play.is_tried_again();
    }
    for _ in 0..4 {
        assert_eq!(play.dies(), format!("crash loop, in {} s", SLOW_LANE.as_secs()));
        play.is_tried_again();
    }
}

#[test]
fn restart_now_resets_a_crash_loop() {
    let mut play = Play::begun();
    for _ in 0..4 {
        play.dies();
        play.is_tried_again();
    }
    assert!(play.dies().starts_with("crash loop"));
    assert_eq!(play.feed(Input::Restart), [Effect::Spawn]);
    assert_eq!(play.dies(), "at once");
}

#[test]
fn restart_counter_resets_only_after_60s_ready() {
    let mut play = Play::begun();
    play.dies();
    play.feed(Input::Spawned(process(2)));
    play.feed(Input::ReadinessPassed);
    play.after(59).feed(Input::Timer);
    assert_eq!(play.life.streak, 1, "reset too early");
    play.after(1).feed(Input::Timer);
    assert_eq!(play.life.streak, 0);
    play.feed(Input::Exited(Exit::Code(1)));
    assert_eq!(play.life.streak, 1);
    // Having a pid is not enough, however long.
    play.feed(Input::Spawned(process(3)));
    play.after(600).feed(Input::Timer);
    assert_eq!(play.life.streak, 1);
    assert_eq!(STABLE_AFTER, Duration::from_secs(60));
}

#[test]
fn a_stop_outlasts_what_happens_meanwhile_and_kills_again_and_again() {
    let mut play = Play::begun();
    play.feed(Input::Spawned(process(1)));
    play.feed(Input::Stop);
    assert_eq!(play.feed(Input::Exited(Exit::Signal(15))), [], "the leader alone proves nothing");
    for _ in 0..3 {
        play.after(10);
        assert_eq!(play.feed(Input::Timer)[0], Effect::Kill);
    }
    play.feed(Input::ProvedStopped);
    assert_eq!(words(&play.life, &[]), STOPPED);
    assert_eq!(play.feed(Input::Timer), []);
}

fn any_input() -> impl Strategy<Value = Input> {
    prop::sample::select(inputs().to_vec())
}

proptest! {
    /// The adapter's side of the contract is kept: `Spawned` and its like only answer a `Spawn`.
    #[test]
    fn no_sequence_spawns_beside_a_process_or_forgets_one_or_waits_without_a_timer(
        moves in prop::collection::vec((any_input(), 0u64..400), 1..200),
        dice in 0.0f64..1.0,
    ) {
        let policy = policy(RestartPolicy::Always);
        let mut life = Lifecycle::default();
        let mut now = START;
        let mut timer: Option<AwakeInstant> = None;
        for (input, pause) in moves {
            let spawning = matches!(life.state, State::Starting { process: None, .. });
            let answers = matches!(input, Input::Spawned(_) | Input::SpawnFailed(_) | Input::PortTaken(_));
            if answers != spawning && !matches!(input, Input::Timer) {
                continue;
            }
            let input = if input == Input::Timer {
                let Some(due) = timer.take() else { continue };
                now = now.max(due.since(awake(0)).as_secs() + 1);
                input
            } else {
                now += pause;
                input
            };
            let had = life.process();
            let ended = matches!(input, Input::Exited(_) | Input::ProvedStopped);
            let (next, effects) = step(&life, &policy, input, at(now), dice);
            if effects.contains(&Effect::Spawn) {
                prop_assert!(had.is_none() || ended, "a second copy beside {had:?}");
                let spawning = matches!(next.state, State::Starting { process: None, .. });
                prop_assert!(spawning);
            }
            if had.is_some() && !ended {
                prop_assert_eq!(next.process(), had, "a process was forgotten");
            }
            for effect in &effects {
                if let Effect::WakeAt(due) = effect {
                    prop_assert!(*due > awake(now), "a timer in the past");
                    timer = Some(*due);
                }
            }
            let waits = matches!(next.state, State::Backoff { .. } | State::CrashLoop { .. } | State::Stopping { .. });
            prop_assert!(!waits || timer.is_some(), "{:?} for ever", next.state);
            prop_assert!(next.exits.len() <= CRASH_LIMIT);
            life = next;
        }
    }

    #[test]
    fn every_backoff_is_within_its_jitter_and_its_bound(streak in 0u32.., dice in 0.0f64..1.0) {
        let Some(wait) = backoff(streak, dice) else {
            prop_assert!(streak < 2);
            return Ok(());
        };
        let base = BACKOFF_MAX.as_secs_f64().min(2f64.powi(i32::try_from(streak - 2).unwrap_or(i32::MAX)));
        prop_assert!((wait.as_secs_f64() / base - 1.0).abs() <= BACKOFF_JITTER + 1e-9, "{wait:?} for {streak}");
    }
}
