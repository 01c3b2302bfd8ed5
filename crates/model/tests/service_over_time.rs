//! The life of a service: what only a sequence can show.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test ends where it fails")]

mod lifecycle;

use std::time::Duration;

use lifecycle::{NO_JITTER, START, at, awake, inputs, policy, process};
use proptest::prelude::*;
use steady_model::process::Exit;
use steady_model::service::{
    BACKOFF_JITTER, BACKOFF_MAX, CRASH_LIMIT, Effect, Input, Lifecycle, RestartPolicy, SLOW_LANE,
    STABLE_AFTER, State, StopReason, backoff, step,
};
use steady_model::time::AwakeInstant;

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
    let asked = matches!(play.life.state, State::Stopped { reason: StopReason::Requested, .. });
    assert!(asked, "{:?}", play.life.state);
    assert_eq!(play.feed(Input::Timer), []);
}

#[test]
fn a_restart_for_liveness_counts_like_an_exit() {
    let mut play = Play::begun();
    let mut waits = Vec::new();
    for _ in 0..5 {
        play.feed(Input::Spawned(process(1)));
        play.feed(Input::ReadinessPassed);
        let effects = play.feed(Input::LivenessFailed("3 failed checks in a row".to_owned()));
        assert!(matches!(effects[0], Effect::ReportCrash(_)), "{effects:?}");
        play.feed(Input::ProvedStopped);
        waits.push(match &play.life.state {
            State::Starting { process: None, .. } => "at once".to_owned(),
            State::Backoff { until, .. } => format!("in {} s", until.since(awake(play.now)).as_secs()),
            other => format!("{other:?}").split(' ').next().unwrap_or_default().to_owned(),
        });
        play.is_tried_again();
    }
    assert_eq!(waits, ["at once", "in 1 s", "in 2 s", "in 4 s", "CrashLoop"]);
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
            let ended = matches!(
                input,
                Input::Exited(_) | Input::WentToBackground { .. } | Input::ProvedStopped
            );
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
