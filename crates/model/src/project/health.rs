//! `GET /health`: health+json with the plain fields that the first users' scripts read.
//!
//! Source of the shape: IETF draft-inadarei-api-health-check-06. `status` is `ok` or `error` (aliases that
//! the draft allows for `pass` and `fail`), `degraded` for `warn`, and `unknown` before the first look.

use serde_json::{Map, Value, json};

use crate::check::Status;
use crate::snapshot::{CheckView, Snapshot};
use crate::time::WallTime;

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

/// The body, and the HTTP status: 503 when something critical fails, 200 otherwise.
pub fn health(snapshot: &Snapshot, now: WallTime) -> (u16, Value) {
    let status = snapshot.verdict.status;
    let mut body = Map::new();
    body.insert("status".into(), json!(plain(status)));
    body.insert("output".into(), json!(snapshot.verdict.sentence));
    body.insert("version".into(), json!(snapshot.agent.version));
    body.insert("time".into(), json!(snapshot.at));
    for service in &snapshot.services {
        insert(&mut body, &service.name, component(service.status, &service.detail));
    }
    for check in &snapshot.checks {
        insert(&mut body, &check.name, component(check.status, &check.evidence));
    }
    let free = snapshot.checks.iter().find(|c| c.kind == "disk").and_then(|c| c.measure.as_ref());
    body.insert("free_disk_gb".into(), json!(free.map(|m| hundredths(m.value / 1_073_741_824.0))));
    let synced = snapshot.jobs.first().and_then(|j| j.last_success).and_then(|at| now.since(at));
    body.insert("last_sync_hours_ago".into(), json!(synced.map(|d| tenths(d.as_secs_f64() / 3600.0))));
    let checks: Map<String, Value> =
        snapshot.checks.iter().map(|c| (format!("{}:{}", c.name, c.kind), json!([entry(c)]))).collect();
    body.insert("checks".into(), Value::Object(checks));
    let code = if status == Status::Fail { 503 } else { 200 };
    (code, Value::Object(body))
}

fn insert(body: &mut Map<String, Value>, name: &str, value: String) {
    if !RESERVED.contains(&name) && !body.contains_key(name) {
        body.insert(name.to_owned(), Value::String(value));
    }
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
