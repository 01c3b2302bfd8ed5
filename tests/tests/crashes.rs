//! Crash reports of real ends: a service's, and the agent's own.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use steady_client::ClientError;
use steady_e2e::{Stack, kill9};
use steady_model::api::LogQuery;
use steady_model::crash::{CrashSubject, REDACTED};
use steady_model::snapshot::ServiceStatus;

const FRAGILE: &str = r#"
[service.fragile]
command = ["sh", "-c", "echo the key is $API_KEY; echo last words; exec sleep 1000"]
env = { API_KEY = "hunter2-hunter2", COLOUR = "blue" }
"#;

#[tokio::test]
async fn a_service_that_died_leaves_a_report_with_cause_last_words_and_no_secret() {
    let stack = Stack::with(FRAGILE);
    stack.up();
    let ready = stack.until("ready", |s| s.services[0].state == ServiceStatus::Ready).await;
    let pid = ready.services[0].pid.unwrap();
    let written = async {
        while !stack
            .client()
            .logs("fragile", &LogQuery::default())
            .await
            .unwrap()
            .lines
            .contains(&"last words".into())
        {}
    };
    tokio::time::timeout(steady_e2e::LIMIT, written).await.unwrap();
    assert!(Command::new("kill").args(["-SEGV", &pid.to_string()]).status().unwrap().success());
    let told = stack.until("the report is told", |s| !s.crashes.is_empty()).await;
    let crash = &told.crashes[0];
    assert_eq!(crash.subject, CrashSubject::Service("fragile".into()));
    assert_eq!(crash.cause, "signal 11 (SIGSEGV): it touched memory that is not its own");

    let report = stack.steady_json(&["crashes", "show", "latest"]);
    assert_eq!(report["id"], crash.id.as_str());
    assert_eq!((report["pid"].as_u64(), report["streak"].as_u64()), (Some(pid.into()), Some(1)));
    assert_eq!(
        (report["env"]["API_KEY"].as_str(), report["env"]["COLOUR"].as_str()),
        (Some(REDACTED), Some("blue"))
    );
    let log: Vec<&str> = report["log"].as_array().unwrap().iter().map(|l| l.as_str().unwrap()).collect();
    assert!(log.starts_with(&["the key is (redacted)", "last words"]), "{log:?}");
    let path = stack.home().join(format!("crashes/{}.json", crash.id));
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(!text.contains("hunter2"), "{text}");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

    let words = String::from_utf8(stack.steady(&["crashes"]).stdout).unwrap();
    assert!(words.contains("fragile") && words.contains("SIGSEGV"), "{words}");
    // A path is no id, however it is written.
    for id in ["../token", "..%2ftoken", "latest"] {
        let refused = stack.client().crash(id).await.unwrap_err();
        assert!(matches!(&refused, ClientError::Refused(p) if p.code == "not_found"), "{id}: {refused:?}");
    }
}

#[tokio::test]
async fn an_agent_that_was_killed_is_reported_by_the_next_and_one_that_ended_in_order_is_not() {
    let stack = Stack::with(FRAGILE);
    stack.up();
    assert!(stack.steady(&["down"]).status.success());
    stack.up();
    let agent = stack.client().snapshot().await.unwrap().agent.pid;
    assert_eq!(stack.client().crashes().await.unwrap(), []);
    kill9(agent);
    stack.up();
    let told = stack.until("the report is told", |s| !s.crashes.is_empty()).await;
    assert_eq!(told.crashes[0].subject, CrashSubject::Agent);
    let report = stack.client().crash(&told.crashes[0].id).await.unwrap();
    assert!(report.cause.starts_with("the agent ended without a word: it was killed"), "{}", report.cause);
    assert_eq!(report.pid, Some(agent));
    assert!(report.log.iter().any(|line| line.contains("the agent runs with")), "{:#?}", report.log);
}
