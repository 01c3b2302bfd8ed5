//! What is known of one thing, as its row in the snapshot.

use jiff::tz::TimeZone;
use steady_model::check::{CheckState, Observation, Severity, Status};
use steady_model::config::{Check, Job};
use steady_model::job::{self, Activity, AwakeLog, RunRecord, Seen};
use steady_model::snapshot::{CheckView, JobView};
use steady_model::time::{Now, WallTime};
use steady_model::words;

use super::JobFacts;

/// Runs shown with each job, and lines of output with the newest of them: snapshots stay small.
const RUNS_SHOWN: usize = 10;
const TAIL_SHOWN: usize = 20;

pub fn check(spec: &Check, state: &CheckState) -> CheckView {
    let last = state.last.as_ref();
    CheckView {
        name: spec.name.clone(),
        kind: spec.kind.name().to_owned(),
        status: state.status,
        severity: spec.severity,
        evidence: last.map_or_else(|| "not looked at yet".to_owned(), |o| evidence(spec, state, o)),
        since: state.since,
        observed: last.map(|o| o.at.wall),
        took_ms: last.map_or(0, |o| u64::try_from(o.took.as_millis()).unwrap_or(u64::MAX)),
        measure: last.and_then(|o| o.measure.clone()),
        samples: last.map(|o| o.samples.clone()).unwrap_or_default(),
        service: spec.service.clone(),
        explained_by: None,
        action: last.and_then(|o| o.action.clone()),
    }
}

/// What was seen last, and why it does not count yet, where it does not.
fn evidence(spec: &Check, state: &CheckState, last: &Observation) -> String {
    let Some(more) = state.held(spec.thresholds) else { return last.evidence.clone() };
    let looks = if more == 1 { "1 more look".to_owned() } else { format!("{more} more looks") };
    if last.status < state.status {
        format!("it seems to be better: {}; {looks} like this before it counts", last.evidence)
    } else {
        format!("{}; {looks} like this before it counts", last.evidence)
    }
}

/// What was seen is too old to be believed.
pub fn expire(view: &mut CheckView, last: &Observation, now: Now) {
    let age = words::span(now.awake.since(last.at.awake));
    view.status = Status::Unknown;
    view.evidence = format!("not looked at for {age}; then it was: {}", last.evidence);
    view.since = Some(last.at.wall);
    view.action = Some(
        "Wait for its next look; start the agent anew (`steady down`, `steady up`) if none comes".to_owned(),
    );
}

/// The row that is there while no history is written.
pub fn history(why: &str, since: WallTime, now: Now) -> CheckView {
    CheckView {
        name: "history".to_owned(),
        kind: "history".to_owned(),
        status: Status::Warn,
        severity: Severity::Warning,
        evidence: why.to_owned(),
        since: Some(since),
        observed: Some(now.wall),
        took_ms: 0,
        measure: None,
        samples: Vec::new(),
        service: None,
        explained_by: None,
        action: None,
    }
}

pub fn job(spec: &Job, facts: &JobFacts, awake: &AwakeLog, now: Now) -> JobView {
    let running = match &facts.activity {
        Activity::Idle => None,
        Activity::Running { since, .. } => Some(*since),
    };
    let zone = TimeZone::system();
    let judged = facts.markers.as_ref().map(|markers| {
        let seen = Seen { markers, runs: &facts.runs, running, awake, zone: &zone };
        job::freshness(spec, &seen, now)
    });
    let mut notes = job::notes(&facts.runs);
    notes.extend(facts.polled.map(|every| {
        let (dir, every) = (spec.markers.display(), words::span(every));
        format!("the markers in {dir} are read every {every}: their volume tells of no changes")
    }));
    JobView {
        name: spec.name.clone(),
        status: judged.as_ref().map_or(Status::Unknown, |f| f.status),
        phrase: judged.as_ref().map_or_else(|| "not looked at yet".to_owned(), |f| f.phrase.clone()),
        runnable: spec.command.is_some(),
        running_since: running.map(|since| since.wall),
        last_success: judged.as_ref().and_then(|f| f.last_success),
        next: facts.next,
        runs: facts
            .runs
            .iter()
            .rev()
            .take(RUNS_SHOWN)
            .enumerate()
            .map(|(n, run)| shown(run, n == 0))
            .collect(),
        failed: judged.and_then(|f| f.failed),
        notes,
        markers: facts.markers.clone(),
    }
}

fn shown(run: &RunRecord, newest: bool) -> RunRecord {
    let lines = if newest { TAIL_SHOWN } else { 0 };
    let tail = run.tail.iter().skip(run.tail.len().saturating_sub(lines)).cloned().collect();
    RunRecord { tail, ..run.clone() }
}
