//! The page of logs as a person uses it, in the app's window and in a browser.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use steady_e2e::Stack;
use steady_e2e::browser::Browser;
use steady_e2e::desktop::Bus;
use thirtyfour::Key;

/// Two services: one that is told by a file what to write, and one that says nothing.
async fn stack() -> Stack {
    let stack = Stack::with("");
    std::fs::write(stack.path("say"), "ready to write\n[ERROR] no disk\n").unwrap();
    stack.configure(
        "[service.talker]\ncommand = [\"tail\", \"-n\", \"+1\", \"-F\", \"say\"]\n\
         [service.mute]\ncommand = [\"sleep\", \"3600\"]\n",
    );
    stack.up();
    stack.until("both run", |s| s.services.iter().all(|s| s.pid.is_some())).await;
    stack
}

fn say(stack: &Stack, lines: impl Iterator<Item = String>) {
    use std::io::Write;
    let mut file = std::fs::OpenOptions::new().append(true).open(stack.path("say")).unwrap();
    file.write_all(lines.map(|line| line + "\n").collect::<String>().as_bytes()).unwrap();
}

async fn read_logs(stack: &Stack, panel: &Browser, name: &str) {
    panel.open_page("#/logs").await;
    panel.see("log-service").await.send_keys("talker").await.unwrap();
    let text = panel.read("log-lines", "ready to write").await;
    assert!(text.contains("✕ error"), "a level is told by more than a colour: {text}");

    // What is written while one looks, and the same line over and over.
    say(stack, std::iter::repeat_n("again".to_owned(), 30));
    panel.read("log-lines", "↑ 30 times").await;
    panel.keep(&format!("{name}-logs")).await;

    // Many lines: the end is shown, and only what can be seen is in the page.
    say(stack, (0..40_000).map(|n| format!("line {n} of many")));
    panel.read("log-lines", "line 39999 of many").await;
    let script = "return document.querySelectorAll('[data-testid=log-lines] .line').length";
    let shown: u64 = panel.session().execute(script, vec![]).await.unwrap().convert().unwrap();
    assert!(shown < 300, "{shown} lines are in the page");

    // Who scrolls up by the keyboard reads on there, whatever is written below.
    let list = panel.session().find(thirtyfour::By::Css("[data-testid=log-lines] .log-list")).await.unwrap();
    list.send_keys("" + Key::Home).await.unwrap();
    panel.read("log-lines", "ready to write").await;
    say(stack, std::iter::once("the newest".to_owned()));
    panel.read("log-count", "40,004 lines").await;
    assert!(!panel.see("log-lines").await.text().await.unwrap().contains("the newest"));

    panel.see("log-search").await.send_keys("LINE 31415 ").await.unwrap();
    panel.read("log-lines", "line 31415 of many").await;
    panel.read("log-count", "1 of ").await;
    panel.keep(&format!("{name}-logs-found")).await;
    panel.see("log-search").await.clear().await.unwrap();
    panel.see("log-search").await.send_keys(" " + Key::Backspace).await.unwrap();
    panel.click("log-follow").await;
    panel.read("log-lines", "the newest").await;

    panel.see("log-service").await.send_keys("mute").await.unwrap();
    panel.read("log-empty", "Nothing was logged yet").await;
}

#[tokio::test]
async fn a_log_is_followed_searched_and_left_in_the_window() {
    let stack = stack().await;
    let bus = Bus::start();
    let panel = Browser::window(&stack, &bus.address).await;
    read_logs(&stack, &panel, "window").await;
    panel.close().await;
}

#[tokio::test]
async fn a_log_is_followed_searched_and_left_in_chromium() {
    let stack = stack().await;
    let link = stack.steady_json(&["panel"])["url"].as_str().unwrap().to_owned();
    let panel = Browser::chromium().await;
    panel.session().goto(&link).await.unwrap();
    read_logs(&stack, &panel, "chromium").await;
    panel.close().await;
}
