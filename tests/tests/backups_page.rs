//! The page of backups as a person uses it, by mouse and by keyboard, in the app's window and in a browser.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::io::Write;

use steady_e2e::Stack;
use steady_e2e::browser::Browser;
use steady_e2e::desktop::Bus;
use steady_model::backup::OperationOutcome;
use steady_model::snapshot::Snapshot;
use thirtyfour::Key;

/// brain with a copy on what stands for another disk, and so much data that a backup takes a while.
async fn stack() -> Stack {
    let stack = Stack::prepare();
    std::fs::create_dir(stack.path("disk")).unwrap();
    let mut config = std::fs::OpenOptions::new().append(true).open(stack.path("steady.toml")).unwrap();
    write!(config, "\n[backup.copy.usb]\nto = \"disk/steady\"\nsame_volume = true\n").unwrap();
    drop(config);
    stack.up();
    stack.until("backed up", |s| s.backup.operation.is_none() && s.backup.points.len() == 1).await;
    stack.steady_json(&["backup", "copy", "usb", "--init"]);
    let mut random = fastrand::Rng::with_seed(1);
    let bytes: Vec<u8> = (0..24 << 20).flat_map(|_| random.u64(..).to_le_bytes()).collect();
    std::fs::write(stack.path("data/noise.bin"), bytes).unwrap();
    stack
}

/// Enter on the focused button, as somebody without a mouse does it.
async fn press(panel: &Browser, id: &str) {
    panel.see_enabled(id).await.send_keys("" + Key::Enter).await.unwrap();
}

async fn care_for_backups(stack: &Stack, panel: &Browser, name: &str) {
    panel.open_page("#/backups").await;
    panel.read("copy-usb", "1 point copied").await;

    press(panel, "backup-now").await;
    panel.read("operation-measures", " of ").await;
    panel.keep(&format!("{name}-backing-up")).await;
    press(panel, "cancel-operation").await;
    let over = |s: &Snapshot| s.backup.operation.is_none() && s.backup.last_operation.is_some();
    let s = stack.until("it has ended", over).await;
    assert_eq!(s.backup.last_operation.unwrap().outcome, OperationOutcome::Cancelled);

    press(panel, "drill-now").await;
    panel.read("drill", "drilled").await;
    let s = stack.until("the drill has ended", |s| s.backup.operation.is_none()).await;
    assert!(s.backup.drill.unwrap().last.unwrap().failure().is_none());
    press(panel, "prune-plan").await;
    panel.read("prune", "Nothing would go").await;
    panel.keep(&format!("{name}-cared-for")).await;
}

#[tokio::test]
async fn a_backup_is_cancelled_a_drill_run_and_old_points_looked_for_in_the_window() {
    let stack = stack().await;
    let bus = Bus::start();
    let panel = Browser::window(&stack, &bus.address).await;
    care_for_backups(&stack, &panel, "window").await;
    panel.close().await;
}

#[tokio::test]
async fn a_backup_is_cancelled_a_drill_run_and_old_points_looked_for_in_chromium() {
    let stack = stack().await;
    let link = stack.steady_json(&["panel"])["url"].as_str().unwrap().to_owned();
    let panel = Browser::chromium().await;
    panel.session().goto(&link).await.unwrap();
    care_for_backups(&stack, &panel, "chromium").await;
    panel.close().await;
}
