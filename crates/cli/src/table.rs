//! Snapshots and restore points as text for a terminal.

use comfy_table::{ContentArrangement, Table, presets};
use steady_model::backup::{PointKind, RestorePlan, RestorePoint};
use steady_model::check::Status;
use steady_model::snapshot::Snapshot;
use steady_model::time::WallTime;
use steady_model::words;

use crate::style::{mark, paint, word};

/// A terminal that is narrower, or does not tell its width, gets lines as long as they are.
const NARROWEST: u16 = 60;

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    let fits = table.width().is_some_and(|width| width >= NARROWEST);
    let arrangement = if fits { ContentArrangement::Dynamic } else { ContentArrangement::Disabled };
    table.load_style(presets::NOTHING).set_content_arrangement(arrangement);
    table.set_header(header.to_vec());
    table
}

fn state(status: Status) -> String {
    paint(status, &format!("{} {}", mark(status), word(status)))
}

fn ago(at: Option<WallTime>, now: WallTime) -> String {
    at.and_then(|t| now.since(t)).map(words::ago).unwrap_or_default()
}

/// The whole of a snapshot on one screen.
pub fn snapshot(s: &Snapshot) -> String {
    let mut lines =
        vec![paint(s.verdict.status, &format!("{} {}", mark(s.verdict.status), s.verdict.sentence))];
    lines.extend(s.verdict.reasons.iter().map(|reason| {
        format!("  {} {} — {}", paint(reason.status, mark(reason.status)), reason.sentence, reason.action)
    }));
    lines.extend(s.backup.operation.as_ref().map(|op| {
        let share = (op.done_bytes * 100).checked_div(op.total_bytes).map(|percent| format!(" {percent} %"));
        format!("  {}: {}{}", op.kind.gerund(), op.phase, share.unwrap_or_default())
    }));
    let mut services = table(&["SERVICE", "STATE", "PID", "PORT", "RESTARTS", "DETAIL"]);
    for v in &s.services {
        let number = |n: Option<u32>| n.map(|n| n.to_string()).unwrap_or_default();
        services.add_row(vec![
            v.name.clone(),
            state(v.status),
            number(v.pid),
            number(v.port.map(u32::from)),
            v.restarts.to_string(),
            v.detail.clone(),
        ]);
    }
    let mut checks = table(&["CHECK", "STATE", "SEEN", "EVIDENCE"]);
    for c in &s.checks {
        checks.add_row(vec![c.name.clone(), state(c.status), ago(c.observed, s.at), c.evidence.clone()]);
    }
    for j in &s.jobs {
        let phrase = if j.running_since.is_some() { "running now".to_owned() } else { j.phrase.clone() };
        checks.add_row(vec![j.name.clone(), state(j.status), ago(j.last_success, s.at), phrase]);
    }
    if s.backup.configured {
        let newest = s.backup.points.first().map(|p| p.taken);
        checks.add_row(vec![
            "backup".into(),
            state(s.backup.status),
            ago(newest, s.at),
            s.backup.phrase.clone(),
        ]);
    }
    format!("{}\n\n{services}\n\n{checks}", lines.join("\n"))
}

pub fn points(points: &[RestorePoint], now: WallTime) -> String {
    if points.is_empty() {
        return "No restore points yet. `steady backup` takes one.".to_owned();
    }
    let mut t = table(&["ID", "TAKEN", "VERIFIED", "SIZE", "ADDED", "KIND"]);
    for p in points {
        let verified = match (p.verified, p.missing.len()) {
            (Some(at), _) => ago(Some(at), now),
            (None, 0) => "not verified".to_owned(),
            (None, n) => format!("incomplete: {n} not read"),
        };
        let kind = match p.kind {
            PointKind::Manual => "by hand",
            PointKind::Scheduled => "scheduled",
            PointKind::Safety => "before a restore",
        };
        let id: String = p.id.chars().take(12).collect();
        t.add_row(vec![
            id,
            ago(Some(p.taken), now),
            verified,
            words::bytes(p.bytes),
            words::bytes(p.added),
            kind.into(),
        ]);
    }
    t.to_string()
}

pub fn plan(plan: &RestorePlan, now: WallTime) -> String {
    let mut lines = vec![
        format!("Restores the point of {} ({})", plan.point.taken, ago(Some(plan.point.taken), now)),
        format!("  replaces    {} ({} now)", plan.target, words::bytes(plan.current_bytes)),
        format!("  with        {} in {} files", words::bytes(plan.point.bytes), plan.point.files),
        format!(
            "  needs       {} of {} free",
            words::bytes(plan.needed_bytes),
            words::bytes(plan.free_bytes)
        ),
        format!(
            "  stops       {}",
            if plan.stops.is_empty() { "nothing".to_owned() } else { plan.stops.join(", ") }
        ),
        "  keeps       the present state, for `steady undo`".to_owned(),
    ];
    lines.extend(plan.cautions.iter().map(|c| format!("  caution     {c}")));
    lines.extend(plan.obstacles.iter().map(|o| format!("  impossible  {o}")));
    lines.join("\n")
}
