//! The panel process: one window, gone with it.

mod calls;
mod single;

use std::path::Path;

use steady_client::Client;
use tauri::{App, AppHandle, Manager, WebviewUrl, WebviewWindowBuilder};

use self::calls::Bridge;
use self::single::Arrival;
use crate::args::is_page;
use crate::error::AppError;
use crate::{platform, tell};

const WINDOW: &str = "panel";

pub fn run(home: &Path, page: &str) -> Result<(), AppError> {
    let first = match single::arrive(home, page)? {
        Arrival::First(first) => first,
        Arrival::Handed => return Ok(()),
    };
    platform::need_display()?;
    let bridge = Bridge::new(home, Client::new(home)?);
    let page = page.to_owned();
    let app = tauri::Builder::default()
        .manage(bridge)
        .invoke_handler(tauri::generate_handler![
            calls::request,
            calls::events,
            calls::start_agent,
            calls::follow_log,
            calls::leave_log
        ])
        .setup(move |app| {
            open(app, &page)?;
            let handle = app.handle().clone();
            first.welcome(move |page| show(&handle, page));
            Ok(())
        })
        .build(tauri::generate_context!())?;
    app.run(|_, _| {});
    Ok(())
}

fn open(app: &App, page: &str) -> tauri::Result<()> {
    WebviewWindowBuilder::new(app, WINDOW, WebviewUrl::App(format!("index.html{page}").into()))
        .title("Steady")
        .inner_size(960.0, 680.0)
        .min_inner_size(320.0, 400.0)
        .build()?;
    Ok(())
}

/// A later start of the panel: this window comes to the front, on the page that was asked for.
fn show(app: &AppHandle, page: &str) {
    let Some(window) = app.get_webview_window(WINDOW) else { return };
    let shown = || {
        let mut url = window.url()?;
        // The plain start page is no wish to leave the page one is on.
        if is_page(page) && page != "#/" {
            url.set_fragment(page.strip_prefix('#'));
            window.navigate(url)?;
        }
        window.unminimize()?;
        window.show()?;
        window.set_focus()
    };
    if let Err(error) = shown() {
        tell(&format!("the panel could not be brought to the front: {error}"));
    }
}
