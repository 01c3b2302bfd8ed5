//! The panel through `WebDriver`: in the app's window (WebKitGTK) and in Chromium.

use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::json;
use thirtyfour::prelude::*;
use thirtyfour::{Capabilities, WebDriver};

use crate::{LIMIT, Stack, bin};

/// A driver process and the session it holds.
pub struct Browser {
    driver: Child,
    session: Option<WebDriver>,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// The panel's window: `steady-app panel`, as the tray opens it.
    pub async fn window(stack: &Stack, bus: &str) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let options = json!({ "binary": bin("steady-app"), "args": ["panel", "--home", stack.home()] });
        let mut driver = Command::new("WebKitWebDriver");
        driver.env("TAURI_WEBVIEW_AUTOMATION", "true").env("DBUS_SESSION_BUS_ADDRESS", bus);
        Self::start(driver, "webkitgtk:browserOptions", options, profile).await
    }

    /// Debian's Chromium, headless.
    pub async fn chromium() -> Self {
        let profile = tempfile::tempdir().unwrap();
        let flags = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--window-size=1100,800",
        ];
        let mut args: Vec<String> = flags.iter().map(ToString::to_string).collect();
        args.push(format!("--user-data-dir={}", profile.path().display()));
        let options = json!({ "binary": "/usr/bin/chromium", "args": args });
        Self::start(Command::new("chromedriver"), "goog:chromeOptions", options, profile).await
    }

    async fn start(
        mut driver: Command,
        key: &str,
        options: serde_json::Value,
        profile: tempfile::TempDir,
    ) -> Self {
        let port = crate::stack::free_port();
        let driver =
            driver.arg(format!("--port={port}")).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let mut browser = Self { driver, session: None, _profile: profile };
        let listening = async {
            while TcpStream::connect(("127.0.0.1", port)).is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(LIMIT, listening).await.expect("the driver does not listen");
        let mut capabilities = Capabilities::new();
        capabilities.set(key, options).unwrap();
        let session = WebDriver::new(format!("http://127.0.0.1:{port}"), capabilities);
        let session =
            tokio::time::timeout(LIMIT, session).await.expect("no session within the limit").unwrap();
        browser.session = Some(session);
        browser
    }

    pub fn session(&self) -> &WebDriver {
        self.session.as_ref().unwrap()
    }

    /// The element with this `data-testid`, once it is there.
    pub async fn see(&self, id: &str) -> WebElement {
        self.find(id, "").await
    }

    /// A button that does something now: one that waits for the agent stays in place, `aria-disabled`, and swallows
    /// what is pressed.
    pub async fn see_enabled(&self, id: &str) -> WebElement {
        self.find(id, ":not([aria-disabled='true'])").await
    }

    async fn find(&self, id: &str, state: &str) -> WebElement {
        let selector = By::Css(format!("[data-testid=\"{id}\"]{state}"));
        match self.session().query(selector).wait(LIMIT, Duration::from_millis(50)).first().await {
            Ok(element) => element,
            Err(e) => {
                self.keep("not-found").await;
                panic!("the panel shows no {id}{state}: {e}")
            }
        }
    }

    /// Follows the link to a page of the panel, which is there once the agent was heard.
    pub async fn open_page(&self, page: &str) {
        let link = self.session().query(By::Css(format!("nav a[href='{page}']")));
        link.wait(LIMIT, Duration::from_millis(50)).first().await.unwrap().click().await.unwrap();
    }

    /// Clicks it once it is there and enabled.
    pub async fn click(&self, id: &str) {
        let element = self.see_enabled(id).await;
        element.wait_until().wait(LIMIT, Duration::from_millis(50)).clickable().await.unwrap();
        element.click().await.unwrap();
    }

    /// Waits until the element's text contains `words`.
    pub async fn read(&self, id: &str, words: &str) -> String {
        let mut text = String::new();
        let reading = async {
            loop {
                // The element may be replaced between finding and reading it.
                text = self.see(id).await.text().await.unwrap_or_default();
                if text.contains(words) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        if tokio::time::timeout(LIMIT, reading).await.is_err() {
            self.keep("not-read").await;
            panic!("{id} does not say {words:?} but {text:?}");
        }
        text
    }

    /// Keeps a screenshot among the artefacts of the run.
    pub async fn keep(&self, name: &str) {
        self.session().screenshot(&artifact(&format!("{name}.png"))).await.unwrap();
    }

    pub async fn close(mut self) {
        if let Some(session) = self.session.take() {
            session.quit().await.unwrap();
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// Where screenshots of a run are kept: `STEADY_ARTIFACTS`, by default beside the test programs.
pub fn artifact(name: &str) -> PathBuf {
    let dir = std::env::var_os("STEADY_ARTIFACTS")
        .map_or_else(|| bin("steady").with_file_name("e2e"), PathBuf::from);
    std::fs::create_dir_all(&dir).unwrap();
    dir.join(name)
}
