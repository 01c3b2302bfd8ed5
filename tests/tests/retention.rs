//! Old restore points go by themselves and by command, and two of them are compared.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use steady_e2e::Stack;
use steady_model::check::Status;

const KEEP_ONE: &str = "[backup]\nsource = \"data\"\n[backup.keep]\n\
                        last = 1\nhourly = 0\ndaily = 0\nweekly = 0\nmonthly = 0\n";

/// An agent with nothing to do but backups of a folder with one note.
fn stack(more: &str) -> Stack {
    let stack = Stack::with(&format!("{KEEP_ONE}{more}"));
    std::fs::create_dir(stack.path("data")).unwrap();
    note(&stack, "first");
    stack.up();
    stack
}

fn note(stack: &Stack, text: &str) {
    std::fs::write(stack.path("data/note.md"), text).unwrap();
}

fn back_up(stack: &Stack) -> String {
    stack.steady_json(&["backup"])["id"].as_str().unwrap().to_owned()
}

fn ids(stack: &Stack) -> Vec<String> {
    let points = stack.steady_json(&["backups"]);
    points.as_array().unwrap().iter().map(|p| p["id"].as_str().unwrap().to_owned()).collect()
}

fn said(out: &std::process::Output) -> String {
    String::from_utf8_lossy(&[out.stdout.as_slice(), &out.stderr].concat()).into_owned()
}

#[tokio::test]
async fn after_a_good_backup_what_the_rules_do_not_keep_goes_by_itself() {
    let stack = stack("");
    back_up(&stack);
    note(&stack, "second");
    let newest = back_up(&stack);
    let s = stack.until("the old point is gone", |s| s.backup.pruned.is_some()).await;
    let record = s.backup.pruned.unwrap();
    assert_eq!((record.removed, record.failed), (1, None));
    stack.until("the removal is over", |s| s.backup.operation.is_none()).await;
    assert_eq!(ids(&stack), [newest]);
    let again = stack.steady(&["prune"]);
    assert!(said(&again).contains("Nothing had to go"), "{}", said(&again));
}

#[tokio::test]
async fn a_dry_run_tells_what_goes_and_why_and_only_the_command_removes_it() {
    let stack = stack("automatic = false\n");
    let first = back_up(&stack);
    note(&stack, "second, and longer");
    std::fs::write(stack.path("data/new.md"), "new").unwrap();
    let second = back_up(&stack);

    let diff = stack.steady_json(&["backups", "diff", &first[..10], "latest"]);
    let change = |n: usize| (diff["files"][n]["path"].as_str().unwrap(), diff["files"][n]["change"].as_str());
    assert_eq!((change(0), change(1)), (("new.md", Some("added")), ("note.md", Some("changed"))), "{diff}");
    let files = stack.steady_json(&["backups", "files", &first]);
    assert_eq!(files["entries"].as_array().unwrap().len(), 1, "{files}");
    assert_eq!(
        (files["entries"][0]["name"].as_str(), files["entries"][0]["bytes"].as_u64()),
        (Some("note.md"), Some(5))
    );
    let none = stack.steady(&["backups", "files", &first, "no/such"]);
    assert_eq!(none.status.code(), Some(1));
    assert!(said(&none).contains("no/such is not in restore point"), "{}", said(&none));

    let plan = stack.steady_json(&["prune", "--dry-run"]);
    let fate =
        |n: usize| (plan["points"][n]["id"].as_str().unwrap(), plan["points"][n]["keep"].as_bool().unwrap());
    assert_eq!((fate(0), fate(1)), ((second.as_str(), true), (first.as_str(), false)), "{plan}");
    assert!(plan["frees"].as_u64().unwrap() > 0, "{plan}");
    assert_eq!(ids(&stack), [second.clone(), first.clone()], "a dry run removed something");

    // As restic leaves it while it reads.
    let locks = stack.home().join("backups/repository/locks");
    std::fs::create_dir_all(&locks).unwrap();
    std::fs::write(locks.join("c".repeat(64)), "").unwrap();
    let refused = stack.steady(&["prune"]);
    assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
    assert!(said(&refused).contains("in use by restic"), "{}", said(&refused));
    let s = stack.client().snapshot().await.unwrap();
    assert_eq!(s.verdict.status, Status::Warn);
    let reason = &s.verdict.reasons[0].sentence;
    assert!(reason.starts_with("old restore points could not be removed"), "{reason}");
    assert_eq!(ids(&stack), [second.clone(), first]);

    std::fs::remove_file(locks.join("c".repeat(64))).unwrap();
    let removed = stack.steady(&["prune"]);
    assert!(said(&removed).contains("1 restore point removed"), "{}", said(&removed));
    assert_eq!(ids(&stack), [second]);
    stack.until("the dot is green again", |s| s.verdict.reasons.is_empty()).await;
}
