//! An agent that finds an interrupted restore which it cannot end.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::process::{Command, Output};

use steady_e2e::{Stack, kill9};
use steady_model::api::RestoreRequest;
use steady_model::check::Status;
use steady_model::snapshot::{ServiceStatus, ServiceView, Snapshot};

/// brain with its data on a disk of their own, and a service that has nothing to do with them.
fn stack() -> Stack {
    let stack = Stack::with("");
    let port = stack.brain_port;
    stack.configure(&format!(
        r#"[service.brain]
command = ["brain", "serve", "--vault", "vault", "--data", "disk/data", "--port", "{port}"]
port = {port}
ready = {{ http = "http://127.0.0.1:{port}/health" }}
[service.other]
command = ["sleep", "100000"]
[backup]
source = "disk/data"
services = ["brain"]
"#
    ));
    std::fs::create_dir_all(stack.path("disk/data")).unwrap();
    std::fs::create_dir(stack.path("vault")).unwrap();
    stack
}

fn service<'a>(s: &'a Snapshot, name: &str) -> &'a ServiceView {
    s.services.iter().find(|service| service.name == name).unwrap()
}

fn ready(s: &Snapshot, name: &str) -> bool {
    service(s, name).state == ServiceStatus::Ready
}

/// brain is ended with the agent that was starting it again.
fn kill_brain(stack: &Stack) {
    let out = Command::new("ps").args(["-A", "-ww", "-o", "pid=,command="]).output().unwrap();
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let serves = format!("--port {}", stack.brain_port);
    for line in text.lines().filter(|line| line.contains(" serve ") && line.contains(&serves)) {
        kill9(line.split_whitespace().next().unwrap().parse().unwrap());
    }
}

fn said(out: &Output) -> String {
    String::from_utf8_lossy(&[out.stdout.as_slice(), &out.stderr].concat()).into_owned()
}

#[tokio::test]
async fn a_restore_that_cannot_be_ended_holds_what_uses_the_data_and_nothing_else_until_it_is() {
    let stack = stack();
    stack.up();
    stack.until("both run", |s| ready(s, "brain") && ready(s, "other")).await;
    stack.converse("kept").await;
    let point = stack.steady_json(&["backup"])["id"].as_str().unwrap().to_owned();
    stack.converse("later").await;
    stack.client().restore(&point, &RestoreRequest::default()).await.unwrap();
    let at = |s: &Snapshot| {
        s.backup.operation.as_ref().is_some_and(|o| o.phase == "stopping what writes to the data")
    };
    let s = stack.until("it stops brain", at).await;
    kill9(s.agent.pid);
    kill_brain(&stack);
    assert!(stack.home().join("restore/journal.json").exists(), "the restore was too quick for this test");
    std::fs::rename(stack.path("disk"), stack.path("drawer")).unwrap();

    stack.up();
    let held = |s: &Snapshot| {
        ready(s, "other")
            && service(s, "brain").detail.contains("an interrupted restore must be ended first")
            && s.backup.unfinished.is_some()
    };
    let s = stack.until("brain is held and the other service runs", held).await;
    let reason = &s.verdict.reasons[0];
    assert_eq!((s.verdict.status, reason.status), (Status::Fail, Status::Fail), "{:?}", s.verdict);
    assert!(reason.sentence.contains("interrupted restore could not be ended"), "{reason:?}");
    assert!(reason.sentence.contains("disk/data is not there"), "{reason:?}");
    assert!(reason.action.contains("steady backup recover"), "{reason:?}");
    let brain = service(&s, "brain");
    assert_eq!((brain.state, brain.pid), (ServiceStatus::Stopped, None));
    for command in [&["start", "brain"][..], &["restart", "brain"], &["backup"], &["undo", "--yes"]] {
        let out = stack.steady(command);
        assert_eq!(out.status.code(), Some(1), "{command:?}: {}", said(&out));
        assert!(said(&out).contains("steady backup recover"), "{command:?}: {}", said(&out));
    }
    let again = stack.steady(&["backup", "recover"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(said(&again).contains("is not there"), "{}", said(&again));
    assert!(!stack.path("disk").exists(), "something was created where the disk was");
    let s = stack.client().snapshot().await.unwrap();
    assert_eq!((&s.backup.last_error, service(&s, "brain").pid), (&None, None));

    std::fs::rename(stack.path("drawer"), stack.path("disk")).unwrap();
    let ended = stack.steady(&["backup", "recover"]);
    assert!(ended.status.success(), "{}", said(&ended));
    let s = stack.until("brain runs", |s| ready(s, "brain") && s.backup.operation.is_none()).await;
    assert_eq!((s.backup.unfinished, s.agent.pid != 0), (None, true));
    let kept = stack.conversations().await;
    assert!(kept.contains(&"kept".to_owned()), "{kept:?}");
    let whole = s.backup.last_restore.unwrap().outcome;
    let restored = whole == steady_model::backup::RestoreOutcome::Restored;
    assert_eq!(kept.contains(&"later".to_owned()), !restored, "{kept:?} after {whole:?}");
    let none = stack.steady(&["backup", "recover"]);
    assert!(said(&none).contains("no restore is interrupted"), "{}", said(&none));
    stack.steady_json(&["backup"]);
}
