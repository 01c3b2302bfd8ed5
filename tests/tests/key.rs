//! The key of the backups, as its owner gets it and as nobody else does.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use steady_e2e::Stack;

fn said(out: &std::process::Output) -> String {
    String::from_utf8_lossy(&[out.stdout.as_slice(), &out.stderr].concat()).into_owned()
}

#[tokio::test]
async fn the_sheet_opens_the_backups_and_it_is_reminded_of_until_somebody_has_it() {
    let stack = Stack::with("[backup]\nsource = \"data\"\n");
    std::fs::create_dir(stack.path("data")).unwrap();
    std::fs::write(stack.path("data/note.md"), "kept").unwrap();
    stack.up();
    let early = stack.steady(&["backup", "key"]);
    assert!(!early.status.success() && said(&early).contains("first backup"), "{}", said(&early));
    stack.steady_json(&["backup"]);
    let s = stack.until("it is reminded of the key", |s| s.backup.key.is_some()).await;
    let reminder = s.backup.key.unwrap().reminder.unwrap();
    assert!(s.verdict.reasons.iter().all(|r| !r.sentence.contains("key")), "a reminder is no alarm");
    assert!(said(&stack.steady(&["backups"])).contains(&reminder));
    // The home of this stack lies beside its data.
    assert!(said(&stack.steady(&["backups"])).contains("one broken disk takes both"));

    let sheet = stack.path("sheet.txt");
    let written = stack.steady(&["backup", "key", "--output", sheet.to_str().unwrap()]);
    assert!(written.status.success(), "{}", said(&written));
    assert_eq!(std::fs::metadata(&sheet).unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&sheet).unwrap();
    let of = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{text}"));
        line.trim_start_matches(name).trim().to_owned()
    };
    let (key, repository) = (of("Key"), of("Repository"));
    let again = stack.steady(&["backup", "key", "--output", sheet.to_str().unwrap()]);
    assert!(!again.status.success(), "a sheet was overwritten");

    // With nothing but what the sheet says.
    std::fs::write(stack.path("typed"), of("in groups").replace(' ', "")).unwrap();
    let restored = Command::new("restic")
        .args(["--no-cache", "--no-lock", "-r", &repository, "--password-file"])
        .arg(stack.path("typed"))
        .args(["restore", "latest", "--target"])
        .arg(stack.path("rescued"))
        .output()
        .unwrap();
    assert!(restored.status.success(), "{}", said(&restored));
    assert_eq!(std::fs::read_to_string(stack.path("rescued/data/note.md")).unwrap(), "kept");

    // No surface of the agent tells it.
    assert!(!serde_json::to_string(&stack.client().snapshot().await.unwrap()).unwrap().contains(&key));
    let files = walkdir::WalkDir::new(stack.home()).into_iter().map(Result::unwrap);
    for file in files.filter(|entry| entry.file_type().is_file() && entry.file_name() != "password") {
        let text = std::fs::read(file.path()).unwrap();
        assert!(!String::from_utf8_lossy(&text).contains(&key), "{} holds the key", file.path().display());
    }

    stack.steady_json(&["backup", "key", "--saved"]);
    let has = |s: &steady_model::snapshot::Snapshot| s.backup.key.as_ref().unwrap().saved.is_some();
    let s = stack.until("somebody has it", has).await;
    assert_eq!(s.backup.key.unwrap().reminder, None);
    let html = stack.path("sheet.html");
    stack.steady_json(&["backup", "key", "--output", html.to_str().unwrap()]);
    assert!(std::fs::read_to_string(html).unwrap().starts_with("<!DOCTYPE html>"));
}
