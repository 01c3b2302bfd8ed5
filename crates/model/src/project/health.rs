//! `GET /health`: health+json with the plain fields that the first users' scripts read.
//!
//! Source of the shape: IETF draft-inadarei-api-health-check-06. `status` is `ok` or `error` (aliases that
//! the draft allows for `pass` and `fail`), `degraded` for `warn`, and `unknown` before the first look.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::check::Status;
use crate::snapshot::{CheckView, Snapshot};
use crate::verdict::Reason;
use crate::words;

/// Names that a check's plain field must not take.
const RESERVED: [&str; 9] = [
    "status",
    "output",
    "version",
    "time",
    "checks",
    "free_disk_gb",
    "last_sync_hours_ago",
    "notes",
    "links",
];

/// The body, and the HTTP status: 503 when something critical fails, 200 otherwise. Ages are those at `snapshot.at`;
/// a snapshot is never older than a minute (awake) while the agent's loop ticks.
pub fn health(snapshot: &Snapshot) -> (u16, Value) {
    let status = snapshot.verdict.status;
    let mut body = head(snapshot, plain(status), &snapshot.verdict.sentence);
    if !snapshot.verdict.reasons.is_empty() {
        let told = |reason: &Reason| format!("{} — {}", reason.dated(snapshot.at), reason.action);
        let notes: Vec<String> = snapshot.verdict.reasons.iter().map(told).collect();
        body.insert("notes".into(), json!(notes));
    }
    for (name, (status, evidence)) in components(snapshot) {
        if !RESERVED.contains(&name) {
            body.insert(name.to_owned(), Value::String(component(status, evidence)));
        }
    }
    let disks = snapshot.checks.iter().filter(|c| c.kind == "disk").filter_map(|c| c.measure.as_ref());
    let free = disks.clone().find(|m| m.unit == "bytes");
    body.insert("free_disk_gb".into(), json!(free.map(|m| hundredths(m.value / 1_073_741_824.0))));
    let synced = snapshot.sync_job().and_then(|j| j.last_success).and_then(|at| snapshot.at.since(at));
    body.insert("last_sync_hours_ago".into(), json!(synced.map(|d| tenths(d.as_secs_f64() / 3600.0))));
    body.insert("checks".into(), Value::Object(checks(snapshot)));
    let code = if status == Status::Fail { 503 } else { 200 };
    (code, Value::Object(body))
}

/// While the agent's loop hangs nothing is known: old news must not look like health.
pub fn of_hanging_agent(snapshot: &Snapshot, late: Duration) -> (u16, Value) {
    let output = format!("Steady itself hangs: it should have looked {} ago", words::span(late));
    (503, Value::Object(head(snapshot, plain(Status::Unknown), &output)))
}

fn head(snapshot: &Snapshot, status: &str, output: &str) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("status".into(), json!(status));
    body.insert("output".into(), json!(output));
    body.insert("version".into(), json!(snapshot.agent.version));
    body.insert("time".into(), json!(snapshot.at));
    body
}

/// All that has a name, each once: of a service and a check of one name the worse is told.
fn components(snapshot: &Snapshot) -> BTreeMap<&str, (Status, &str)> {
    let services = snapshot.services.iter().map(|s| (s.name.as_str(), s.status, s.detail.as_str()));
    let checks = snapshot.checks.iter().map(|c| (c.name.as_str(), c.status, c.evidence.as_str()));
    let jobs = snapshot.jobs.iter().map(|j| (j.name.as_str(), j.status, j.phrase.as_str()));
    let sync = snapshot.sync_job().map(|j| ("sync", j.status, j.phrase.as_str()));
    let backup = snapshot.backup.configured.then_some(&snapshot.backup);
    let backup = backup.map(|b| ("backup", b.status, b.phrase.as_str()));
    let mut all: BTreeMap<&str, (Status, &str)> = BTreeMap::new();
    for (name, status, evidence) in services.chain(checks).chain(jobs).chain(sync).chain(backup) {
        let told = all.entry(name).or_insert((status, evidence));
        if status > told.0 {
            *told = (status, evidence);
        }
    }
    all
}

/// The draft's `component:measurement` entries.
fn checks(snapshot: &Snapshot) -> Map<String, Value> {
    let at = snapshot.at;
    let checks = snapshot.checks.iter().map(|c| (format!("{}:{}", c.name, c.kind), entry(c)));
    let services = snapshot.services.iter().map(|s| {
        (format!("{}:service", s.name), json!({ "status": s.status, "time": at, "output": s.detail }))
    });
    let jobs = snapshot.jobs.iter().map(|j| {
        let body = json!({ "status": j.status, "time": at, "output": j.phrase });
        (format!("{}:job", j.name), aged(body, j.last_success.and_then(|t| at.since(t))))
    });
    let b = &snapshot.backup;
    let taken = b.points.iter().find(|p| p.verified.is_some()).and_then(|p| at.since(p.taken));
    let body = json!({ "status": b.status, "time": at, "output": b.phrase });
    let backup = b.configured.then(|| ("backup:backup".to_owned(), aged(body, taken)));
    checks.chain(services).chain(jobs).chain(backup).map(|(name, entry)| (name, json!([entry]))).collect()
}

fn aged(mut entry: Value, age: Option<Duration>) -> Value {
    if let (Some(age), Some(map)) = (age, entry.as_object_mut()) {
        map.insert("observedValue".into(), json!(age.as_secs()));
        map.insert("observedUnit".into(), json!("seconds"));
    }
    entry
}

fn plain(status: Status) -> &'static str {
    match status {
        Status::Pass => "ok",
        Status::Warn => "degraded",
        Status::Fail => "error",
        Status::Unknown => "unknown",
    }
}

fn component(status: Status, evidence: &str) -> String {
    match status {
        Status::Pass => "ok".to_owned(),
        Status::Warn => format!("warning: {evidence}"),
        Status::Fail => format!("error: {evidence}"),
        Status::Unknown => format!("unknown: {evidence}"),
    }
}

fn entry(check: &CheckView) -> Value {
    let mut entry = json!({ "status": check.status, "time": check.observed, "output": check.evidence });
    if let (Some(measure), Some(map)) = (&check.measure, entry.as_object_mut()) {
        map.insert("observedValue".into(), json!(measure.value));
        map.insert("observedUnit".into(), json!(measure.unit));
    }
    entry
}

fn tenths(x: f64) -> f64 {
    (x * 10.0).round() / 10.0
}

fn hundredths(x: f64) -> f64 {
    (x * 100.0).round() / 100.0
}
