//! Services, checks, jobs and backup as families.

use super::text::{Kind, Page};
use super::{STATUSES, cpu, memory, seconds, small, word, yes};
use crate::backup::RestorePoint;
use crate::job::RunRecord;
use crate::snapshot::{BackupView, ServiceStatus, ServiceView, Snapshot};

const STATES: [&str; 9] =
    ["stopped", "starting", "ready", "degraded", "stopping", "backoff", "crash_loop", "foreign", "unknown"];
const OUTCOMES: [&str; 6] = ["succeeded", "partial", "failed", "timed_out", "killed", "missed"];

fn state(service: &ServiceView) -> &'static str {
    match service.state {
        ServiceStatus::Stopped => "stopped",
        ServiceStatus::Starting => "starting",
        ServiceStatus::Ready => "ready",
        ServiceStatus::Degraded => "degraded",
        ServiceStatus::Stopping => "stopping",
        ServiceStatus::Backoff => "backoff",
        ServiceStatus::CrashLoop => "crash_loop",
        ServiceStatus::Foreign => "foreign",
        ServiceStatus::Unknown => "unknown",
    }
}

pub fn services(page: &mut Page, s: &Snapshot) {
    let mut family =
        page.family("steady_service_state", Kind::Gauge, "Whether the service is in this state.");
    for v in &s.services {
        family.put_state(&[("service", &v.name)], "state", &STATES, state(v));
    }
    let mut gauge = |name, help, value: &dyn Fn(&ServiceView) -> Option<f64>| {
        let mut family = page.family(name, Kind::Gauge, help);
        for v in &s.services {
            if let Some(value) = value(v) {
                family.put(&[("service", &v.name)], value);
            }
        }
    };
    gauge("steady_service_ready", "Whether the service is ready.", &|v| {
        Some(yes(v.state == ServiceStatus::Ready))
    });
    gauge("steady_service_wanted", "Whether it should be up: neither stopped by a person nor done.", &|v| {
        Some(yes(v.wanted))
    });
    gauge("steady_service_uptime_seconds", "For how long it has been ready.", &|v| {
        let since = v.since.filter(|_| v.state == ServiceStatus::Ready)?;
        Some(s.at.since(since)?.as_secs_f64())
    });
    gauge("steady_service_memory_bytes", "Memory of all its processes.", &|v| v.usage.as_ref().map(memory));
    gauge("steady_service_processes", "Its living processes.", &|v| {
        v.usage.as_ref().map(|u| f64::from(u.processes))
    });
    let help = "CPU time of its processes and of their ended children.";
    let mut spent = page.family("steady_service_cpu_seconds_total", Kind::Counter, help);
    for v in &s.services {
        if let Some(usage) = &v.usage {
            spent.put(&[("service", &v.name)], cpu(usage));
        }
    }
    let help = "Restarts since the agent took it into care.";
    let mut restarts = page.family("steady_service_restarts_total", Kind::Counter, help);
    for v in &s.services {
        #[expect(clippy::cast_precision_loss, reason = "exact below 2^53")]
        restarts.put(&[("service", &v.name)], v.restarts as f64);
    }
}

pub fn checks(page: &mut Page, s: &Snapshot) {
    let help = "Whether the check's judged status is this one.";
    let mut family = page.family("steady_check_status", Kind::Gauge, help);
    for c in &s.checks {
        family.put_state(&[("check", &c.name), ("kind", &c.kind)], "status", &STATUSES, word(c.status));
    }
    let help = "How long its last look took.";
    let mut family = page.family("steady_check_duration_seconds", Kind::Gauge, help);
    for c in s.checks.iter().filter(|c| c.observed.is_some()) {
        #[expect(clippy::cast_precision_loss, reason = "exact below 2^53")]
        family.put(&[("check", &c.name), ("kind", &c.kind)], c.took_ms as f64 / 1e3);
    }
    let help = "When it last looked, Unix time.";
    let mut family = page.family("steady_check_observed_timestamp_seconds", Kind::Gauge, help);
    for c in &s.checks {
        if let Some(at) = c.observed {
            family.put(&[("check", &c.name), ("kind", &c.kind)], seconds(at));
        }
    }
    let help = "The number that its last look measured, in the base unit that the label names.";
    let mut family = page.family("steady_check_measured", Kind::Gauge, help);
    for c in &s.checks {
        if let Some(measure) = &c.measure {
            family.put(&[("check", &c.name), ("kind", &c.kind), ("unit", &measure.unit)], measure.value);
        }
    }
}

pub fn jobs(page: &mut Page, s: &Snapshot) {
    let help = "Whether the freshness of the job's work is judged so.";
    let mut family = page.family("steady_job_status", Kind::Gauge, help);
    for j in &s.jobs {
        family.put_state(&[("job_name", &j.name)], "status", &STATUSES, word(j.status));
    }
    let mut family = page.family("steady_job_running", Kind::Gauge, "Whether it runs now.");
    for j in &s.jobs {
        family.put(&[("job_name", &j.name)], yes(j.running_since.is_some()));
    }
    let help = "When its last good run was, Unix time; none while it never was.";
    let mut family = page.family("steady_job_last_success_timestamp_seconds", Kind::Gauge, help);
    for j in &s.jobs {
        if let Some(at) = j.last_success {
            family.put(&[("job_name", &j.name)], seconds(at));
        }
    }
    let help = "When the schedule starts its next run, Unix time.";
    let mut family = page.family("steady_job_next_run_timestamp_seconds", Kind::Gauge, help);
    for j in &s.jobs {
        if let Some(at) = j.next {
            family.put(&[("job_name", &j.name)], seconds(at));
        }
    }
    let last = || s.jobs.iter().filter_map(|j| Some((j.name.as_str(), j.runs.first()?)));
    let help = "When its last run ended, Unix time.";
    let mut family = page.family("steady_job_last_run_timestamp_seconds", Kind::Gauge, help);
    for (name, run) in last() {
        family.put(&[("job_name", name)], seconds(run.ended));
    }
    let help = "How long its last run took.";
    let mut family = page.family("steady_job_last_run_duration_seconds", Kind::Gauge, help);
    for (name, run) in last() {
        if let Some(took) = run.ended.since(run.started) {
            family.put(&[("job_name", name)], took.as_secs_f64());
        }
    }
    let mut family =
        page.family("steady_job_last_run_outcome", Kind::Gauge, "Whether its last run ended like this.");
    for (name, run) in last() {
        family.put_state(&[("job_name", name)], "outcome", &OUTCOMES, &outcome(run));
    }
}

fn outcome(run: &RunRecord) -> String {
    run.outcome.word().replace(' ', "_")
}

pub fn backup(page: &mut Page, b: &BackupView) {
    let mut gauge = |name, help, value: Option<f64>| {
        if let Some(value) = value {
            page.family(name, Kind::Gauge, help).put(&[], value);
        }
    };
    gauge(
        "steady_backup_configured",
        "Whether there is a data directory to back up.",
        Some(yes(b.configured)),
    );
    if !b.configured {
        return;
    }
    let newest = b.points.first();
    let verified = b.points.iter().find(|p| p.verified.is_some());
    #[expect(clippy::cast_precision_loss, reason = "exact below 2^53")]
    let size = |of: fn(&RestorePoint) -> u64| newest.map(|p| of(p) as f64);
    gauge("steady_backup_points", "Restore points that there are.", Some(small(b.points.len())));
    gauge(
        "steady_backup_running",
        "Whether a backup or a restore is under way.",
        Some(yes(b.operation.is_some())),
    );
    gauge(
        "steady_backup_failed",
        "Whether the last backup or restore failed.",
        Some(yes(b.last_error.is_some())),
    );
    gauge(
        "steady_backup_last_taken_timestamp_seconds",
        "When the newest restore point was taken, Unix time.",
        newest.map(|p| seconds(p.taken)),
    );
    gauge(
        "steady_backup_last_verified_timestamp_seconds",
        "When a restore point was last opened and checked, Unix time; none while none could be.",
        b.points.iter().filter_map(|p| p.verified).max().map(seconds),
    );
    gauge(
        "steady_backup_verified_point_timestamp_seconds",
        "When the newest verified restore point was taken, Unix time.",
        verified.map(|p| seconds(p.taken)),
    );
    gauge(
        "steady_backup_last_size_bytes",
        "Size of the data in the newest restore point.",
        size(|p| p.bytes),
    );
    gauge("steady_backup_last_added_bytes", "What it added to the repository.", size(|p| p.added));
    gauge("steady_backup_last_files", "Files in the newest restore point.", size(|p| p.files));
    page.family("steady_backup_status", Kind::Gauge, "Whether the backup is judged so.").put_state(
        &[],
        "status",
        &STATUSES,
        word(b.status),
    );
}
