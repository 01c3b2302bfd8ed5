//! A changed steady.toml takes force without touching what did not change.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use serde_json::Value;
use steady_e2e::{Stack, alive};
use steady_model::snapshot::{ServiceStatus, Snapshot};

const OLD: &str = "[service.api]\ncommand = [\"sleep\", \"1000\"]\n\
    [service.db]\ncommand = [\"sleep\", \"2000\"]\n\
    [service.old]\ncommand = [\"sleep\", \"3000\"]\n";

fn ready(s: &Snapshot, name: &str) -> Option<u32> {
    s.services.iter().find(|v| v.name == name && v.state == ServiceStatus::Ready).and_then(|v| v.pid)
}

fn changes(plan: &Value) -> Vec<String> {
    let word = |v: &Value| v.as_str().unwrap().to_owned();
    let mut told: Vec<String> = plan["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| format!("{} {}: {}", word(&c["section"]), word(&c["name"]), word(&c["consequence"])))
        .collect();
    told.sort();
    told
}

#[tokio::test]
async fn a_reload_restarts_only_what_changed_and_a_dry_run_nothing() {
    let stack = Stack::with(OLD);
    stack.up();
    let up = |s: &Snapshot| ["api", "db", "old"].iter().all(|name| ready(s, name).is_some());
    let before = stack.until("all are up", up).await;
    let pid = |name| ready(&before, name).unwrap();

    assert_eq!(changes(&stack.steady_json(&["reload"])), [""; 0]);
    stack.configure(
        &OLD.replace("[\"sleep\", \"1000\"]", "[\"sleep\", \"1001\"]")
            .replace("[\"sleep\", \"2000\"]", "[\"sleep\", \"2000\"]\nstop_grace = \"3s\"")
            .replace("[service.old]", "[service.new]"),
    );
    let expected =
        ["service api: restarts", "service db: at_once", "service new: starts", "service old: stops"];
    let dry = stack.steady_json(&["reload", "--dry-run"]);
    assert_eq!((changes(&dry), &dry["applied"]), (expected.map(str::to_owned).to_vec(), &Value::Bool(false)));
    let same = stack.client().snapshot().await.unwrap();
    assert_eq!(ready(&same, "api"), Some(pid("api")), "a dry run changes nothing");

    let done = stack.steady_json(&["reload"]);
    assert_eq!(
        (changes(&done), &done["applied"]),
        (expected.map(str::to_owned).to_vec(), &Value::Bool(true))
    );
    let after = stack
        .until("the new ones are up", |s| {
            ready(s, "api").is_some_and(|now| now != pid("api")) && ready(s, "new").is_some()
        })
        .await;
    assert_eq!(ready(&after, "db"), Some(pid("db")), "what did not change its launch runs on");
    assert!(after.services.iter().all(|s| s.name != "old"));
    while alive(pid("old")) {
        tokio::task::yield_now().await;
    }
    assert!(!alive(pid("api")), "one copy");
}

#[tokio::test]
async fn a_wrong_file_is_refused_with_its_line_and_changes_nothing() {
    let stack = Stack::with(OLD);
    stack.up();
    let before = stack.until("all are up", |s| ready(s, "api").is_some()).await;
    stack.configure(&OLD.replace("[service.db]\ncommand", "[service.db]\ncomand"));
    let refused = stack.steady(&["reload"]);
    assert!(!refused.status.success());
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        said.contains("steady.toml:7: unknown field `comand`") && said.contains("nothing was changed"),
        "{said}"
    );
    let after = stack.client().snapshot().await.unwrap();
    assert_eq!(ready(&after, "api"), ready(&before, "api"));
    assert_eq!(after.services.len(), 3);
}
