//! The panel as a person uses it: restore and undo, in the app's window and in a browser.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use steady_e2e::browser::Browser;
use steady_e2e::desktop::{Bus, Tray, close_window, window_named, window_pid};
use steady_e2e::{Stack, kill9};
use steady_model::check::Status;

/// Back up, change the data, restore through the panel, see the old data, undo, see the new data.
async fn restore_and_undo(stack: &Stack, panel: &Browser, name: &str) {
    stack.converse("kept").await;
    let point = stack.steady_json(&["backup"])["id"].as_str().unwrap().to_owned();
    stack.converse("written later").await;
    let newer = stack.conversations().await;

    panel.open_page("#/backups").await;
    panel.see(&format!("point-{point}")).await;
    panel.keep(&format!("{name}-backups")).await;
    panel.click(&format!("restore-{point}")).await;
    panel.see("restore-confirm").await;
    panel.keep(&format!("{name}-restore-plan")).await;
    panel.click("restore-confirm").await;
    panel.read("restore-result", "healthy").await;
    panel.keep(&format!("{name}-restored")).await;
    let older = stack.conversations().await;
    assert!(older.contains(&"kept".to_owned()) && !older.contains(&"written later".to_owned()), "{older:?}");
    stack.until("healthy after the restore", |s| s.verdict.status == Status::Pass).await;

    panel.click("restore-close").await;
    panel.click("undo-restore").await;
    panel.click("undo-confirm").await;
    stack
        .until("undone", |s| {
            s.backup.operation.is_none() && s.backup.last_restore.as_ref().is_some_and(|r| !r.can_undo)
        })
        .await;
    assert_eq!(stack.conversations().await, newer, "undo did not bring back the newer data");
}

#[tokio::test]
async fn restore_and_undo_in_the_window() {
    let stack = Stack::green().await;
    let bus = Bus::start();
    let panel = Browser::window(&stack, &bus.address).await;
    panel.read("verdict", "backed up").await;
    panel.keep("window-overview").await;
    restore_and_undo(&stack, &panel, "window").await;
    panel.close().await;
}

#[tokio::test]
async fn restore_and_undo_in_chromium() {
    let stack = Stack::green().await;
    let link = stack.steady_json(&["panel"])["url"].as_str().unwrap().to_owned();
    let panel = Browser::chromium().await;
    panel.session().goto(&link).await.unwrap();
    panel.read("verdict", "backed up").await;
    panel.keep("chromium-overview").await;
    restore_and_undo(&stack, &panel, "chromium").await;
    panel.close().await;
}

#[tokio::test]
async fn the_panel_follows_live_and_never_shows_the_last_green() {
    let stack = Stack::green().await;
    let link = stack.steady_json(&["panel"])["url"].as_str().unwrap().to_owned();
    let panel = Browser::chromium().await;
    panel.session().goto(&link).await.unwrap();
    panel.read("verdict", "backed up").await;
    let first = stack.client().snapshot().await.unwrap();
    panel.click("restart-service-brain").await;
    stack
        .until("a new brain", |s| {
            Stack::pid_of(s, "brain") != Stack::pid_of(&first, "brain") && s.verdict.status == Status::Pass
        })
        .await;
    kill9(first.agent.pid);
    panel.see("agent-gone").await;
    panel.keep("chromium-agent-gone").await;
    stack.up();
    panel.read("verdict", "backed up").await;
    panel.close().await;
}

#[tokio::test]
async fn a_browser_without_the_link_sees_nothing() {
    let stack = Stack::green().await;
    let base = format!("http://127.0.0.1:{}", stack.panel_port);
    let answer = reqwest::get(format!("{base}/api/v1/snapshot")).await.unwrap();
    assert_eq!(answer.status(), 401);
    let wrong = reqwest::get(format!("{base}/login?token=guess")).await.unwrap();
    assert_eq!(wrong.status(), 401);
    let rebinding = reqwest::Client::new()
        .get(format!("{base}/health"))
        .header("Host", "evil.example")
        .send()
        .await
        .unwrap();
    assert_eq!(rebinding.status(), 403);
}

#[tokio::test]
async fn the_menu_opens_the_panel_in_a_process_of_its_own_that_ends_with_its_window() {
    let stack = Stack::green().await;
    let tray = Tray::start(&stack).await;
    tray.click("Open panel").await;
    let window = window_named("Steady").await;
    assert_ne!(window_pid(&window), tray.pid());
    close_window(&window).await;
}
