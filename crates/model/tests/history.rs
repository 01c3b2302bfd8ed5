//! Promises of how history is cut.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use steady_model::history::{Absence, Gap, Interval, Lived, lay_over};
use steady_model::time::WallTime;

fn at(minute: i64) -> WallTime {
    WallTime(jiff::Timestamp::from_second(1_790_000_000 + minute * 60).unwrap())
}

fn lived(status: Lived, from: i64, to: Option<i64>) -> Interval {
    Interval { subject: "overall".into(), status, from: at(from), to: to.map(at), sentence: "seen".into() }
}

fn gap(cause: Absence, from: i64, to: i64) -> Gap {
    Gap { cause, from: at(from), to: at(to) }
}

fn minutes(intervals: &[Interval]) -> Vec<(Lived, i64, Option<i64>)> {
    let minute = |t: WallTime| (t.0.as_second() - 1_790_000_000) / 60;
    intervals.iter().map(|i| (i.status, minute(i.from), i.to.map(minute))).collect()
}

#[test]
fn sleep_is_a_gap_in_what_lasted_and_not_a_part_of_it() {
    let states = [lived(Lived::Pass, 60, None), lived(Lived::Fail, 0, Some(60))];
    let gaps = [gap(Absence::Asleep, 100, 500), gap(Absence::Asleep, 20, 30)];
    assert_eq!(
        minutes(&lay_over("overall", &states, &gaps)),
        [
            (Lived::Pass, 500, None),
            (Lived::Asleep, 100, Some(500)),
            (Lived::Pass, 60, Some(100)),
            (Lived::Fail, 30, Some(60)),
            (Lived::Asleep, 20, Some(30)),
            (Lived::Fail, 0, Some(20)),
        ]
    );
}

#[test]
fn an_agent_that_was_away_knows_nothing_of_that_time() {
    let states = [lived(Lived::Pass, 20, None), lived(Lived::Pass, 0, Some(10))];
    let cut = lay_over("overall", &states, &[gap(Absence::Away, 10, 20)]);
    assert_eq!(cut[1].sentence, "Steady did not run");
    assert_eq!(
        minutes(&cut),
        [(Lived::Pass, 20, None), (Lived::Unknown, 10, Some(20)), (Lived::Pass, 0, Some(10))]
    );
}

#[test]
fn a_gap_over_the_whole_leaves_nothing_of_it_and_none_is_negative() {
    let states = [lived(Lived::Fail, 10, Some(20))];
    let gaps = [gap(Absence::Asleep, 0, 30), gap(Absence::Asleep, 40, 35), gap(Absence::Asleep, 5, 15)];
    let cut = minutes(&lay_over("overall", &states, &gaps));
    assert_eq!(cut, [(Lived::Asleep, 5, Some(15)), (Lived::Asleep, 0, Some(30))]);
}
