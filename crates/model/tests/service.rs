//! The life of a service: every state with every input.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

mod lifecycle;

use lifecycle::{INPUTS, NO_JITTER, START, at, awake, inputs, owner, policy, process};
use steady_model::process::Exit;
use steady_model::service::{
    AfterStop, Effect, End, Input, Lifecycle, Policy, RestartPolicy, State, StopReason, step,
};

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
    let ended = StopReason::Ended(End::Exited(Exit::Code(1)));
    let retry = || AfterStop::Retry(End::Unresponsive("5 in a row".to_owned()));
    let waiting = StopReason::Waiting("waiting for api".to_owned());
    vec![
        ("unknown", life(State::Unknown)),
        ("stopped", life(State::Stopped { since: now.wall, reason: ended })),
        ("waiting", life(State::Stopped { since: now.wall, reason: waiting })),
        ("spawning", starting(None, START)),
        ("starting", starting(Some(process(1)), START)),
        ("starting, late", starting(Some(process(1)), START - 30)),
        ("ready", life(State::Ready { process: process(1), since: now })),
        ("degraded", life(State::Degraded { process: process(1), since: now, reason: cause() })),
        ("stopping", stopping(AfterStop::Stay, START + 1)),
        ("stopping, late", stopping(AfterStop::Stay, START)),
        ("restarting", stopping(AfterStop::Restart, START + 1)),
        ("restarting, late", stopping(AfterStop::Restart, START)),
        ("retrying", stopping(retry(), START + 1)),
        ("retrying, late", stopping(retry(), START)),
        ("backoff", backoff(START + 1)),
        ("backoff, due", backoff(START)),
        ("crash loop", crash_loop(START + 1)),
        ("crash loop, due", crash_loop(START)),
        ("foreign", life(State::Foreign { owner: owner(), since: now.wall })),
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
const WAIT: &str = "waiting for db";
const RETRY: &str = "retrying 1: report, terminate, prove, wake in 10 s";
const DAEMON: &str = "stopped after going to the background as pid 3: report, sweep";
const KILL_RETRY: &str = "retrying 1, killed: kill, wake in 5 s";
const KILL_RESTART: &str = "restarting 1, killed: kill, wake in 5 s";

/// Restart policy `always`. Columns as in `inputs`.
#[rustfmt::skip]
const TABLE: [(&str, [&str; INPUTS]); 19] = [
    //                  Start           Stop          Restart         Wait  Still Release Spawned   SpawnFailed Adopted   PortTaken  Ready  Liveness Memory Exit 0 Signal 9 Unseen   Daemon  Proved   Timer
    ("unknown",        [SPAWN,          STOPPED,      SPAWN,          WAIT, SAME, SAME,   STOP_NEW, SAME,       STARTING, SAME,      SAME,  SAME,    SAME,  SAME,  SAME,    SAME,    SAME,   SAME,    SAME]),
    ("stopped",        [SPAWN,          STOPPED,      SPAWN,          WAIT, SAME, SAME,   STOP_NEW, SAME,       STARTING, SAME,      SAME,  SAME,    SAME,  SAME,  SAME,    SAME,    SAME,   SAME,    SAME]),
    ("waiting",        [SPAWN,          STOPPED,      SPAWN,          WAIT, WAIT, SPAWN,  STOP_NEW, SAME,       STARTING, SAME,      SAME,  SAME,    SAME,  SAME,  SAME,    SAME,    SAME,   SAME,    SAME]),
    ("spawning",       [SAME,           STOPPED,      SAME,           SAME, SAME, SAME,   STARTING, SPAWN,      STARTING, "foreign", SAME,  SAME,    SAME,  SAME,  SAME,    SAME,    SAME,   SAME,    SAME]),
    ("starting",       [SAME,           STOP,         RESTART,        SAME, SAME, SAME,   STOP_NEW, SAME,       SAME,     SAME,      READY, SAME,    RETRY, AGAIN, CRASHED, CRASHED, DAEMON, SAME,    SAME]),
    ("starting, late", [SAME,           STOP,         RESTART,        SAME, SAME, SAME,   STOP_NEW, SAME,       SAME,     SAME,      READY, SAME,    RETRY, AGAIN, CRASHED, CRASHED, DAEMON, SAME,    "degraded 1"]),
    ("ready",          [SAME,           STOP,         RESTART,        SAME, SAME, SAME,   STOP_NEW, SAME,       SAME,     SAME,      SAME,  RETRY,   RETRY, AGAIN, CRASHED, CRASHED, DAEMON, SAME,    SAME]),
    ("degraded",       [SAME,           STOP,         RESTART,        SAME, SAME, SAME,   STOP_NEW, SAME,       SAME,     SAME,      READY, SAME,    RETRY, AGAIN, CRASHED, CRASHED, DAEMON, SAME,    SAME]),
    ("stopping",       ["restarting 1", SAME,         "restarting 1", SAME, SAME, SAME,   STOP_NEW, SAME,       SAME,     SAME,      SAME,  SAME,    SAME,  SAME,  SAME,    SAME,    SAME,   STOPPED, SAME]),
    ("stopping, late", ["restarting 1", SAME,         "restarting 1", SAME, SAME, SAME,   STOP_NEW, SAME,       SAME,     SAME,      SAME,  SAME,    SAME,  SAME,  SAME,    SAME,    SAME,   STOPPED, KILL]),
    ("restarting",     [SAME,           "stopping 1", SAME,           SAME, SAME, SAME,   STOP_NEW, SAME,       SAME,     SAME,      SAME,  SAME,    SAME,  SAME,  SAME,    SAME,    SAME,   SPAWN,   SAME]),
    ("restarting, late", [SAME,           "stopping 1", SAME,           SAME, SAME, SAME,   STOP_NEW, SAME,       SAME,     SAME,      SAME,  SAME,    SAME,  SAME,  SAME,    SAME,    SAME,   SPAWN,   KILL_RESTART]),
    ("retrying",       ["restarting 1", "stopping 1", "restarting 1", SAME, SAME, SAME,   STOP_NEW, SAME,       SAME,     SAME,      SAME,  SAME,    SAME,  SAME,  SAME,    SAME,    SAME,   SPAWN,   SAME]),
    ("retrying, late", ["restarting 1", "stopping 1", "restarting 1", SAME, SAME, SAME,   STOP_NEW, SAME,       SAME,     SAME,      SAME,  SAME,    SAME,  SAME,  SAME,    SAME,    SAME,   SPAWN,   KILL_RETRY]),
    ("backoff",        [SPAWN,          STOPPED,      SPAWN,          SAME, SAME, SAME,   STOP_NEW, SAME,       SAME,     SAME,      SAME,  SAME,    SAME,  SAME,  SAME,    SAME,    SAME,   SAME,    SAME]),
    ("backoff, due",   [SPAWN,          STOPPED,      SPAWN,          SAME, SAME, SAME,   STOP_NEW, SAME,       SAME,     SAME,      SAME,  SAME,    SAME,  SAME,  SAME,    SAME,    SAME,   SAME,    SPAWN]),
    ("crash loop",     [SPAWN,          STOPPED,      SPAWN,          SAME, SAME, SAME,   STOP_NEW, SAME,       SAME,     SAME,      SAME,  SAME,    SAME,  SAME,  SAME,    SAME,    SAME,   SAME,    SAME]),
    ("crash loop, due", [SPAWN,          STOPPED,      SPAWN,          SAME, SAME, SAME,   STOP_NEW, SAME,       SAME,     SAME,      SAME,  SAME,    SAME,  SAME,  SAME,    SAME,    SAME,   SAME,    SPAWN]),
    ("foreign",        [SPAWN,          STOPPED,      SPAWN,          SAME, SAME, SAME,   STOP_NEW, SAME,       STARTING, SAME,      SAME,  SAME,    SAME,  SAME,  SAME,    SAME,    SAME,   SAME,    SAME]),
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
        State::Stopped { reason: StopReason::Waiting(on), .. } => on.clone(),
        State::Stopped { reason: StopReason::Ended(end), .. } => {
            format!("stopped after {}", steady_model::words::end(end))
        }
        State::Stopped { reason, .. } => format!("stopped: {reason:?}"),
        State::Starting { process: None, .. } => "spawning".to_owned(),
        State::Starting { process: Some(p), .. } => format!("starting {}", p.pid),
        State::Ready { process, .. } => format!("ready {}", process.pid),
        State::Degraded { process, .. } => format!("degraded {}", process.pid),
        State::Stopping { process, killed, then, .. } => {
            let verb = match then {
                AfterStop::Stay => "stopping",
                AfterStop::Restart => "restarting",
                AfterStop::Retry(_) => "retrying",
            };
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
        (OnFailure, Exit::Code(0), "stopped after exit code 0: sweep"),
        (OnFailure, Exit::Code(3), "stopped after exit code 3: sweep"),
        (OnFailure, Exit::Code(1), "spawning: report, sweep, spawn"),
        (OnFailure, Exit::Signal(15), "spawning: report, sweep, spawn"),
        (OnFailure, Exit::Unobserved, "spawning: report, sweep, spawn"),
        (Never, Exit::Code(0), "stopped after exit code 0: sweep"),
        (Never, Exit::Signal(9), "stopped after signal 9 (SIGKILL): report, sweep"),
    ];
    for (restart, exit, expected) in rows {
        let ready = life(State::Ready { process: process(1), since: at(START) });
        let (next, effects) = step(&ready, &policy(restart), Input::Exited(exit), at(START), NO_JITTER);
        assert_eq!(words(&next, &effects), expected, "{restart:?} × {exit:?}");
        assert_eq!(next.last_end, Some((End::Exited(exit), at(START).wall)));
    }
}

#[test]
fn a_service_that_may_not_restart_is_degraded_by_its_liveness() {
    let ready = life(State::Ready { process: process(1), since: at(START) });
    let failed = Input::LivenessFailed("5 in a row".to_owned());
    let (next, effects) = step(&ready, &policy(RestartPolicy::Never), failed, at(START), NO_JITTER);
    assert_eq!(words(&next, &effects), "degraded 1");
}

#[test]
fn a_one_shot_completes_with_a_clean_exit_and_only_with_one() {
    let ready = life(State::Ready { process: process(1), since: at(START) });
    for (restart, exit, expected) in [
        (RestartPolicy::OnFailure, Exit::Code(0), "stopped: Completed(Code(0)): sweep"),
        (RestartPolicy::Always, Exit::Code(3), "stopped: Completed(Code(3)): sweep"),
        (RestartPolicy::OnFailure, Exit::Code(1), "spawning: report, sweep, spawn"),
        (RestartPolicy::Never, Exit::Code(1), "stopped after exit code 1: report, sweep"),
    ] {
        let policy = Policy { oneshot: true, ..policy(restart) };
        let (next, effects) = step(&ready, &policy, Input::Exited(exit), at(START), NO_JITTER);
        assert_eq!(words(&next, &effects), expected, "{restart:?} × {exit:?}");
    }
}

#[test]
fn what_may_not_restart_is_not_tried_again_when_it_cannot_be_started() {
    let spawning = life(State::Starting { process: None, since: at(START) });
    let failed = Input::SpawnFailed("no such file".to_owned());
    let (next, effects) = step(&spawning, &policy(RestartPolicy::Never), failed, at(START), NO_JITTER);
    assert_eq!(words(&next, &effects), "stopped: CouldNotStart(\"no such file\")");
}
