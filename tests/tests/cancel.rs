//! Operations that people end early, in front of a real agent.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::process::{Command, Output};

use steady_client::ClientError;
use steady_e2e::Stack;
use steady_model::backup::{OperationKind, OperationOutcome};
use steady_model::snapshot::Snapshot;

const CONFIG: &str = "[backup]\nsource = \"data\"\n";

/// An agent with nothing to do but backups of so much that one takes a while.
fn stack(more: &str) -> Stack {
    let stack = Stack::with(&format!("{CONFIG}{more}"));
    std::fs::create_dir(stack.path("data")).unwrap();
    fill(&stack, 1);
    stack
}

/// Other bytes for each `seed`.
fn fill(stack: &Stack, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let bytes: Vec<u8> = (0..6 << 20).flat_map(|_| random.u64(..).to_le_bytes()).collect();
    std::fs::write(stack.path("data/noise.bin"), bytes).unwrap();
}

fn said(out: &Output) -> String {
    String::from_utf8_lossy(&[out.stdout.as_slice(), &out.stderr].concat()).into_owned()
}

/// Living engines of this stack.
fn engines(stack: &Stack) -> usize {
    let out = Command::new("ps").args(["-A", "-ww", "-o", "stat=,command="]).output().unwrap();
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let home = stack.home().display().to_string();
    let is_engine = |line: &&str| line.contains(" engine ") && line.contains(&home) && !line.starts_with('Z');
    text.lines().filter(is_engine).count()
}

fn in_phase(s: &Snapshot, phase: &str) -> bool {
    s.backup.operation.as_ref().is_some_and(|o| o.phase == phase)
}

#[tokio::test]
async fn a_backup_that_is_cancelled_ends_at_once_is_no_failure_and_the_next_one_succeeds() {
    let stack = stack("");
    stack.up();
    let nothing = stack.steady(&["backup", "cancel"]);
    assert_eq!(nothing.status.code(), Some(1));
    assert!(said(&nothing).contains("no operation runs"), "{}", said(&nothing));

    for (seed, phase) in [(2, "copying the data"), (3, "reading the restore point back")] {
        fill(&stack, seed);
        let id = stack.steady_json(&["backup", "--detach"])["id"].as_str().unwrap().to_owned();
        let s = stack.until(phase, |s| in_phase(s, phase)).await;
        assert!(s.backup.operation.unwrap().can_cancel);
        let answer = stack.steady_json(&["backup", "cancel"]);
        assert_eq!((answer["id"].as_str(), answer["cancelled"].as_bool()), (Some(id.as_str()), Some(true)));
        let s = stack.client().snapshot().await.unwrap();
        let last = s.backup.last_operation.unwrap();
        assert_eq!((last.id, last.kind), (id.clone(), OperationKind::Backup));
        assert_eq!(last.outcome, OperationOutcome::Cancelled);
        assert_eq!((s.backup.operation, s.backup.last_error, engines(&stack)), (None, None, 0));

        let next = stack.steady_json(&["backup"]);
        assert!(next["verified"].is_string(), "{next}");
        match stack.client().cancel(&id).await {
            Err(ClientError::Refused(problem)) => assert_eq!(problem.code, "not_found", "{problem:?}"),
            other => panic!("{other:?}"),
        }
    }
    let check = Command::new("restic")
        .args(["--no-cache", "--no-lock", "--repo"])
        .arg(stack.home().join("backups/repository"))
        .arg("--password-file")
        .arg(stack.home().join("backups/password"))
        .args(["check", "--read-data"])
        .output()
        .unwrap();
    assert!(check.status.success(), "{}", said(&check));
}

#[tokio::test]
async fn only_the_operation_that_is_named_is_ended() {
    let stack = stack("");
    stack.up();
    let first = stack.steady_json(&["backup", "--detach"])["id"].as_str().unwrap().to_owned();
    let done = |s: &Snapshot| s.backup.last_operation.as_ref().is_some_and(|last| last.id == first);
    stack.until("the first is over", done).await;
    let client = stack.client();
    match client.cancel(&first).await {
        Err(ClientError::Refused(problem)) => {
            assert_eq!((problem.code.as_str(), problem.detail.contains("it was done")), ("over", true));
        }
        other => panic!("{other:?}"),
    }
    fill(&stack, 2);
    let second = stack.steady_json(&["backup", "--detach"])["id"].as_str().unwrap().to_owned();
    stack.until("the second runs", |s| in_phase(s, "copying the data")).await;
    assert!(client.cancel(&first).await.is_err());
    assert!(client.cancel("nonsense").await.is_err());
    let s = stack
        .until("the second is over", |s| s.backup.last_operation.as_ref().is_some_and(|l| l.id == second))
        .await;
    assert_eq!(s.backup.last_operation.unwrap().outcome, OperationOutcome::Done);
    assert!(s.backup.points.len() == 2 && s.backup.points[0].verified.is_some());
}

#[tokio::test]
async fn a_scheduled_backup_that_is_cancelled_is_not_begun_again_at_once() {
    let stack = stack("every = \"6h\"\n");
    stack.up();
    let s = stack.until("the scheduled one", |s| in_phase(s, "copying the data")).await;
    stack.client().cancel(&s.backup.operation.unwrap().id).await.unwrap();
    let s = stack.until("it has ended", |s| s.backup.last_operation.is_some()).await;
    let ended = s.backup.last_operation.unwrap();
    assert_eq!(ended.outcome, OperationOutcome::Cancelled);
    let planned =
        |s: &Snapshot| s.backup.operation.is_none() && s.backup.next.is_some_and(|next| next > ended.ended);
    let s = stack.until("the next one is planned", planned).await;
    let wait = s.backup.next.unwrap().since(ended.ended).unwrap();
    assert!(wait.as_secs() > 5 * 3600, "it would begin again in {wait:?}");
    // What ends in between does not bring it back.
    stack.steady_json(&["prune"]);
    let s = stack.client().snapshot().await.unwrap();
    assert!(s.backup.next.unwrap().since(ended.ended).unwrap().as_secs() > 5 * 3600, "{:?}", s.backup.next);
    assert_eq!(s.backup.operation, None);
}

#[tokio::test]
async fn a_drill_that_is_cancelled_leaves_no_backend_no_data_and_no_record() {
    let stack = Stack::prepare();
    let config = std::fs::read_to_string(stack.path("steady.toml")).unwrap();
    let never_ready =
        "command = [\"sh\", \"-c\", \"exec sleep 41234 # {data} {port}\"]\nready_timeout = \"60s\"";
    std::fs::write(stack.path("steady.toml"), format!("{config}\n[backup.drill]\n{never_ready}\n")).unwrap();
    stack.up();
    let backed_up = |s: &Snapshot| s.backup.operation.is_none() && s.backup.points.len() == 1;
    stack.until("backed up", backed_up).await;
    stack.steady_json(&["drill", "--detach"]);
    stack.until("its backend starts", |s| in_phase(s, "starting the backend on it")).await;
    assert_eq!(stack.steady_json(&["backup", "cancel"])["cancelled"], true);
    let s = stack.client().snapshot().await.unwrap();
    assert_eq!(s.backup.drill.unwrap().last, None, "a drill that was cut off says nothing of the point");
    assert!(!stack.home().join("backups/drill").exists());
    let journal = std::fs::read_to_string(stack.home().join("journal/.drill.json")).unwrap_or_default();
    let entry: serde_json::Value = serde_json::from_str(&journal).unwrap_or_default();
    let pid = entry["process"]["pid"].as_u64().map(|pid| u32::try_from(pid).unwrap());
    assert!(pid.is_none_or(|pid| !steady_e2e::alive(pid)), "{journal}");
}

/// Ctrl-C, as a terminal sends it.
fn interrupt(pid: u32) {
    assert!(Command::new("kill").args(["-INT", &pid.to_string()]).status().unwrap().success());
}

#[tokio::test]
async fn ctrl_c_leaves_a_backup_to_the_agent_and_twice_cancels_it() {
    let stack = stack("");
    stack.up();
    let spawn = || {
        let mut command = Command::new(steady_e2e::bin("steady"));
        command.arg("--home").arg(stack.home()).arg("backup");
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::piped()).spawn().unwrap()
    };
    let waiting = spawn();
    let s = stack.until("it copies", |s| in_phase(s, "copying the data")).await;
    let id = s.backup.operation.unwrap().id;
    interrupt(waiting.id());
    let left = waiting.wait_with_output().unwrap();
    assert_eq!(left.status.code(), Some(130), "{}", said(&left));
    assert!(said(&left).contains("steady backup cancel"), "{}", said(&left));
    let over = |s: &Snapshot| s.backup.last_operation.as_ref().is_some_and(|l| l.id == id);
    let s = stack.until("it went on", over).await;
    assert_eq!(s.backup.last_operation.unwrap().outcome, OperationOutcome::Done);

    fill(&stack, 2);
    let waiting = spawn();
    let copies = |s: &Snapshot| in_phase(s, "copying the data");
    let second = stack.until("the second copies", copies).await.backup.operation.unwrap().id;
    interrupt(waiting.id());
    // The first is taken when it says so.
    let mut waiting = waiting;
    let mut said_so = [0; 2];
    std::io::Read::read_exact(waiting.stderr.as_mut().unwrap(), &mut said_so).unwrap();
    interrupt(waiting.id());
    let ended = waiting.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(1), "{}", said(&ended));
    assert!(said(&ended).contains("cancelled"), "{}", said(&ended));
    let s = stack.client().snapshot().await.unwrap();
    let last = s.backup.last_operation.unwrap();
    assert_eq!((last.id, last.outcome), (second, OperationOutcome::Cancelled));
}
