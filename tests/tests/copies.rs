//! Copies of restore points on another volume, made by the agent.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::io::Write;
use std::process::Command;

use steady_e2e::Stack;
use steady_model::check::Status;

#[tokio::test]
async fn each_verified_point_is_copied_by_itself_and_a_copy_that_is_taken_away_is_told_and_catches_up() {
    let stack = Stack::prepare();
    let disk = stack.path("disk");
    std::fs::create_dir(&disk).unwrap();
    let mut config = std::fs::OpenOptions::new().append(true).open(stack.path("steady.toml")).unwrap();
    write!(config, "\n[backup.copy.usb]\nto = \"disk/steady\"\nsame_volume = true\nstale_after = \"1s\"\n")
        .unwrap();
    drop(config);
    stack.up();
    let s = stack.until("the copy is asked for", |s| s.backup.copies.len() == 1).await;
    assert_eq!(s.backup.copies[0].status, Status::Warn);
    assert!(
        s.verdict.reasons.iter().any(|r| r.action.contains("steady backup copy usb --init")),
        "{:?}",
        s.verdict
    );

    // The first one is taken by schedule.
    stack.until("a backup", |s| s.backup.operation.is_none() && s.backup.points.len() == 1).await;
    let unknown = stack.steady(&["backup", "copy", "nas"]);
    assert_eq!(unknown.status.code(), Some(1));
    let made = stack.steady_json(&["backup", "copy", "usb", "--init"]);
    assert_eq!((made[0]["points"].as_u64(), made[0]["status"].as_str()), (Some(1), Some("pass")), "{made}");
    stack.converse("said later").await;
    stack.steady_json(&["backup"]);
    let s = stack.until("the second is copied by itself", |s| s.backup.copies[0].facts.points == 2).await;
    assert_eq!(s.backup.copies[0].facts.newest, Some(s.backup.points[0].taken));

    // Unplugged.
    std::fs::rename(&disk, stack.path("drawer")).unwrap();
    stack.steady_json(&["backup"]);
    let away = |s: &steady_model::snapshot::Snapshot| {
        let copy = &s.backup.copies[0];
        copy.facts.absent && copy.facts.next.is_some() && copy.status == Status::Warn
    };
    stack.until("the copy is too old", away).await;
    assert!(!disk.exists(), "something was created where the disk was");
    std::fs::rename(stack.path("drawer"), &disk).unwrap();
    let made = stack.steady_json(&["backup", "copy"]);
    assert_eq!((made[0]["points"].as_u64(), made[0]["absent"].as_bool()), (Some(3), Some(false)), "{made}");
    assert_eq!(stack.steady_json(&["copies"]), made);

    // All of Steady's own is lost but the key.
    let out = Command::new("restic")
        .args(["--no-cache", "--no-lock", "--repo"])
        .arg(disk.join("steady"))
        .arg("--password-file")
        .arg(stack.home().join("backups/password"))
        .args(["check", "--read-data"])
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));

    // And the repository is lost: the newest comes back straight from the copy.
    std::fs::remove_dir_all(stack.home().join("backups/repository")).unwrap();
    stack.converse("only now").await;
    let held = stack.steady_json(&["backups", "--from", "usb"]);
    assert_eq!(held.as_array().map(Vec::len), Some(3), "{held}");
    let unknown = stack.steady(&["backups", "--from", "nas"]);
    assert_eq!(unknown.status.code(), Some(1));
    let plan = stack.steady_json(&["restore", "--from", "usb", "--dry-run"]);
    assert_eq!(plan["point"]["id"], held[0]["id"], "{plan}");
    let record = stack.steady_json(&["restore", "--from", "usb", "--yes"]);
    assert_eq!(
        (record["result"].as_str(), record["can_undo"].as_bool()),
        (Some("restored"), Some(true)),
        "{record}"
    );
    let back = stack.conversations().await;
    assert!(back.contains(&"said later".to_owned()) && !back.contains(&"only now".to_owned()), "{back:?}");
    // Only the safety point is in the new repository: a backup is due at once.
    stack.until("a new backup", |s| s.backup.operation.is_none() && s.backup.points.len() == 2).await;
    stack.steady_json(&["undo", "--yes"]);
    assert!(stack.conversations().await.contains(&"only now".to_owned()));
}
