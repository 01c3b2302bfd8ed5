//! Whether the data are as fresh as the schedule promises, in time that the machine was awake.

use std::cmp::Reverse;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::schedule::{Grid, counts_for};
use super::{AwakeLog, Outcome, RunRecord};
use crate::check::Status;
use crate::config::Job;
use crate::marker::{self, Marker, Markers};
use crate::time::{Now, WallTime};
use crate::words;

/// The age at which a success is too old, where neither a schedule nor a wish says more.
pub const STALE_AFTER: Duration = Duration::from_secs(25 * 3600);
/// After its timeout a run is ended; one that is still there so much later hangs.
const HANGS_AFTER: Duration = Duration::from_secs(120);
/// A marker belongs to a run when it was written between its start and a little after its end.
const BEFORE: Duration = Duration::from_secs(2);
const AFTER: Duration = Duration::from_secs(10);

/// Judged freshness with its sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Freshness {
    pub status: Status,
    /// When the data was last wholly synced.
    pub last_success: Option<WallTime>,
    /// `synced 2 h ago`, `last sync failed 3 min ago: …`.
    pub phrase: String,
    /// The newest failure since: counts at once, as opposed to age.
    pub failed: Option<Failed>,
}

#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct Failed {
    pub at: WallTime,
    pub why: String,
}

/// What is known of a job.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    pub markers: &'a Markers,
    /// Oldest first.
    pub runs: &'a [RunRecord],
    /// Since when it runs.
    pub running: Option<Now>,
    pub awake: &'a AwakeLog,
    /// The system's, for times of day.
    pub zone: &'a TimeZone,
}

/// Judges the newest success and failure that the markers and our own records tell.
///
/// The marker lies with the data and says how old *they* are (a restore takes it back in time); a record says
/// only that a run ended. So a success counts by its marker, and a failure by either. A marker that a partial run
/// or a run of a part left is none.
pub fn freshness(job: &Job, seen: &Seen<'_>, now: Now) -> Freshness {
    let completed = marker::believe(&seen.markers.completed, now.wall);
    let failed = marker::believe(&seen.markers.failed, now.wall);
    let runs: Vec<&RunRecord> = seen
        .runs
        .iter()
        .filter(|r| r.outcome != Outcome::Missed && marker::believable(r.ended, now.wall))
        .collect();
    let recorded = runs.iter().filter(|r| r.is_whole()).map(|r| r.ended).max();
    let (success, contradicted) = success(&completed, &runs);
    // `.sync_failed` is often never removed: without a readable success beside it, it proves nothing.
    let marked_failure = if matches!(completed, Marker::Unreadable { .. }) { None } else { failure(&failed) };
    let age = success.map(|s| Age::of(job, seen, &runs, s, now));
    let last_success = success.map(|s| s.at);

    if let Some(hangs) = hangs(job, seen, now) {
        return Freshness { last_success, ..hangs };
    }
    // A contradicted marker shows that the newest whole run is the recorded one, whatever its own marker said.
    let cleared = if contradicted.is_some() { last_success } else { last_success.max(recorded) };
    if let Some(bad) = failures_since(cleared, marked_failure, &runs) {
        let status = bad.status.max(age.as_ref().map_or(Status::Pass, |a| a.status));
        let stale = age.as_ref().filter(|a| a.status != Status::Pass).and(last_success);
        let phrase = bad.phrase(stale, now.wall);
        let failed = Some(Failed { at: bad.newest.at, why: bad.newest.why });
        return Freshness { status, last_success, phrase, failed };
    }
    let unknown =
        |phrase: String| Freshness { status: Status::Unknown, last_success: None, phrase, failed: None };
    for (name, m) in [(marker::COMPLETED, &completed), (marker::FAILED, &failed)] {
        if let Marker::Unreadable { why } = m {
            return unknown(format!("the marker {name} cannot be believed: {why}"));
        }
    }
    let ago = |at| words::ago(now.wall.since(at).unwrap_or_default());
    match (last_success.zip(age), contradicted, recorded) {
        (Some((at, age)), ..) => {
            let phrase = format!("synced {}{}", ago(at), age.phrase);
            Freshness { status: age.status, last_success, phrase, failed: None }
        }
        (None, Some(part), _) => {
            unknown(format!("the last sync was only a part ({part}), and of a whole one nothing is known"))
        }
        (None, None, Some(run)) => unknown(format!(
            "a run succeeded {}, but {} is gone: sync again to know what the data hold",
            ago(run),
            marker::COMPLETED
        )),
        (None, None, None) => unknown("never synced".to_owned()),
    }
}

/// A whole success.
#[derive(Debug, Clone, Copy)]
struct Success {
    at: WallTime,
    /// Slots up to this are served.
    serves: WallTime,
}

impl Success {
    fn of(run: &RunRecord, at: WallTime) -> Self {
        Self { at, serves: counts_for(run).max(run.started) }
    }
}

/// The newest whole success, and what else the marker is the work of, if it is.
fn success(completed: &Marker, runs: &[&RunRecord]) -> (Option<Success>, Option<String>) {
    let Marker::At { at, .. } = completed else { return (None, None) };
    let authors = runs.iter().filter_map(|run| Some((apart(run, *at)?, run)));
    // The nearest, and of two the newer.
    let Some((_, author)) = authors.min_by_key(|(apart, run)| (*apart, Reverse(run.started))) else {
        return (Some(Success { at: *at, serves: *at }), None);
    };
    if author.is_whole() {
        return (Some(Success::of(author, *at)), None);
    }
    let before = runs.iter().filter(|r| r.is_whole() && r.ended <= *at).max_by_key(|r| r.ended);
    let what = author.part.clone().unwrap_or_else(|| author.outcome.word().to_owned());
    (before.map(|r| Success::of(r, r.ended)), Some(what))
}

/// How far a marker's time lies from a run that may have left it.
fn apart(run: &RunRecord, at: WallTime) -> Option<Duration> {
    match (run.started.since(at), at.since(run.ended)) {
        (Some(before), _) if !before.is_zero() => Some(before).filter(|b| *b <= BEFORE),
        (_, Some(after)) => Some(after).filter(|a| *a <= AFTER),
        _ => Some(Duration::ZERO),
    }
}

/// How old a success is by what the schedule promises.
#[derive(Debug)]
struct Age {
    status: Status,
    /// Goes on after `synced 2 h ago`.
    phrase: String,
}

impl Age {
    fn of(job: &Job, seen: &Seen<'_>, runs: &[&RunRecord], success: Success, now: Now) -> Self {
        let by_slots = job.schedule.as_ref().and_then(|s| s.slots.as_ref()).map(|slots| {
            let anchor = runs.last().map_or(success.at, |r| counts_for(r));
            let grid = Grid { slots, anchor: Some(anchor), zone: seen.zone };
            Self::taken_back(&grid, runs, success, now)
                .unwrap_or_else(|| Self::by_slots(job, &grid, seen, success, now))
        });
        let limit = job.stale_after.or(by_slots.is_none().then_some(STALE_AFTER));
        let stale = limit.map(|limit| Self::by_limit(now.wall.since(success.at).unwrap_or_default(), limit));
        match (by_slots, stale) {
            (Some(slots), Some(stale)) if stale.status > slots.status => stale,
            (Some(age), _) | (None, Some(age)) => age,
            (None, None) => Self { status: Status::Unknown, phrase: String::new() },
        }
    }

    fn by_limit(age: Duration, limit: Duration) -> Self {
        let (status, phrase) = if age > limit.saturating_mul(2) {
            (Status::Fail, ", which is too long")
        } else if age > limit {
            (Status::Warn, ", which is too long")
        } else {
            (Status::Pass, "")
        };
        Self { status, phrase: phrase.to_owned() }
    }

    /// Data that are older than a whole run on record, as after a restore. The schedule holds that slot for served:
    /// nothing catches up, and no absence excuses. Red when two slots or more lie between.
    fn taken_back(grid: &Grid<'_>, runs: &[&RunRecord], success: Success, now: Now) -> Option<Self> {
        let newer =
            |r: &&&RunRecord| r.is_whole() && success.at < r.started && apart(r, success.at).is_none();
        let run = runs.iter().filter(newer).max_by_key(|r| r.ended)?;
        let open = |slot: &WallTime| success.serves < grid.serves_from(*slot);
        let due = grid.newest(now.wall).filter(open)?;
        let before = grid.before(due).filter(open);
        let phrase = format!(", older than the run that ended at {}", clock(run.ended, now.wall, grid.zone));
        Some(Self { status: if before.is_some() { Status::Fail } else { Status::Warn }, phrase })
    }

    /// Amber when a run is `late_after` late, red when two are; slots that one sleep took are one.
    fn by_slots(job: &Job, grid: &Grid<'_>, seen: &Seen<'_>, success: Success, now: Now) -> Self {
        let open = |slot: &WallTime| success.serves < grid.serves_from(*slot);
        let open_at =
            |awake: Duration| seen.awake.back(awake, now).and_then(|at| grid.newest(at)).filter(open);
        let told = |at| clock(at, now.wall, seen.zone);
        let Some(due) = grid.newest(now.wall).filter(open) else {
            return Self::by_limit(Duration::ZERO, job.late_after);
        };
        if let Some(late) = open_at(job.late_after) {
            let half = grid.gap(late).unwrap_or_default() / 2;
            let before = open_at(seen.awake.since(late, now).saturating_add(half));
            let absence =
                seen.awake.absence(late, now).map(|a| format!("; {}", a.told(&told))).unwrap_or_default();
            return match before {
                Some(before) => Self {
                    status: Status::Fail,
                    phrase: format!(
                        ", and the runs due at {} and {} did not come{absence}",
                        told(before),
                        told(late)
                    ),
                },
                None => Self {
                    status: Status::Warn,
                    phrase: format!(", and the run due at {} did not come{absence}", told(late)),
                },
            };
        }
        // The newest slot may have come since; what was missed before it tells of the absence all the same.
        let skipped = grid.before(due).filter(open);
        let absence = seen.awake.absence(due, now).or_else(|| seen.awake.absence(skipped?, now));
        let phrase = absence.map(|absence| {
            let next = if job.command.is_some() { "catching up" } else { "its next run is due" };
            format!("; {}; {next}", absence.told(&told))
        });
        // Steady makes up for its own runs at once. Whether another's came while nobody looked is not known, and
        // data that lie two slots back are not green because of that.
        let nobody_looked = absence.is_some_and(|a| a.from.is_none());
        let doubtful = job.command.is_none() && skipped.is_some() && nobody_looked;
        let status = if doubtful { Status::Unknown } else { Status::Pass };
        Self { status, phrase: phrase.unwrap_or_default() }
    }
}

impl super::Absence {
    fn told(&self, clock: &dyn Fn(WallTime) -> String) -> String {
        match self.from {
            Some(from) => format!("the machine slept {}–{}", clock(from), clock(self.until)),
            None => format!("Steady was not there before {}", clock(self.until)),
        }
    }
}

/// The time of day, with the date when it is not of the last day.
fn clock(at: WallTime, now: WallTime, zone: &TimeZone) -> String {
    let near = now.since(at).is_some_and(|age| age < Duration::from_secs(20 * 3600));
    let form = if near { "%H:%M" } else { "%d %b %H:%M" };
    zone.to_datetime(at.0).strftime(form).to_string()
}

/// A run that should have been ended by its timeout.
fn hangs(job: &Job, seen: &Seen<'_>, now: Now) -> Option<Freshness> {
    let since = seen.running?;
    let lasted = now.awake.since(since.awake);
    (lasted > job.timeout.saturating_add(HANGS_AFTER)).then(|| {
        let why = format!(
            "it has been running for {}, and its timeout is {}",
            words::span(lasted),
            words::span(job.timeout)
        );
        Freshness {
            status: Status::Fail,
            last_success: None,
            phrase: format!("the sync hangs: {why}"),
            failed: Some(Failed { at: since.wall, why }),
        }
    })
}

fn failure(failed: &Marker) -> Option<Attempt> {
    match failed {
        Marker::At { at, message } => {
            Some(Attempt { at: *at, why: message.clone().unwrap_or_default(), partial: false })
        }
        _ => None,
    }
}

/// An attempt that did not wholly succeed.
struct Attempt {
    at: WallTime,
    why: String,
    partial: bool,
}

struct Failures {
    newest: Attempt,
    status: Status,
}

impl Failures {
    fn phrase(&self, stale_success: Option<WallTime>, now: WallTime) -> String {
        let ago = |t| words::ago(now.since(t).unwrap_or_default());
        let word = if self.newest.partial { "last sync was partial" } else { "last sync failed" };
        let why = if self.newest.why.is_empty() { String::new() } else { format!(": {}", self.newest.why) };
        let good = stale_success.map(|s| format!("; last good {}", ago(s))).unwrap_or_default();
        format!("{word} {}{why}{good}", ago(self.newest.at))
    }
}

/// Attempts after `success` that did not wholly succeed. A marker that repeats a record counts once. One is a
/// warning, and so is any number of partial ones; when the last two both failed it is a failure.
fn failures_since(
    success: Option<WallTime>,
    marked: Option<Attempt>,
    runs: &[&RunRecord],
) -> Option<Failures> {
    let after = |t: WallTime| success.is_none_or(|s| t > s);
    let mut bad: Vec<Attempt> = runs
        .iter()
        .filter(|r| r.outcome != Outcome::Succeeded && after(r.ended))
        .map(|r| Attempt {
            at: r.ended,
            why: r.outcome.why().unwrap_or(r.outcome.word()).to_owned(),
            partial: matches!(r.outcome, Outcome::Partial { .. }),
        })
        .collect();
    if let Some(marked) = marked.filter(|m| after(m.at)) {
        let recorded = bad.iter().any(|b| b.at.0.duration_since(marked.at.0).as_secs().abs() <= 2);
        if !recorded {
            bad.push(marked);
        }
    }
    bad.sort_by_key(|b| b.at);
    let hard = bad.iter().rev().take(2).filter(|b| !b.partial).count();
    let newest = bad.pop()?;
    Some(Failures { newest, status: if hard == 2 { Status::Fail } else { Status::Warn } })
}
