//! Which restore points stay, which go, and why.
//!
//! The rules are those that users of restic know: the newest points, and of each hour, day, week, month and year the
//! newest. What is added: a point that nobody verified never takes the place of one that is, and what must not go is
//! named by [`Rule`].

mod calendar;
mod holding;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Zoned;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::backup::{PointKind, RestorePoint};
use crate::config::Keep;
use crate::time::WallTime;
use crate::words;
use calendar::Unit;

/// With this many good backups after it, a restore cannot be undone any more, and its safety point ages as others do.
const UNDO_FOR: usize = 2;

/// What is decided of one restore point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Fate {
    pub id: String,
    pub taken: WallTime,
    pub verified: Option<WallTime>,
    pub kind: PointKind,
    pub bytes: u64,
    pub keep: bool,
    /// At least one.
    pub reasons: Vec<Reason>,
}

// A verdict's reasons have the plain name in the API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = FateReason)]
pub struct Reason {
    pub rule: Rule,
    /// For people: `daily: 2026-11-20`.
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    Newest,
    LastVerified,
    /// No newer good point holds one of its databases.
    LastOfStore,
    /// A restore can still be undone with it.
    Undo,
    /// Something else still needs it.
    Pinned,
    /// It was imported: nobody could take it again.
    Imported,
    /// Its date lies ahead: the clock was set, and its age is not known.
    Ahead,
    Last,
    Hourly,
    Daily,
    Weekly,
    Monthly,
    Yearly,
    Within,
    /// It goes: another point stands for its hour, day, week, month or year.
    Replaced,
    /// It goes: it is older than all that is to be kept.
    Aged,
}

/// A point that must stay whatever its age.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    pub id: String,
    pub why: String,
}

/// What a removal would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PrunePlan {
    /// Newest first.
    pub points: Vec<Fate>,
    /// Bytes that the repository gives back at once. What is left in partly needed files comes with later removals.
    pub frees: u64,
}

/// How the last removal ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PruneRecord {
    pub ended: WallTime,
    /// Restore points that went.
    pub removed: u64,
    /// Bytes that the repository gave back.
    pub freed: u64,
    /// Why it did not do all of it; it is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

/// Removals that nobody asked for have a day between them, and an hour after one that failed.
const EVERY: Duration = Duration::from_secs(24 * 3600);
const RETRY: Duration = Duration::from_secs(3600);

/// Whether old points are to be removed again; asked after a backup that is good.
pub fn is_due(last: Option<&PruneRecord>, now: WallTime) -> bool {
    let Some(last) = last else { return true };
    let wait = if last.failed.is_some() { RETRY } else { EVERY };
    // One that is dated ahead says nothing.
    now.since(last.ended).is_none_or(|age| age >= wait)
}

/// Decides for all points, newest first. `zone` says what a day is.
///
/// Applied twice it removes nothing more, and an earlier `now` never removes more than a later one.
pub fn judge(
    points: &[RestorePoint],
    keep: &Keep,
    pins: &[Pin],
    now: WallTime,
    zone: &TimeZone,
) -> Vec<Fate> {
    let (imported, own): (Vec<&RestorePoint>, Vec<&RestorePoint>) =
        points.iter().partition(|point| point.imported.is_some());
    let mut cases: Vec<Case<'_>> = own.into_iter().map(|point| Case::new(point, zone)).collect();
    cases.sort_by(|a, b| (b.point.taken, &b.point.id).cmp(&(a.point.taken, &a.point.id)));
    let (mut ahead, mut past): (Vec<Case<'_>>, Vec<Case<'_>>) =
        cases.into_iter().partition(|case| case.point.taken > now);
    for case in &mut ahead {
        case.stays(Rule::Ahead, "dated in the future: the clock was set");
    }
    needed(&mut past);
    holding::last_of_each(&mut past, &keep.rebuildable);
    newest(&mut past, keep);
    for unit in Unit::ALL {
        by_calendar(&mut past, unit, unit.wanted(keep));
    }
    let mut imported: Vec<Case<'_>> = imported.into_iter().map(|point| Case::new(point, zone)).collect();
    for case in &mut imported {
        case.stays(Rule::Imported, "imported");
    }
    let mut all: Vec<Case<'_>> = ahead.into_iter().chain(past).chain(imported).collect();
    all.sort_by(|a, b| (b.point.taken, &b.point.id).cmp(&(a.point.taken, &a.point.id)));
    for case in &mut all {
        for pin in pins.iter().filter(|pin| pin.id == case.point.id) {
            case.stays(Rule::Pinned, &pin.why);
        }
    }
    all.into_iter().map(Case::fate).collect()
}

struct Case<'a> {
    point: &'a RestorePoint,
    taken: Zoned,
    stays: Vec<Reason>,
    /// Who stands for it, in the finest unit of time.
    replaced: Option<String>,
}

impl<'a> Case<'a> {
    fn new(point: &'a RestorePoint, zone: &TimeZone) -> Self {
        Self { point, taken: point.taken.0.to_zoned(zone.clone()), stays: Vec::new(), replaced: None }
    }

    fn stays(&mut self, rule: Rule, text: &str) {
        self.stays.push(Reason { rule, text: text.to_owned() });
    }

    /// Whether it may stand for others: those that are not verified, or were taken of data that somebody was about
    /// to replace, never take the place of one that is good.
    fn is_good(&self) -> bool {
        self.point.verified.is_some() && self.point.kind != PointKind::Safety
    }

    fn fate(self) -> Fate {
        let keep = !self.stays.is_empty();
        let goes = || match self.replaced {
            Some(text) => Reason { rule: Rule::Replaced, text },
            None => Reason { rule: Rule::Aged, text: "older than all that is to be kept".to_owned() },
        };
        Fate {
            id: self.point.id.clone(),
            taken: self.point.taken,
            verified: self.point.verified,
            kind: self.point.kind,
            bytes: self.point.bytes,
            keep,
            reasons: if keep { self.stays } else { vec![goes()] },
        }
    }
}

/// What stays whatever the configuration says.
fn needed(cases: &mut [Case<'_>]) {
    if let Some(case) = cases.first_mut() {
        case.stays(Rule::Newest, "the newest");
    }
    if let Some(case) = cases.iter_mut().find(|case| case.point.verified.is_some()) {
        case.stays(Rule::LastVerified, "the last verified");
    }
    // Else a safety point, of data that somebody wanted to be rid of, would be all that is left.
    if let Some(case) = cases.iter_mut().find(|case| case.is_good())
        && case.stays.iter().all(|reason| reason.rule != Rule::LastVerified)
    {
        case.stays(Rule::LastVerified, "the last verified backup");
    }
    // Newest first. Of two of one moment nobody knows which came later, so only what is strictly later counts.
    let good: Vec<WallTime> =
        cases.iter().filter(|case| case.is_good()).map(|case| case.point.taken).collect();
    for case in cases.iter_mut().filter(|case| case.point.kind == PointKind::Safety) {
        if good.iter().take_while(|taken| **taken > case.point.taken).count() < UNDO_FOR {
            case.stays(Rule::Undo, "taken before a restore that may still be undone");
        }
    }
}

fn newest(cases: &mut [Case<'_>], keep: &Keep) {
    // Of the points' own times, so that a clock that ran ahead for a while makes nothing old.
    let newest = cases.first().map(|case| case.point.taken);
    let (mut rank, mut good_rank) = (0, 0);
    for case in cases {
        rank += 1;
        good_rank += u32::from(case.is_good());
        let place = if case.is_good() { good_rank } else { rank };
        if place <= keep.last {
            let what = if case.is_good() { " verified" } else { "" };
            case.stays(Rule::Last, &format!("one of the last {}{what}", keep.last));
        }
        let age = newest.and_then(|newest| newest.since(case.point.taken));
        if let (Some(within), Some(age)) = (keep.within, age)
            && age <= within
        {
            case.stays(Rule::Within, &format!("within {} of the newest", words::span(within)));
        }
    }
}

/// A day (hour, week, …) with points in it.
struct Bucket {
    /// From the newest, counted from 1; only those with a good point.
    good_rank: Option<u32>,
    /// From the newest, counted from 1.
    rank: u32,
    /// The newest good one, else the newest.
    stands: String,
}

fn by_calendar(cases: &mut [Case<'_>], unit: Unit, wanted: u32) {
    let mut buckets: BTreeMap<String, Bucket> = BTreeMap::new();
    let (mut ranks, mut good_ranks) = (0, 0);
    for case in cases.iter() {
        let bucket = buckets.entry(unit.name(&case.taken)).or_insert_with(|| {
            ranks += 1;
            Bucket { good_rank: None, rank: ranks, stands: case.point.id.clone() }
        });
        if case.is_good() && bucket.good_rank.is_none() {
            good_ranks += 1;
            bucket.good_rank = Some(good_ranks);
            bucket.stands.clone_from(&case.point.id);
        }
    }
    for case in cases {
        let name = unit.name(&case.taken);
        let Some(bucket) = buckets.get(&name) else { continue };
        if bucket.good_rank.unwrap_or(bucket.rank) > wanted {
            continue;
        }
        if bucket.stands == case.point.id {
            case.stays(unit.rule(), &format!("{}: {name}", unit.adverb()));
        } else {
            let short = bucket.stands.get(..8).unwrap_or(&bucket.stands);
            let not = if case.point.verified.is_some() { "" } else { "not verified; " };
            case.replaced.get_or_insert(format!("{not}{short} stands for the {} {name}", unit.noun()));
        }
    }
}
