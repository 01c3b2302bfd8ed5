//! Promises of `check::observe`: what changes a verdict, and what does not.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::time::Duration;

use proptest::prelude::*;
use steady_model::check::{CheckState, Observation, Status, Thresholds, observe, while_warming};
use steady_model::config::Probe;
use steady_model::settle::Settle;
use steady_model::time::{AwakeInstant, Now, WallTime};

fn seen(status: Status, fact: bool, second: i64) -> Observation {
    Observation {
        status,
        evidence: format!("look {second}"),
        fact,
        at: Now {
            awake: AwakeInstant::since_boot(Duration::from_secs(second.unsigned_abs())),
            wall: WallTime(jiff::Timestamp::from_second(1_800_000_000 + second).unwrap()),
        },
        took: Duration::ZERO,
        measure: None,
        samples: Vec::new(),
        action: None,
    }
}

/// The status after each observation.
fn fold(looks: &[(Status, bool)], thresholds: Thresholds) -> Vec<CheckState> {
    let mut state = CheckState::default();
    let mut all = Vec::new();
    for (i, (status, fact)) in looks.iter().enumerate() {
        state = observe(&state, seen(*status, *fact, i64::try_from(i).unwrap()), thresholds);
        all.push(state.clone());
    }
    all
}

fn statuses(looks: &[Status]) -> Vec<Status> {
    let looks: Vec<_> = looks.iter().map(|s| (*s, false)).collect();
    fold(&looks, Thresholds { worsen: 3, improve: 2 }).iter().map(|s| s.status).collect()
}

use Status::{Fail, Pass, Unknown, Warn};

#[test]
fn nothing_observed_is_unknown_and_the_first_answer_counts_at_once() {
    assert_eq!(CheckState::default().status, Unknown);
    assert_eq!(statuses(&[Pass]), [Pass]);
    assert_eq!(statuses(&[Fail]), [Fail]);
}

#[test]
fn a_single_failure_changes_nothing_and_three_in_a_row_do() {
    assert_eq!(
        statuses(&[Pass, Fail, Fail, Pass, Fail, Fail, Fail]),
        [Pass, Pass, Pass, Pass, Pass, Pass, Fail]
    );
}

#[test]
fn one_good_answer_after_a_failure_is_not_yet_green() {
    assert_eq!(statuses(&[Fail, Pass, Fail, Pass, Pass]), [Fail, Fail, Fail, Fail, Pass]);
}

#[test]
fn warnings_and_one_failure_make_a_warning_and_the_failure_still_counts_towards_red() {
    assert_eq!(statuses(&[Pass, Warn, Warn, Fail, Fail, Fail]), [Pass, Pass, Pass, Warn, Warn, Fail]);
}

#[test]
fn a_check_that_stops_answering_sensibly_is_no_longer_green() {
    assert_eq!(statuses(&[Pass, Unknown, Unknown, Unknown]).last(), Some(&Unknown));
}

#[test]
fn a_fact_counts_at_once_in_both_directions() {
    let states = fold(&[(Pass, false), (Fail, true), (Pass, true)], Thresholds::default());
    assert_eq!(states.iter().map(|s| s.status).collect::<Vec<_>>(), [Pass, Fail, Pass]);
}

#[test]
fn since_is_the_time_of_the_change_and_not_of_the_last_look() {
    let states = fold(&[(Pass, false), (Pass, false), (Fail, true), (Fail, false)], Thresholds::default());
    let since: Vec<_> = states.iter().map(|s| s.since.unwrap().0.as_second() - 1_800_000_000).collect();
    assert_eq!(since, [0, 0, 2, 2]);
    assert_eq!(states[3].last.as_ref().unwrap().evidence, "look 3");
}

#[test]
fn a_threshold_of_zero_asks_for_one_observation() {
    let states = fold(&[(Pass, false), (Fail, false)], Thresholds { worsen: 0, improve: 0 });
    assert_eq!(states[1].status, Fail);
}

fn status() -> impl Strategy<Value = Status> {
    prop_oneof![Just(Pass), Just(Unknown), Just(Warn), Just(Fail)]
}

proptest! {
    #[test]
    fn a_change_is_always_backed_by_enough_observations(
        looks in prop::collection::vec((status(), prop::bool::weighted(0.1)), 1..60),
        worsen in 1u32..5,
        improve in 1u32..5,
    ) {
        let states = fold(&looks, Thresholds { worsen, improve });
        let mut was = Unknown;
        for (i, state) in states.iter().enumerate() {
            let (now, fact) = looks[i];
            let last = |n: u32| {
                let n = usize::try_from(n).unwrap();
                (i + 1 >= n).then(|| looks[i + 1 - n..=i].iter().map(|l| l.0).collect::<Vec<_>>())
            };
            if fact || was == Unknown {
                prop_assert_eq!(state.status, now);
            } else if state.status > was {
                prop_assert!(last(worsen).unwrap().iter().all(|s| *s >= state.status));
            } else if state.status < was {
                prop_assert!(last(improve).unwrap().iter().all(|s| *s <= state.status));
            } else {
                // Nothing may be held back either.
                prop_assert!(!last(worsen).is_some_and(|l| l.iter().all(|s| *s > was)));
            }
            if state.status == Pass && was != Pass {
                prop_assert_eq!(now, Pass, "green that was not observed");
            }
            was = state.status;
        }
    }
}

#[test]
fn trouble_while_warming_up_is_unknown_and_a_fact_is_not() {
    let (begun, warm_up) = (AwakeInstant::since_boot(Duration::from_secs(100)), Duration::from_secs(30));
    let judged = |status, fact, second| while_warming(seen(status, fact, second), begun, warm_up);
    assert_eq!(judged(Fail, false, 110).status, Unknown);
    assert_eq!(judged(Fail, false, 110).evidence, "look 110; it may take 20 s more to warm up");
    assert_eq!(judged(Warn, false, 129).status, Unknown);
    assert_eq!(judged(Fail, true, 110).status, Fail);
    assert_eq!(judged(Pass, false, 110).status, Pass);
    assert_eq!(judged(Fail, false, 130).status, Fail);
}

#[test]
fn what_was_seen_is_not_believed_for_ever() {
    let probe = |interval| Probe { interval: Duration::from_secs(interval), timeout: Duration::from_secs(3) };
    let second = |s| Some(AwakeInstant::since_boot(Duration::from_secs(s)));
    let state = fold(&[(Pass, false)], Thresholds::default()).remove(0);
    assert_eq!(state.expires(probe(30), None), second(123));
    assert_eq!(state.expires(probe(1), None), second(60), "a busy moment of the agent is no reason for grey");
    assert_eq!(state.expires(probe(30), second(1000)), second(1123), "nobody could look before");
    assert_eq!(CheckState::default().expires(probe(30), None), None);
}

#[test]
fn while_things_settle_a_look_may_improve_a_status_but_not_worsen_it() {
    let woke = AwakeInstant::since_boot(Duration::from_secs(100));
    let settle = Settle::default().woke(woke, Duration::from_secs(30));
    let admits = |was, status, fact, second| settle.admits(was, &seen(status, fact, second));
    assert!(!admits(Pass, Fail, false, 110));
    assert!(!admits(Unknown, Fail, false, 110), "nor is a first answer news yet");
    assert!(admits(Pass, Fail, true, 110), "a fact");
    assert!(admits(Fail, Pass, false, 110));
    assert!(admits(Pass, Fail, false, 130));
    let slow = Observation { took: Duration::from_secs(5), ..seen(Fail, false, 133) };
    assert!(!settle.admits(Pass, &slow), "it began before");
    assert_eq!(settle.left(woke), Some(Duration::from_secs(30)));
    assert_eq!(settle.left(woke.after(Duration::from_secs(30))), None);
    assert!(Settle::default().admits(Pass, &seen(Fail, false, 110)));
}

#[test]
fn a_run_of_failures_is_not_counted_across_a_sleep() {
    let two = [(Pass, false), (Fail, false), (Fail, false)];
    let mut state = fold(&two, Thresholds { worsen: 3, improve: 2 }).remove(2);
    state.woke();
    let after = observe(&state, seen(Fail, false, 3), Thresholds { worsen: 3, improve: 2 });
    assert_eq!(after.status, Pass);
}
