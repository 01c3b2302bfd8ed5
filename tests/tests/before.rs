//! Restore points before something happens to the data: a run of a job, an upgrade.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;

use serde_json::Value;
use steady_e2e::Stack;

/// A job that changes the note, and a backup before each of its runs.
fn stack(before: &str) -> Stack {
    let stack = Stack::with(&format!(
        "[job.sync]\ncommand = [\"sh\", \"-c\", \"echo synced > data/note.md\"]\nmarkers = \".\"\n\
         [backup]\nsource = \"data\"\nwait_for_jobs = \"30s\"\n[backup.before]\njobs = [\"sync\"]\n{before}"
    ));
    fs::create_dir(stack.path("data")).unwrap();
    fs::write(stack.path("data/note.md"), "before").unwrap();
    stack.up();
    stack
}

fn points(stack: &Stack) -> Vec<Value> {
    stack.steady_json(&["backups"]).as_array().unwrap().clone()
}

#[tokio::test]
async fn a_run_waits_for_a_point_of_the_data_as_they_were_before_it() {
    let stack = stack("");
    let run = stack.steady(&["run", "sync"]);
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    assert_eq!(fs::read_to_string(stack.path("data/note.md")).unwrap().trim(), "synced");
    let points = points(&stack);
    assert_eq!(points.len(), 1, "{points:?}");
    assert!(points[0]["verified"].is_string());
    let notes = points[0]["notes"].to_string();
    assert!(notes.contains("before a run of the job sync") && !notes.contains("waited for"), "{notes}");
    let to = stack.path("elsewhere");
    let id = points[0]["id"].as_str().unwrap();
    stack.steady_json(&["restore", id, "--to", to.to_str().unwrap(), "--yes"]);
    assert_eq!(fs::read_to_string(to.join("note.md")).unwrap(), "before");
}

#[tokio::test]
async fn without_a_point_a_run_goes_on_unless_one_is_required() {
    for required in [false, true] {
        let stack = stack(&format!("required = {required}\n"));
        // No repository can be made there.
        fs::write(stack.home().join("backups/repository"), "in the way").unwrap();
        let run = stack.steady(&["run", "sync"]);
        assert_eq!(run.status.success(), !required, "{}", String::from_utf8_lossy(&run.stderr));
        let note = fs::read_to_string(stack.path("data/note.md")).unwrap();
        assert_eq!(note.trim(), if required { "before" } else { "synced" });
        let s = stack.client().snapshot().await.unwrap();
        assert!(s.backup.last_error.is_some(), "nobody hears of the backup that failed");
        if required {
            let why = s.jobs[0].runs[0].outcome.why().unwrap();
            assert!(why.contains("no restore point before this run"), "{why}");
        }
    }
}

#[tokio::test]
async fn before_an_upgrade_the_exit_code_tells_and_the_point_says_what_for() {
    let stack = Stack::with("[backup]\nsource = \"data\"\n");
    fs::create_dir(stack.path("data")).unwrap();
    fs::write(stack.path("data/note.md"), "kept").unwrap();
    stack.up();
    let point = stack.steady_json(&["backup", "--wait", "--reason", "upgrade"]);
    assert!(point["notes"].to_string().contains("Taken for: upgrade."), "{point}");
    let mut torn = b"SQLite format 3\0".to_vec();
    torn.extend([0x10, 0, 2, 2]);
    torn.resize(8192, 0xaa);
    fs::write(stack.path("data/torn.db"), torn).unwrap();
    let bad = stack.steady(&["backup", "--reason", "upgrade"]);
    assert_eq!(bad.status.code(), Some(1), "an upgrade would go on without a good point");
}
