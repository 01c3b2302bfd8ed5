//! Restore points read back again, and written elsewhere while the backend runs.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::path::Path;

use steady_e2e::Stack;

/// Titles of brain's conversations in a copy of its data.
fn titles(data: &Path) -> Vec<String> {
    let db = rusqlite::Connection::open(data.join("conversations.db")).unwrap();
    let mut titles = db.prepare("SELECT title FROM conversations ORDER BY title").unwrap();
    titles.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

fn said(out: &std::process::Output) -> String {
    String::from_utf8_lossy(&[out.stdout.as_slice(), &out.stderr].concat()).into_owned()
}

#[tokio::test]
async fn a_point_is_read_back_on_demand_whole_or_in_slices_and_damage_is_told() {
    let stack = Stack::green().await;
    let id = stack.steady_json(&["backup"])["id"].as_str().unwrap().to_owned();
    let first = stack.steady_json(&["verify", &id]);
    assert!(first["verified"].is_string(), "{first}");

    let half = stack.steady_json(&["verify", "--slice", "1/2"]);
    assert_eq!((half["id"].as_str(), &half["reading"]["done"]), (Some(id.as_str()), &serde_json::json!([1])));
    assert_eq!(half["verified"], first["verified"], "half a verification is none");
    let whole = stack.steady_json(&["verify", "--slice", "2/2"]);
    assert!(whole["verified"].as_str() > first["verified"].as_str(), "{whole}");

    let wrong = stack.steady(&["verify", "--slice", "3/2"]);
    assert_eq!(wrong.status.code(), Some(2), "{}", said(&wrong));
    // Rot in every pack, dense enough to meet something of this point.
    for pack in walkdir::WalkDir::new(stack.home().join("backups/repository/data")) {
        let pack = pack.unwrap();
        if pack.file_type().is_file() {
            let mut bytes = std::fs::read(pack.path()).unwrap();
            bytes.iter_mut().skip(100).step_by(500).for_each(|byte| *byte ^= 1);
            std::fs::remove_file(pack.path()).unwrap();
            std::fs::write(pack.path(), bytes).unwrap();
        }
    }
    let damaged = stack.steady(&["verify", &id]);
    assert_eq!(damaged.status.code(), Some(1), "{}", said(&damaged));
    let s = stack.until("the dot knows", |s| !s.verdict.reasons.is_empty()).await;
    let verified = s.backup.points.iter().find(|p| p.id == id).and_then(|p| p.verified);
    // The engine may not even be able to list what is in it; then nothing is known of the point.
    assert!(verified.is_none() || s.backup.last_error.is_some(), "{:?}", s.backup);
}

#[tokio::test]
async fn a_restore_elsewhere_needs_no_consent_and_touches_neither_the_data_nor_the_backend() {
    let stack = Stack::green().await;
    stack.converse("in the point").await;
    let id = stack.steady_json(&["backup"])["id"].as_str().unwrap().to_owned();
    stack.converse("only now").await;
    let pid = Stack::pid_of(&stack.client().snapshot().await.unwrap(), "brain");
    let now = stack.conversations().await;

    let plan = stack.steady_json(&["restore", &id, "--dry-run"]);
    assert!(plan["lost"].to_string().contains("conversations"), "{plan}");
    let plan = stack.steady_json(&["restore", &id, "--to", "rescued", "--dry-run"]);
    assert_eq!((plan["elsewhere"].as_bool(), &plan["stops"]), (Some(true), &serde_json::json!([])), "{plan}");
    assert!(plan["free_bytes"].as_u64() > plan["needed_bytes"].as_u64(), "{plan}");
    assert!(!stack.path("rescued").exists(), "a dry run wrote");

    let written = stack.steady_json(&["restore", &id, "--to", "rescued"]);
    assert_eq!(written["to"].as_str(), stack.path("rescued").to_str(), "{written}");
    let kept = titles(&stack.path("rescued"));
    assert!(kept.contains(&"in the point".to_owned()) && !kept.contains(&"only now".to_owned()), "{kept:?}");

    stack.steady_json(&["restore", "--to", "some", "--only", "conversations.db"]);
    let files: Vec<_> =
        std::fs::read_dir(stack.path("some")).unwrap().map(|f| f.unwrap().file_name()).collect();
    assert_eq!(files, ["conversations.db"]);
    for (args, why) in [
        (["restore", &id, "--to", "rescued"], "not empty"),
        (["restore", &id, "--to", "data/below"], "overlaps"),
        (["restore", &id, "--only", "no-such.db"], "no-such.db is not in this restore point"),
        (["restore", &id, "--only", "../outside"], "is no path below the data directory"),
    ] {
        let refused = stack.steady(&args);
        assert_eq!(refused.status.code(), Some(1), "{args:?}");
        assert!(said(&refused).contains(why), "{args:?}: {}", said(&refused));
    }
    let s = stack.client().snapshot().await.unwrap();
    assert_eq!(Stack::pid_of(&s, "brain"), pid);
    assert_eq!(s.backup.last_restore, None);
    assert_eq!(stack.conversations().await, now);
}

#[tokio::test]
async fn one_database_comes_back_in_place_and_the_others_stay() {
    let stack = Stack::green().await;
    stack.converse("in the point").await;
    let id = stack.steady_json(&["backup"])["id"].as_str().unwrap().to_owned();
    stack.converse("only now").await;
    std::fs::write(stack.path("data/beside.txt"), "written since").unwrap();
    let record = stack.steady_json(&["restore", &id, "--only", "conversations.db", "--yes"]);
    assert_eq!(record["only"], serde_json::json!(["conversations.db"]), "{record}");
    let back = stack.conversations().await;
    assert!(back.contains(&"in the point".to_owned()) && !back.contains(&"only now".to_owned()), "{back:?}");
    assert_eq!(std::fs::read_to_string(stack.path("data/beside.txt")).unwrap(), "written since");
}
