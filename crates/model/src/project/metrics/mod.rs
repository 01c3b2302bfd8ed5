//! `GET /metrics`: the snapshot as numbers. A failing probe is a value here, never an error.

mod backend;
mod samples;
mod text;

use crate::check::Status;
use crate::snapshot::{AgentInfo, Snapshot};
use crate::time::WallTime;
use crate::usage::Usage;
pub use text::Format;
use text::{Kind, Page};

const STATUSES: [&str; 4] = ["pass", "unknown", "warn", "fail"];

/// All that is known, for one scrape.
pub fn metrics(snapshot: &Snapshot, format: Format) -> String {
    let mut page = Page::new(format);
    head(&mut page, &snapshot.agent, snapshot.at, true);
    page.family(
        "steady_verdict",
        Kind::Gauge,
        "Whether the verdict on the whole is this one (1) or not (0).",
    )
    .put_state(&[], "status", &STATUSES, word(snapshot.verdict.status));
    let mut reasons = page.family("steady_reasons", Kind::Gauge, "Reasons why the verdict is not pass.");
    for status in [Status::Unknown, Status::Warn, Status::Fail] {
        let count = snapshot.verdict.reasons.iter().filter(|r| r.status == status).count();
        reasons.put(&[("status", word(status))], small(count));
    }
    #[expect(clippy::cast_precision_loss, reason = "exact below 2^53")]
    let version = snapshot.version as f64;
    page.family(
        "steady_snapshot_version",
        Kind::Gauge,
        "Grows with every change; begins at 1 with the agent.",
    )
    .put(&[], version);
    agent(&mut page, &snapshot.agent);
    backend::services(&mut page, snapshot);
    backend::checks(&mut page, snapshot);
    backend::jobs(&mut page, snapshot);
    backend::backup(&mut page, &snapshot.backup);
    samples::put(&mut page, &snapshot.checks);
    page.end()
}

/// What is left to say while the agent's loop hangs: everything else is not known any more.
pub fn of_hanging_agent(snapshot: &Snapshot, format: Format) -> String {
    let mut page = Page::new(format);
    head(&mut page, &snapshot.agent, snapshot.at, false);
    page.end()
}

fn head(page: &mut Page, agent: &AgentInfo, at: WallTime, ticks: bool) {
    page.family("steady_build_info", Kind::Info, "The agent's version.")
        .put(&[("version", &agent.version)], 1.0);
    page.family("steady_up", Kind::Gauge, "Whether the agent's loop ticks; 0 when what it knows is old.")
        .put(&[], if ticks { 1.0 } else { 0.0 });
    page.family("steady_snapshot_timestamp_seconds", Kind::Gauge, "When all of this was true, Unix time.")
        .put(&[], seconds(at));
}

fn agent(page: &mut Page, agent: &AgentInfo) {
    page.family("steady_agent_start_time_seconds", Kind::Gauge, "When the agent started, Unix time.")
        .put(&[], seconds(agent.started));
    #[expect(clippy::cast_precision_loss, reason = "exact below 2^53")]
    let lag = agent.lag_ms as f64 / 1e3;
    page.family(
        "steady_agent_loop_lag_seconds",
        Kind::Gauge,
        "How late the agent's loop woke the last time.",
    )
    .put(&[], lag);
    let Some(usage) = &agent.usage else { return };
    page.family("steady_agent_memory_bytes", Kind::Gauge, "Memory of the agent's own process.")
        .put(&[], memory(usage));
    page.family("steady_agent_cpu_seconds_total", Kind::Counter, "CPU time of the agent's own process.")
        .put(&[], cpu(usage));
}

fn word(status: Status) -> &'static str {
    match status {
        Status::Pass => "pass",
        Status::Unknown => "unknown",
        Status::Warn => "warn",
        Status::Fail => "fail",
    }
}

fn seconds(at: WallTime) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 are far below 2^53")]
    let millis = at.0.as_millisecond() as f64;
    millis / 1e3
}

#[expect(clippy::cast_precision_loss, reason = "exact below 2^53")]
fn memory(usage: &Usage) -> f64 {
    usage.memory_bytes as f64
}

#[expect(clippy::cast_precision_loss, reason = "exact below 2^53")]
fn cpu(usage: &Usage) -> f64 {
    usage.cpu_ms as f64 / 1e3
}

fn small(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

fn yes(holds: bool) -> f64 {
    if holds { 1.0 } else { 0.0 }
}
