//! What is known of one thing, as its row in the snapshot.

use steady_model::check::{CheckState, Status};
use steady_model::config::{Check, Job};
use steady_model::job::{self, Activity, RunRecord};
use steady_model::snapshot::{CheckView, JobView};
use steady_model::time::Now;

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
        evidence: last.map_or_else(|| "not looked at yet".to_owned(), |o| o.evidence.clone()),
        since: state.since,
        observed: last.map(|o| o.at.wall),
        took_ms: last.map_or(0, |o| u64::try_from(o.took.as_millis()).unwrap_or(u64::MAX)),
        measure: last.and_then(|o| o.measure.clone()),
        samples: last.map(|o| o.samples.clone()).unwrap_or_default(),
        service: spec.service.clone(),
        explained_by: None,
    }
}

pub fn job(spec: &Job, facts: &JobFacts, now: Now) -> JobView {
    let judged = facts.markers.as_ref().map(|m| job::freshness(m, &facts.runs, spec.stale_after, now.wall));
    JobView {
        name: spec.name.clone(),
        status: judged.as_ref().map_or(Status::Unknown, |f| f.status),
        phrase: judged.as_ref().map_or_else(|| "not looked at yet".to_owned(), |f| f.phrase.clone()),
        runnable: spec.command.is_some(),
        running_since: match &facts.activity {
            Activity::Idle => None,
            Activity::Running { since, .. } => Some(since.wall),
        },
        last_success: judged.and_then(|f| f.last_success),
        next: facts.next,
        runs: facts
            .runs
            .iter()
            .rev()
            .take(RUNS_SHOWN)
            .enumerate()
            .map(|(n, run)| shown(run, n == 0))
            .collect(),
    }
}

fn shown(run: &RunRecord, newest: bool) -> RunRecord {
    let lines = if newest { TAIL_SHOWN } else { 0 };
    let tail = run.tail.iter().skip(run.tail.len().saturating_sub(lines)).cloned().collect();
    RunRecord { tail, ..run.clone() }
}
