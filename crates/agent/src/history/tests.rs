use std::path::Path;

use rusqlite::Connection;
use steady_model::check::Status;
use steady_model::history::{Interval, Lived};
use tempfile::TempDir;

use super::recorder::Change;
use super::store::read;
use super::*;

const BEGUN: i64 = 1_790_000_000;

fn at(second: i64) -> WallTime {
    WallTime(jiff::Timestamp::from_second(BEGUN + second).unwrap())
}

fn change(subject: &str, second: i64, status: Status) -> Entry {
    let state = Some((Lived::from(status), format!("{subject} is {status:?}")));
    Entry::Change(Change { subject: subject.to_owned(), at: at(second), state })
}

fn book() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("history.db");
    (dir, path)
}

fn told(path: &Path, subject: &str) -> Vec<(Lived, i64, Option<i64>)> {
    let span = Span { subject: subject.into(), since: at(-1_000_000), until: at(1_000_000_000), limit: 5000 };
    seconds(&read(path, &span).unwrap().intervals)
}

fn seconds(intervals: &[Interval]) -> Vec<(Lived, i64, Option<i64>)> {
    let second = |t: WallTime| t.0.as_second() - BEGUN;
    intervals.iter().map(|i| (i.status, second(i.from), i.to.map(second))).collect()
}

#[test]
fn states_are_kept_as_intervals_with_the_sentence_of_their_beginning() {
    let (_dir, path) = book();
    let mut store = Store::open(&path, at(0)).unwrap();
    store
        .write(&[change("check:vault", 0, Status::Pass), change("overall", 0, Status::Pass)], at(0))
        .unwrap();
    store.write(&[change("check:vault", 50, Status::Fail)], at(50)).unwrap();
    store.write(&[Entry::Slept { from: at(60), to: at(100) }], at(100)).unwrap();
    let expected = [
        (Lived::Fail, 100, None),
        (Lived::Asleep, 60, Some(100)),
        (Lived::Fail, 50, Some(60)),
        (Lived::Pass, 0, Some(50)),
    ];
    assert_eq!(told(&path, "check:vault"), expected);
    assert_eq!(told(&path, "vault"), expected, "a name that only one has is enough");
    let unknown = read(&path, &Span { subject: "brain".into(), since: at(0), until: at(1), limit: 1 });
    let why = unknown.unwrap_err().to_string();
    assert_eq!(why, "nothing with the name brain has a history; those that have: check:vault, overall");
}

#[test]
fn what_a_killed_agent_left_open_ends_when_it_was_last_known_to_live() {
    let (_dir, path) = book();
    let mut killed = Store::open(&path, at(0)).unwrap();
    killed.write(&[change("overall", 0, Status::Pass)], at(0)).unwrap();
    killed.write(&[], at(60)).unwrap();
    drop(killed);
    let mut next = Store::open(&path, at(500)).unwrap();
    next.write(&[change("overall", 501, Status::Fail)], at(501)).unwrap();
    assert_eq!(
        told(&path, "overall"),
        [(Lived::Fail, 501, None), (Lived::Unknown, 60, Some(500)), (Lived::Pass, 0, Some(60))]
    );
}

#[test]
fn a_clock_set_back_makes_no_negative_interval() {
    let (_dir, path) = book();
    let mut store = Store::open(&path, at(0)).unwrap();
    store
        .write(&[change("overall", 0, Status::Pass), change("overall", 90_000, Status::Fail)], at(90_000))
        .unwrap();
    // A day back: the failure goes on, and the recorder says so anew.
    store
        .write(&[change("overall", 3600, Status::Fail), change("overall", 3700, Status::Pass)], at(3700))
        .unwrap();
    drop(store);
    let _next = Store::open(&path, at(3000)).unwrap();
    let all = told(&path, "overall");
    assert!(all.iter().all(|(_, from, to)| to.is_none_or(|to| to >= *from)), "{all:?}");
    assert!(all.contains(&(Lived::Fail, 3600, Some(3700))), "{all:?}");
}

#[test]
fn pages_go_back_without_a_hole_or_a_double() {
    let (_dir, path) = book();
    let mut store = Store::open(&path, at(0)).unwrap();
    let flaps: Vec<Entry> = (0..25)
        .map(|n| change("overall", n * 10, if n % 2 == 0 { Status::Pass } else { Status::Fail }))
        .collect();
    store.write(&flaps, at(250)).unwrap();
    let (mut until, mut all) = (at(1000), Vec::new());
    for _ in 0..3 {
        let span = Span { subject: "overall".into(), since: at(-1), until, limit: 10 };
        let page = read(&path, &span).unwrap();
        all.extend(page.intervals);
        match page.earlier {
            Some(earlier) => until = earlier,
            None => break,
        }
    }
    assert_eq!(all.len(), 25);
    assert_eq!(seconds(&all), told(&path, "overall"));
}

#[test]
fn ninety_days_are_kept_and_a_wrong_clock_takes_nothing_at_once() {
    const DAY: i64 = 86_400;
    let (_dir, path) = book();
    let mut store = Store::open(&path, at(0)).unwrap();
    let days: Vec<Entry> = (0..100)
        .map(|n| change("overall", n * DAY, if n % 2 == 0 { Status::Pass } else { Status::Fail }))
        .collect();
    store.write(&days, at(99 * DAY)).unwrap();
    store.prune(at(10_000 * DAY)).unwrap();
    assert_eq!(told(&path, "overall").len(), 100, "a clock that is years ahead");
    for day in (2..=100).step_by(2) {
        store.prune(at(day * DAY)).unwrap();
    }
    let oldest = told(&path, "overall").last().copied().unwrap();
    assert!((9..=11).contains(&(oldest.1 / DAY)), "{oldest:?}");
}

/// The format that is out there: a file of an agent of today must be readable by every later one.
#[test]
fn the_format_is_the_one_of_version_1() {
    let (_dir, path) = book();
    drop(Store::open(&path, at(0)).unwrap());
    let db = Connection::open(&path).unwrap();
    let mut query = db.prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name").unwrap();
    let schema: Vec<String> = query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    insta::assert_snapshot!(schema.join(";\n"));
    let version: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!(version, 1);
}

#[test]
fn a_database_of_a_later_format_is_left_as_it_is() {
    let (_dir, path) = book();
    drop(Store::open(&path, at(0)).unwrap());
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 2).unwrap();
    let refused = Store::open(&path, at(5)).err().unwrap().to_string();
    assert!(refused.contains("is of format 2, and this Steady knows 1"), "{refused}");
}

/// What `docs/the-dot.md` says of its size.
#[test]
fn a_change_costs_less_than_220_bytes() {
    let (_dir, path) = book();
    let mut store = Store::open(&path, at(0)).unwrap();
    let flaps: Vec<Entry> = (0..20_000)
        .map(|n| {
            let subject = format!("check:number-{}", n % 100);
            let state = Some((Lived::Fail, "HTTP 503 in 12 ms, status \"degraded\", not \"ok\"".to_owned()));
            Entry::Change(Change { subject, at: at(n), state })
        })
        .collect();
    store.write(&flaps, at(20_000)).unwrap();
    drop(store);
    let bytes = std::fs::metadata(&path).unwrap().len() / 20_000;
    assert!((50..220).contains(&bytes), "{bytes} bytes");
}

#[tokio::test]
async fn a_disk_that_takes_nothing_is_a_warning_until_it_takes_all_that_waited() {
    let dir = tempfile::tempdir().unwrap();
    // A folder where the file should be: nobody can write there, not even root.
    let path = dir.path().join("history.db");
    std::fs::create_dir(&path).unwrap();
    let (notices, mut heard) = mpsc::channel(4);
    let book = Book { path: Arc::new(path.clone()), started: at(0), store: None, waiting: Vec::new() };
    let mut writer = Writer { book, notices, trouble: None, tried: None, pruned: None };
    writer.add(change("overall", 0, Status::Pass));
    let mut writer = writer.write_if_due().await.unwrap();
    let Some(Notice::History(Some(why))) = heard.recv().await else { panic!("no warning") };
    assert!(why.contains("history.db cannot be opened"), "{why}");
    std::fs::remove_dir(&path).unwrap();
    writer.add(change("overall", 10, Status::Fail));
    writer.tried = None;
    writer.write_if_due().await.unwrap();
    assert!(matches!(heard.recv().await, Some(Notice::History(None))));
    assert_eq!(told(&path, "overall"), [(Lived::Fail, 10, None), (Lived::Pass, 0, Some(10))]);
}
