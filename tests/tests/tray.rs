//! The tray over D-Bus: what it shows, and what a click does.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a test measures")]

use std::time::{Duration, Instant};

use steady_e2e::desktop::{Bus, Tone, Tray, close_window, window_named};
use steady_e2e::{Stack, bin, kill9};

#[tokio::test]
async fn the_icon_leaves_green_when_the_backend_dies_and_the_menu_restarts_it() {
    let stack = Stack::green().await;
    let tray = Tray::start(&stack).await;
    tray.until("green", async |t| t.tone().await == Tone::Green).await;
    let green = tray.icon().await;
    assert!(tray.sentence().await.contains("synced"), "{}", tray.sentence().await);

    let first = Stack::pid_of(&stack.client().snapshot().await.unwrap(), "brain").unwrap();
    let killed = Instant::now();
    kill9(first);
    tray.until("another icon", async |t| t.icon().await != green).await;
    println!("kill to the icon: {:?}", killed.elapsed());
    assert_ne!(tray.tone().await, Tone::Green);
    assert!(tray.sentence().await.contains("SIGKILL"), "{}", tray.sentence().await);
    tray.until("green again", async |t| t.tone().await == Tone::Green).await;
    assert_eq!(tray.icon().await, green);

    let second = Stack::pid_of(&stack.client().snapshot().await.unwrap(), "brain").unwrap();
    tray.click("Restart backend").await;
    let third = stack
        .until("a new brain", |s| {
            Stack::pid_of(s, "brain").is_some_and(|p| p != second)
                && s.services[0].status == steady_model::check::Status::Pass
        })
        .await;
    assert_ne!(Stack::pid_of(&third, "brain"), Some(first));
}

#[tokio::test]
async fn the_icon_follows_the_markers() {
    let stack = Stack::green().await;
    let tray = Tray::start(&stack).await;
    tray.until("green", async |t| t.tone().await == Tone::Green).await;
    let failed = stack.path("data/.sync_failed");
    let written = Instant::now();
    let stamp = std::process::Command::new("date").args(["+%Y-%m-%dT%H:%M:%S.%6N"]).output().unwrap();
    let stamp = String::from_utf8(stamp.stdout).unwrap().trim().to_owned();
    std::fs::write(&failed, format!("{stamp}: no room at the inn")).unwrap();
    tray.until("amber", async |t| t.tone().await == Tone::Amber).await;
    println!("marker to the icon: {:?}", written.elapsed());
    assert!(
        tray.rows().await.iter().any(|r| r.label.contains("no room at the inn")),
        "{:#?}",
        tray.rows().await
    );
    tray.click("Sync now").await;
    tray.until("green after a good sync", async |t| t.tone().await == Tone::Green).await;

    std::fs::write(stack.path("data/.sync_completed"), "2020-01-01T00:00:00").unwrap();
    tray.until("red, long overdue", async |t| t.tone().await == Tone::Red).await;
    tray.click("Sync now").await;
    tray.until("green after another", async |t| t.tone().await == Tone::Green).await;
}

#[tokio::test]
async fn without_a_tray_host_the_app_says_so_and_the_panel_opens() {
    let stack = Stack::green().await;
    let bus = Bus::start();
    let said = tempfile::NamedTempFile::new().unwrap();
    let mut app = std::process::Command::new(bin("steady-app"))
        .arg("--home")
        .arg(stack.home())
        .env("DBUS_SESSION_BUS_ADDRESS", &bus.address)
        .stderr(said.reopen().unwrap())
        .spawn()
        .unwrap();
    let window = window_named("Steady").await;
    let words = std::fs::read_to_string(said.path()).unwrap();
    assert!(words.contains("no tray host"), "{words}");
    close_window(&window).await;
    assert!(app.wait().unwrap().success());
}

#[tokio::test]
async fn a_dead_agent_is_grey_and_can_be_started_from_the_menu() {
    let stack = Stack::green().await;
    let tray = Tray::start(&stack).await;
    tray.until("green", async |t| t.tone().await == Tone::Green).await;
    kill9(stack.client().snapshot().await.unwrap().agent.pid);
    tray.until("grey", async |t| t.tone().await == Tone::Grey).await;
    assert!(tray.sentence().await.contains("does not answer"), "{}", tray.sentence().await);
    let rows = tray.rows().await;
    assert!(rows.iter().any(|r| r.label.starts_with("Restart backend") && !r.enabled), "{rows:#?}");
}

#[tokio::test]
async fn the_menu_backs_up_and_quit_leaves_the_backend_running() {
    let stack = Stack::green().await;
    let mut tray = Tray::start(&stack).await;
    tray.until("green", async |t| t.tone().await == Tone::Green).await;
    let before = stack.client().points().await.unwrap().len();
    tray.click("Back up now").await;
    stack
        .until("one more point", |s| s.backup.points.len() == before + 1 && s.backup.operation.is_none())
        .await;
    let rows = tray.rows().await;
    assert!(
        rows.iter().any(|r| r.label.starts_with("Quit") && r.label.contains("keeps running")),
        "{rows:#?}"
    );
    tray.click("Quit").await;
    tray.ended(Duration::from_secs(10)).await;
    assert!(reqwest::get(stack.brain_url("/health")).await.unwrap().status().is_success());
}
