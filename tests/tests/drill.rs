//! Drills with brain as the backend: what they prove, and what they leave alone.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(
    clippy::disallowed_methods,
    reason = "a process that left no trace announces nothing: it is looked for until a limit"
)]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use steady_e2e::{LIMIT, Stack, alive, kill9};
use steady_model::check::Status;
use steady_model::drill::DrillOutcome;

const CANARY: &str =
    "canary = { path = \"/api/v1/conversations\", body = { \"conversations.0.title\" = \"the canary\" } }\n";

fn with_drill(section: &str) -> Stack {
    let stack = Stack::prepare();
    let config = std::fs::read_to_string(stack.path("steady.toml")).unwrap();
    std::fs::write(stack.path("steady.toml"), format!("{config}\n[backup.drill]\n{section}")).unwrap();
    stack
}

async fn backed_up(stack: &Stack) {
    stack.up();
    stack.until("brain is ready", |s| s.services[0].status == Status::Pass).await;
    stack
        .until("backed up", |s| {
            s.backup.points.iter().any(|p| p.verified.is_some()) && s.backup.operation.is_none()
        })
        .await;
}

fn scratch(stack: &Stack) -> PathBuf {
    stack.home().join("backups/drill")
}

/// The process of a drill, as its journal has it.
fn drilled_pid(stack: &Stack) -> Option<u32> {
    let text = std::fs::read(stack.home().join("journal/.drill.json")).ok()?;
    let entry: serde_json::Value = serde_json::from_slice(&text).ok()?;
    u32::try_from(entry["process"]["pid"].as_u64()?).ok()
}

fn wait(what: &str, holds: impl Fn() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < LIMIT, "not within {LIMIT:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn drills_shown(stack: &Stack) -> String {
    String::from_utf8(stack.steady(&["backups"]).stdout).unwrap()
}

#[tokio::test]
async fn a_drill_starts_the_backend_on_a_restored_point_and_leaves_the_live_one_alone() {
    let stack = with_drill(&format!("service = \"brain\"\n{CANARY}"));
    backed_up(&stack).await;
    stack.converse("the canary").await;
    stack.steady_json(&["backup"]);
    stack.converse("only now").await;
    let before = stack.conversations().await;
    let pid = Stack::pid_of(&stack.client().snapshot().await.unwrap(), "brain");

    let report = stack.steady_json(&["drill"]);
    assert_eq!(report["result"], "passed", "{report}");
    let steps: Vec<&str> =
        report["steps"].as_array().unwrap().iter().map(|s| s["what"].as_str().unwrap()).collect();
    assert_eq!(steps, ["restored", "opened", "started", "healthy", "canary", "stopped"]);
    assert!(report["took_ms"].as_u64() > Some(0) && report["files"].as_u64() >= Some(3), "{report}");

    let s = stack.client().snapshot().await.unwrap();
    assert_eq!(Stack::pid_of(&s, "brain"), pid, "the live backend was touched");
    assert_eq!(stack.conversations().await, before);
    assert!(!alive(drilled_pid(&stack).unwrap()) && !scratch(&stack).exists());
    assert_ne!(drilled_pid(&stack), pid);
    assert_eq!(s.backup.drill.as_ref().map(|d| d.status), Some(Status::Pass));
    assert!(drills_shown(&stack).contains("Drills: drilled"), "{}", drills_shown(&stack));
}

#[tokio::test]
async fn a_point_without_its_canary_fails_the_drill_with_the_reason_until_a_good_one_passed() {
    let stack = with_drill(&format!("service = \"brain\"\n{CANARY}"));
    backed_up(&stack).await;
    let failed = stack.steady(&["drill"]);
    assert_eq!(failed.status.code(), Some(1));
    let said = String::from_utf8(failed.stdout).unwrap();
    assert!(
        said.contains("Failed asking the canary question") && said.contains("conversations.0.title"),
        "{said}"
    );
    assert!(!alive(drilled_pid(&stack).unwrap()) && !scratch(&stack).exists());
    let s = stack
        .until("the dot is amber", |s| s.verdict.reasons.iter().any(|r| r.sentence.contains("canary")))
        .await;
    let reason = s.verdict.reasons.iter().find(|r| r.sentence.contains("canary")).unwrap();
    assert_eq!(reason.status, Status::Warn);
    assert!(reason.action.contains("steady drill"), "{reason:?}");

    // It outlives the agent.
    stack.steady(&["down"]);
    stack.up();
    stack.until("still amber", |s| s.verdict.reasons.iter().any(|r| r.sentence.contains("canary"))).await;

    stack.until("brain is ready", |s| s.services[0].status == Status::Pass).await;
    stack.converse("the canary").await;
    stack.steady_json(&["backup"]);
    assert_eq!(stack.steady_json(&["drill"])["result"], "passed");
    stack.until("no reason left", |s| s.verdict.reasons.iter().all(|r| !r.sentence.contains("canary"))).await;
}

#[tokio::test]
async fn a_drill_runs_by_itself_when_it_is_due_and_a_backend_that_ends_is_told_with_where_its_words_are() {
    let command = r#"["sh", "-c", "echo no index in {data}; exit 3", "{port}"]"#;
    let stack = with_drill(&format!("every = \"720h\"\ncommand = {command}\n"));
    backed_up(&stack).await;
    let s = stack.until("drilled", |s| s.backup.drill.as_ref().is_some_and(|d| d.last.is_some())).await;
    let drill = s.backup.drill.unwrap();
    let Some(DrillOutcome::Failed { why, .. }) = drill.last.map(|d| d.outcome) else { panic!("it passed") };
    assert!(why.contains("code 3") && why.contains("logs/.drill"), "{why}");
    let log = stack.home().join("logs/.drill");
    let said = || {
        std::fs::read_dir(&log)
            .unwrap()
            .any(|f| std::fs::read_to_string(f.unwrap().path()).is_ok_and(|t| t.contains("no index in")))
    };
    wait("its words are kept", said);
    assert!(drill.next.is_some() && !scratch(&stack).exists());
}

/// A backend that never answers, so that a drill takes as long as the test wants.
const SILENT: &str = "command = [\"sh\", \"-c\", \"echo > {data}/began; exec sleep 600\", \"{port}\"]\n";

async fn amid_a_drill() -> (Stack, u32) {
    let stack = with_drill(SILENT);
    backed_up(&stack).await;
    stack.steady_json(&["drill", "--detach"]);
    let began = scratch(&stack).join("data/began");
    wait("the backend of the drill runs", || began.exists() && drilled_pid(&stack).is_some_and(alive));
    let pid = drilled_pid(&stack).unwrap();
    (stack, pid)
}

#[tokio::test]
async fn what_a_killed_agent_leaves_of_a_drill_is_ended_and_removed_by_the_next_one() {
    let (stack, pid) = amid_a_drill().await;
    let agent = stack.client().snapshot().await.unwrap().agent.pid;
    kill9(agent);
    wait("the agent is gone", || !alive(agent));
    assert!(alive(pid) && scratch(&stack).exists(), "nothing was left: this proves nothing");
    stack.up();
    wait("the drill's process is gone", || !alive(pid));
    wait("the scratch data are gone", || !scratch(&stack).exists());
    stack.until("brain is ready", |s| s.services[0].status == Status::Pass).await;
}

#[tokio::test]
async fn an_agent_that_ends_amid_a_drill_ends_its_backend_and_the_next_removes_the_data() {
    let (stack, pid) = amid_a_drill().await;
    assert!(stack.steady(&["down", "--keep-services"]).status.success());
    assert!(!alive(pid), "the backend of the drill runs on");
    stack.up();
    wait("the scratch data are gone", || !scratch(&stack).exists());
    let s = stack.until("brain is ready", |s| s.services[0].status == Status::Pass).await;
    assert_eq!(s.backup.drill.unwrap().last, None, "a drill that was cut off says nothing of the point");
}
