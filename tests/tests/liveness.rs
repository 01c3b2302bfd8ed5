//! A service whose check fails again and again is restarted, and not while a job keeps it busy.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;

use steady_e2e::Stack;
use steady_model::check::Status;
use steady_model::snapshot::{ServiceStatus, Snapshot};

const CONFIG: &str = r#"
[service.api]
command = ["sleep", "1000"]
liveness = { check = "alive", failures = 3, grace = "1ms" }

[check.alive]
kind = "path"
path = "alive"
interval = "100ms"

[job.index]
command = ["sh", "-c", "while [ -e indexing ]; do sleep 0.05; done"]
markers = "."
busy = ["api"]
"#;

fn ready(s: &Snapshot) -> Option<u32> {
    s.services.iter().find(|v| v.state == ServiceStatus::Ready).and_then(|v| v.pid)
}

#[tokio::test]
async fn liveness_restarts_a_service_that_no_job_keeps_busy_and_leaves_a_report() {
    let stack = Stack::with(CONFIG);
    fs::create_dir_all(stack.path("alive/note")).unwrap();
    fs::write(stack.path("indexing"), "").unwrap();
    stack.up();
    let well = |s: &Snapshot| ready(s).is_some() && s.checks[0].status == Status::Pass;
    let first = ready(&stack.until("it runs and its check passes", well).await).unwrap();

    stack.client().run_job("index").await.unwrap();
    stack.until("the job runs", |s| s.jobs[0].running_since.is_some()).await;
    fs::rename(stack.path("alive"), stack.path("gone")).unwrap();
    let failing = stack.until("the check fails", |s| s.checks[0].status == Status::Fail).await;
    let mut looks = 0;
    let mut seen = failing.checks[0].observed;
    let busy = stack
        .until("ten more looks", |s| {
            looks += u32::from(s.checks[0].observed != seen);
            seen = s.checks[0].observed;
            looks >= 10
        })
        .await;
    assert_eq!(ready(&busy), Some(first), "restarted while a job keeps it busy");

    fs::remove_file(stack.path("indexing")).unwrap();
    let again = stack.until("it is restarted", |s| ready(s).is_some_and(|pid| pid != first)).await;
    let said = again.services[0].last_exit.clone().unwrap();
    assert!(said.starts_with("3 failed checks in a row"), "{said}");
    fs::rename(stack.path("gone"), stack.path("alive")).unwrap();
    let calm = stack.until("all is well, with a report", |s| well(s) && !s.crashes.is_empty()).await;
    assert!(calm.crashes[0].cause.contains("3 failed checks in a row"), "{}", calm.crashes[0].cause);
}
