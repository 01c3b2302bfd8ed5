//! The preset of the first user, over a program that keeps its contract: uvicorn behind `uv run`, stores in WAL mode, a
//! job whose marker says success whatever happened. Every test is something that went wrong there.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

use steady_e2e::{Stack, alive, kill9};
use steady_model::check::Status;
use steady_model::snapshot::Snapshot;

/// The stand-in in a folder of its own, on free ports, its preset in force.
fn stack() -> Stack {
    let stack = Stack::with("");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("stand-ins/secondbrain/src");
    let root = stack.path("SecondBrain");
    for dir in ["data", "vault"] {
        std::fs::create_dir_all(root.join(dir)).unwrap();
    }
    std::os::unix::fs::symlink(source, root.join("src")).unwrap();
    for note in 0..20 {
        std::fs::write(root.join(format!("vault/{note}.md")), format!("# Note {note}\n")).unwrap();
    }
    configure(&stack, "vault", "");
    // It has been in use before Steady came.
    let used =
        "from pathlib import Path; from secondbrain.stores import Stores; Stores().index(Path('vault'))";
    let python = std::process::Command::new("python3")
        .args(["-c", used])
        .env("PYTHONPATH", "src")
        .current_dir(root)
        .status();
    assert!(python.unwrap().success());
    stack
}

fn configure(stack: &Stack, vault: &str, more: &str) {
    let root = stack.path("SecondBrain");
    let env = format!(
        "PYTHONPATH=src\nPYTHONDONTWRITEBYTECODE=1\nUV_OFFLINE=1\nSECONDBRAIN_VAULT_PATH={}\n\
         SECONDBRAIN_API=http://127.0.0.1:{}\n",
        root.join(vault).display(),
        stack.brain_port
    );
    std::fs::write(root.join(".env"), env).unwrap();
    let head = "preset = \"secondbrain\"\nroot = \"SecondBrain\"\n\
                without = [\"service.ui\", \"check.api-through-ui\"]\n";
    // The room that is left on the machine of the tests is no matter of theirs.
    let sections = format!(
        "[vars]\napi_port = {}\nolder_copies = \"older\"\nlaunch_agent = \"job.plist\"\n\
         [check.disk]\nwarn_below = \"20 MB\"\nfail_below = \"10 MB\"\n\
         [check.api]\ninterval = \"1s\"\n[check.api-data]\ninterval = \"1s\"\n[check.api-identity]\ninterval = \"1s\"\n\
         [check.index-agrees]\ninterval = \"1s\"\n[check.vectors-agree]\ninterval = \"1s\"\n\
         [check.index-size]\ninterval = \"1s\"\n[service.api]\nstop_grace = \"2s\"\nkeep_awake = false\n{more}",
        stack.brain_port
    );
    stack.configure_from(head, &sections);
}

fn check(s: &Snapshot, name: &str) -> Status {
    s.checks.iter().find(|c| c.name == name).unwrap().status
}

fn reasons(s: &Snapshot) -> String {
    format!("{:#?}", s.verdict.reasons)
}

async fn green(stack: &Stack) -> Snapshot {
    stack.up();
    stack
        .until("the API is ready", |s| s.services[0].status == Status::Pass && s.services[0].pid.is_some())
        .await;
    stack.steady_json(&["run", "daily-sync"]);
    // The first restore point is taken by itself.
    let quiet =
        |s: &Snapshot| s.backup.operation.is_none() && s.backup.points.iter().any(|p| p.verified.is_some());
    let well = |s: &Snapshot| s.verdict.reasons.is_empty() && s.verdict.status == Status::Pass;
    stack.until("all is well", |s| quiet(s) && well(s)).await
}

async fn ask(stack: &Stack, method: reqwest::Method, path: &str) -> serde_json::Value {
    let answer = reqwest::Client::new().request(method, stack.brain_url(path)).send().await.unwrap();
    answer.json().await.unwrap()
}

/// Who listens on the port of the API, by what the kernel tells.
fn listeners(port: u16) -> Vec<u32> {
    let out =
        std::process::Command::new("ss").args(["-Hltnp", &format!("sport = :{port}")]).output().unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    let pids = text.split("pid=").skip(1);
    pids.map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()).collect()
}

#[tokio::test]
async fn two_lines_take_it_into_service_and_a_killed_wrapper_leaves_no_second_one() {
    let stack = stack();
    let s = green(&stack).await;
    let wrapper = s.services[0].pid.unwrap();
    let [child] = listeners(stack.brain_port)[..] else { panic!("who serves?") };
    assert_ne!(wrapper, child, "uv is meant to be a wrapper");

    // Killed, it leaves a child that goes on answering with 200 and holds the port.
    kill9(wrapper);
    let served = |s: &Snapshot| {
        s.services[0].pid.is_some_and(|pid| pid != wrapper)
            && s.services[0].status == Status::Pass
            && s.verdict.status == Status::Pass
    };
    stack.until("it is served again", served).await;
    assert!(!alive(child), "the child of the killed wrapper still answers");
    assert_eq!(listeners(stack.brain_port).len(), 1);
}

#[tokio::test]
async fn a_vault_that_is_not_there_is_red_although_every_answer_is_200() {
    let stack = stack();
    green(&stack).await;
    configure(&stack, "elsewhere", "");
    stack.steady_json(&["restart"]);
    assert_eq!(ask(&stack, reqwest::Method::GET, "/health").await["status"], "error");
    let s = stack
        .until("the dot is red", |s| s.verdict.status == Status::Fail && check(s, "api") == Status::Fail)
        .await;
    assert!(reasons(&s).contains("not configured or missing"), "{}", reasons(&s));
}

#[tokio::test]
async fn a_job_that_would_work_on_another_vault_than_the_api_is_told() {
    let stack = stack();
    let other = stack.path("other");
    std::fs::create_dir(&other).unwrap();
    let list = format!(
        "<plist version=\"1.0\"><dict><key>EnvironmentVariables</key><dict><key>SECONDBRAIN_VAULT_PATH</key>\
         <string>{}</string></dict></dict></plist>",
        other.display()
    );
    std::fs::write(stack.path("job.plist"), list).unwrap();
    stack.up();
    let s = stack.until("it is told", |s| check(s, "vault") == Status::Warn).await;
    assert!(
        reasons(&s).contains("other in ") && reasons(&s).contains("SecondBrain/vault in "),
        "{}",
        reasons(&s)
    );
}

#[tokio::test]
async fn a_sync_with_all_models_down_is_partial_although_its_marker_says_success() {
    let stack = stack();
    green(&stack).await;
    std::fs::write(stack.path("SecondBrain/data/models-down"), "").unwrap();
    let out = stack.steady(&["run", "daily-sync"]);
    let told = String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned();
    assert!(told.contains("partial"), "{told}");
    let s = stack.until("the sync is amber", |s| s.jobs[0].status == Status::Warn).await;
    assert!(reasons(&s).contains("partial"), "{}", reasons(&s));
    // A part of the work is no sync either.
    std::fs::remove_file(stack.path("SecondBrain/data/models-down")).unwrap();
    stack.steady_json(&["run", "daily-sync"]);
    stack.until("the sync is green", |s| s.jobs[0].status == Status::Pass).await;
}

#[tokio::test]
async fn an_index_that_a_kill_left_empty_is_told_although_health_says_ok() {
    let stack = stack();
    green(&stack).await;
    // As a rebuild leaves it that was killed right after it began.
    let db = rusqlite::Connection::open(stack.path("SecondBrain/data/lexical.db")).unwrap();
    db.busy_timeout(Duration::from_secs(5)).unwrap();
    db.execute("DELETE FROM chunks", []).unwrap();
    assert_eq!(ask(&stack, reqwest::Method::GET, "/health").await["status"], "ok");
    let s = stack.until("it is told", |s| check(s, "index-size") == Status::Fail).await;
    assert_eq!(s.verdict.status, Status::Fail);
    stack.until("and who disagrees", |s| check(s, "index-agrees") == Status::Fail).await;
    ask(&stack, reqwest::Method::POST, "/api/v1/index").await;
    stack.until("the index is whole again", |s| s.verdict.status == Status::Pass).await;
}

#[tokio::test]
async fn a_request_in_flight_does_not_hold_a_restart_up_for_ever() {
    let stack = stack();
    let s = green(&stack).await;
    let before = s.services[0].pid;
    let mut asking = std::net::TcpStream::connect(("127.0.0.1", stack.brain_port)).unwrap();
    asking.write_all(b"POST /api/v1/ask HTTP/1.1\r\nHost: here\r\nContent-Length: 0\r\n\r\n").unwrap();
    while ask(&stack, reqwest::Method::GET, "/api/v1/ask").await != 1 {}
    stack.steady_json(&["restart", "api"]);
    let s = stack
        .until("another one serves", |s| s.services[0].pid.is_some() && s.services[0].pid != before)
        .await;
    assert_eq!(listeners(stack.brain_port).len(), 1, "{s:?}");
    asking.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    assert_eq!(asking.read(&mut [0; 64]).unwrap_or_default(), 0, "who answered?");
}

#[tokio::test]
async fn rows_that_are_only_in_the_wal_come_back_with_all_stores_together() {
    let stack = stack();
    green(&stack).await;
    ask(&stack, reqwest::Method::POST, "/api/v1/conversations/kept").await;
    let wal = stack.path("SecondBrain/data/conversations.db-wal");
    assert!(std::fs::metadata(&wal).unwrap().len() > 0, "its rows are meant to be in the -wal");
    stack.steady_json(&["backup"]);
    ask(&stack, reqwest::Method::POST, "/api/v1/conversations/lost").await;
    std::fs::write(stack.path("SecondBrain/vault/more.md"), "# More\n").unwrap();
    ask(&stack, reqwest::Method::POST, "/api/v1/index").await;

    let out = stack.steady(&["restore", "latest", "--yes"]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    assert_eq!(ask(&stack, reqwest::Method::GET, "/api/v1/conversations").await, serde_json::json!(["kept"]));
    let stats = ask(&stack, reqwest::Method::GET, "/api/v1/index/stats").await;
    assert_eq!(stats, serde_json::json!({ "vector_count": 20, "lexical_count": 20 }));
    stack.until("all is well", |s| s.verdict.status == Status::Pass).await;
}
