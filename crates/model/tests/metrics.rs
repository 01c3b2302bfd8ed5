//! What a scrape says, in both formats.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use steady_model::check::{Measure, Sample, Severity, Status};
use steady_model::project::metrics::{Format, metrics};
use steady_model::project::{health, ready};
use steady_model::snapshot::{
    AgentInfo, BackupView, CheckView, JobView, ServiceStatus, ServiceView, Snapshot,
};
use steady_model::time::WallTime;
use steady_model::verdict::{Reason, Subject, Verdict};

fn at(time: &str) -> WallTime {
    WallTime(format!("2026-11-23T{time}Z").parse().unwrap())
}

fn sample(metric: &str, labels: &[(&str, &str)], value: f64) -> Sample {
    let labels = labels.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect::<BTreeMap<_, _>>();
    Sample { metric: metric.into(), labels, value }
}

fn check(name: &str, kind: &str, samples: Vec<Sample>) -> CheckView {
    CheckView {
        name: name.into(),
        kind: kind.into(),
        status: Status::Fail,
        severity: Severity::Critical,
        evidence: "seen".into(),
        since: Some(at("09:00:00")),
        observed: Some(at("09:59:58")),
        took_ms: 12,
        measure: None,
        samples,
        service: None,
        explained_by: None,
        action: None,
    }
}

fn service(name: &str, state: ServiceStatus, wanted: bool) -> ServiceView {
    ServiceView {
        name: name.into(),
        state,
        status: Status::Pass,
        wanted,
        detail: "as it is".into(),
        pid: None,
        port: None,
        since: Some(at("09:00:00")),
        restarts: 3,
        last_exit: None,
        foreign: None,
        usage: None,
        warning: None,
    }
}

fn job(name: &str, status: Status, last_success: Option<WallTime>) -> JobView {
    JobView {
        status,
        last_success,
        ..serde_json::from_value(serde_json::json!({
            "name": name, "status": "pass", "phrase": "as it is", "runnable": true, "running_since": null,
            "last_success": null, "next": null, "runs": []
        }))
        .unwrap()
    }
}

fn snapshot(services: Vec<ServiceView>, checks: Vec<CheckView>, jobs: Vec<JobView>) -> Snapshot {
    Snapshot {
        version: 7,
        at: at("10:00:00"),
        agent: AgentInfo {
            version: "0.1.0".into(),
            pid: 1,
            started: at("07:00:00"),
            config: "steady.toml".into(),
            panel: None,
            usage: None,
            lag_ms: 2,
        },
        verdict: Verdict { status: Status::Pass, sentence: "Steady".into(), reasons: vec![], busy: None },
        services,
        checks,
        jobs,
        backup: BackupView {
            drill: None,
            configured: true,
            status: Status::Warn,
            phrase: "never backed up".into(),
            points: vec![],
            operation: None,
            last_operation: None,
            unfinished: None,
            last_restore: None,
            last_error: None,
            next: None,
            pruned: None,
            copies: vec![],
            key: None,
        },
        crashes: vec![],
    }
}

fn lines(text: &str, beginning: &str) -> Vec<String> {
    text.lines().filter(|l| l.starts_with(beginning)).map(str::to_owned).collect()
}

#[test]
fn the_names_that_users_know_are_kept_and_a_label_cannot_break_the_page() {
    let samples = vec![
        sample("pkg_outbox_depth", &[], 3.0),
        sample("pkg_outbox_pending_events", &[("event_type", "a\"b\\c\nd")], 2.0),
        sample("pkg_outbox_oldest_pending_seconds", &[], 12.5),
    ];
    let text =
        metrics(&snapshot(vec![], vec![check("outbox", "outbox", samples)], vec![]), Format::Prometheus);
    assert_eq!(lines(&text, "pkg_outbox_depth"), ["pkg_outbox_depth 3"]);
    assert_eq!(
        lines(&text, "pkg_outbox_pending"),
        [r#"pkg_outbox_pending_events{event_type="a\"b\\c\nd"} 2"#]
    );
    assert_eq!(lines(&text, "pkg_outbox_oldest"), ["pkg_outbox_oldest_pending_seconds 12.5"]);
    assert_eq!(
        lines(&text, "steady_check_status"),
        ["pass", "unknown", "warn", "fail"].map(|s| format!(
            "steady_check_status{{check=\"outbox\",kind=\"outbox\",status=\"{s}\"}} {}",
            i32::from(s == "fail")
        ))
    );
}

#[test]
fn two_checks_of_one_kind_are_told_apart_and_nothing_is_measured_twice() {
    let depth = || vec![sample("pkg_outbox_depth", &[], 3.0)];
    let checks = vec![check("one", "outbox", depth()), check("two", "outbox", depth())];
    let text = metrics(&snapshot(vec![], checks, vec![]), Format::Prometheus);
    let expected = [r#"pkg_outbox_depth{check="one"} 3"#, r#"pkg_outbox_depth{check="two"} 3"#];
    assert_eq!(lines(&text, "pkg_outbox_depth"), expected);

    let twice = vec![
        sample("odd name", &[], 1.0),
        sample("odd-name", &[], 2.0),
        sample("steady_up", &[("by", "a stranger")], 9.0),
    ];
    let text = metrics(&snapshot(vec![], vec![check("one", "command", twice)], vec![]), Format::Prometheus);
    assert_eq!(lines(&text, "odd_name"), ["odd_name 1"]);
    assert_eq!(lines(&text, "steady_up"), ["steady_up 1"]);
    assert_eq!(lines(&text, "steady_check_samples_dropped"), ["steady_check_samples_dropped 2"]);
}

#[test]
fn a_flood_of_samples_is_bounded_and_counted() {
    let flood = (0..1000).map(|n| sample("rows", &[("id", &n.to_string())], 1.0)).collect();
    let text = metrics(&snapshot(vec![], vec![check("one", "command", flood)], vec![]), Format::Prometheus);
    assert_eq!(lines(&text, "rows{").len(), 200);
    assert_eq!(lines(&text, "steady_check_samples_dropped"), ["steady_check_samples_dropped 800"]);
}

#[test]
fn open_metrics_names_families_without_their_suffix_and_says_where_it_ends() {
    let s = snapshot(vec![service("brain", ServiceStatus::Ready, true)], vec![], vec![]);
    let open = metrics(&s, Format::OpenMetrics);
    assert!(open.ends_with("\n# EOF\n"));
    assert!(open.contains("# TYPE steady_build info\nsteady_build_info{version=\"0.1.0\"} 1\n"), "{open}");
    assert!(open.contains(
        "# TYPE steady_service_restarts counter\nsteady_service_restarts_total{service=\"brain\"} 3\n"
    ));
    let plain = metrics(&s, Format::Prometheus);
    assert!(!plain.contains("# EOF"));
    assert!(plain.contains("# TYPE steady_service_restarts_total counter\n"));
    assert_eq!(
        lines(&plain, "steady_service_uptime"),
        [r#"steady_service_uptime_seconds{service="brain"} 3600"#]
    );
}

#[test]
fn the_accept_header_chooses_and_the_older_format_is_for_all_others() {
    let prometheus = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                      text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    assert_eq!(Format::preferred(Some(prometheus)), Format::OpenMetrics);
    assert_eq!(Format::preferred(Some("text/plain, application/openmetrics-text;q=0.1")), Format::Prometheus);
    assert_eq!(Format::preferred(Some("application/openmetrics-text;q=0")), Format::Prometheus);
    for other in [None, Some("*/*"), Some("text/html, */*;q=0.8"), Some(";;,q=,")] {
        assert_eq!(Format::preferred(other), Format::Prometheus, "{other:?}");
    }
}

#[test]
fn ready_waits_for_what_should_be_up_and_for_nothing_else() {
    let stopped = service("paused", ServiceStatus::Stopped, false);
    let up = service("brain", ServiceStatus::Ready, true);
    let s = snapshot(vec![stopped.clone(), up.clone()], vec![], vec![]);
    assert_eq!(ready::ready(&s), (200, "ready\n".to_owned()));
    let waits = service("worker", ServiceStatus::Stopped, true);
    let s = snapshot(vec![stopped, up, waits], vec![], vec![]);
    assert_eq!(ready::ready(&s), (503, "not ready: worker (as it is)\n".to_owned()));
}

#[test]
fn health_answers_503_for_a_failure_alone_and_each_status_has_its_word() {
    for (status, code, word) in [
        (Status::Pass, 200, "ok"),
        (Status::Warn, 200, "degraded"),
        (Status::Unknown, 200, "unknown"),
        (Status::Fail, 503, "error"),
    ] {
        let mut all = snapshot(vec![], vec![], vec![]);
        all.verdict.status = status;
        let (got, body) = health::health(&all);
        assert_eq!((got, &body["status"]), (code, &word.into()));
        assert_eq!(body.get("notes"), None, "no reasons, no notes");
    }
}

#[test]
fn health_tells_a_failed_sync_and_the_worse_of_two_with_one_name() {
    let brain = service("brain", ServiceStatus::Ready, true);
    let mut disk = check("disk", "disk", vec![]);
    disk.measure = Some(Measure { value: 3.0 * 1_073_741_824.0, unit: "bytes".into() });
    // By name, not by the alphabet.
    let cleanup = job("cleanup", Status::Pass, None);
    let jobs = vec![cleanup, job("daily-sync", Status::Fail, Some(at("04:00:00")))];
    let mut all = snapshot(vec![brain], vec![check("brain", "http", vec![]), disk], jobs);
    all.verdict.reasons = vec![Reason {
        status: Status::Fail,
        subject: Subject::Check("brain".into()),
        sentence: "brain: seen".into(),
        since: Some(at("09:48:00")),
        action: "Restart brain".into(),
    }];
    let (_, body) = health::health(&all);
    assert_eq!(
        body["notes"][0], "brain, since 12 min ago: seen — Restart brain",
        "evidence, age, next action"
    );
    assert_eq!(body["brain"], "error: seen");
    assert_eq!(body["sync"], "error: as it is");
    assert_eq!(body["daily-sync"], "error: as it is");
    assert_eq!(body["backup"], "warning: never backed up");
    assert_eq!((&body["last_sync_hours_ago"], &body["free_disk_gb"]), (&6.0.into(), &3.0.into()));
    assert_eq!(body["checks"]["daily-sync:job"][0]["observedValue"], 6 * 3600);
}
