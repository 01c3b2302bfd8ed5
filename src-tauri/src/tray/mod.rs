//! The tray process: one icon, one menu, no webview.

mod following;
pub mod icon;
mod menu;
mod pace;

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use steady_client::Client;
use steady_disk::{FileLock, Holder, LockError};
use steady_model::project::tray::{Action, TrayModel, tray};
use tauri::tray::{MouseButton, MouseButtonState, TrayIcon, TrayIconBuilder, TrayIconEvent};
use tauri::{App, AppHandle, RunEvent, Wry};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use self::menu::{Intent, Rows};
use crate::error::AppError;
use crate::{panel, platform, tell};

/// The icon and its rows. Kept for the life of the process: dropped, the icon would vanish.
struct Surface {
    icon: TrayIcon<Wry>,
    rows: Rows,
}

pub fn run(home: &Path) -> Result<(), AppError> {
    // With a second icon the two would tell the same; what is wanted is something to look at.
    let Some(_lock) = alone(home)? else { return panel::run(home, "#/") };
    platform::need_display()?;
    let client = Client::new(home)?;
    let owned = home.to_owned();
    let app = tauri::Builder::default()
        .setup(move |app| {
            platform::prepare_tray(app);
            Ok(begin(app, &owned, client)?)
        })
        .build(tauri::generate_context!())?;
    app.run(|_, event| {
        // Without windows there is no last one to close: only Quit, which gives a code, ends the app.
        if let RunEvent::ExitRequested { api, code: None, .. } = event {
            api.prevent_exit();
        }
    });
    Ok(())
}

fn alone(home: &Path) -> Result<Option<FileLock>, AppError> {
    let holder = Holder {
        pid: std::process::id(),
        what: "the tray app".to_owned(),
        since: steady_clock::now().wall.to_string(),
    };
    match FileLock::try_acquire(&home.join("app.lock"), &holder) {
        Ok(lock) => Ok(Some(lock)),
        Err(LockError::Held { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn begin(app: &App, home: &Path, client: Client) -> Result<(), AppError> {
    let surface = match make(app.handle()) {
        Ok(surface) => Arc::new(Mutex::new(surface)),
        Err(error) => {
            tell(&format!("no tray host: {error}; opening the panel instead"));
            return Err(become_panel(home));
        }
    };
    let (clicks, intents) = unbounded_channel();
    listen(app.handle(), &surface, clicks);
    let handle = app.handle().clone();
    let draw = move |model: TrayModel| {
        let surface = Arc::clone(&surface);
        // Fails only while the app ends, when there is nothing to draw on.
        let _ = handle.run_on_main_thread(move || redraw(&surface, model));
    };
    // One thread is enough for one connection, and half the memory of a pool.
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(AppError::Spawn)?;
    let home = home.to_owned();
    std::thread::Builder::new()
        .name("follower".to_owned())
        .spawn(move || runtime.block_on(following::run(home, client, intents, draw)))
        .map_err(AppError::Spawn)?;
    Ok(())
}

/// Grey, until the agent has said something.
fn make(app: &AppHandle) -> tauri::Result<Surface> {
    let model = tray(None, steady_clock::now().wall);
    let rows = Rows::new(app, &model)?;
    // Linux hosts show no icon without a menu.
    let icon = TrayIconBuilder::with_id("steady")
        .icon(icon::image(model.icon))
        .menu(rows.menu())
        .show_menu_on_left_click(true)
        .build(app)?;
    platform::draw_icon(&icon, model.icon)?;
    platform::say(&icon, &model)?;
    Ok(Surface { icon, rows })
}

fn listen(app: &AppHandle, surface: &Arc<Mutex<Surface>>, clicks: UnboundedSender<Intent>) {
    let rows = Arc::clone(surface);
    let chosen = clicks.clone();
    app.on_menu_event(move |app, event| match lock(&rows).rows.intent(event.id().as_ref()) {
        Some(Intent::Do(Action::Quit)) => app.exit(0),
        Some(intent) => drop(chosen.send(intent)),
        None => {}
    });
    if platform::CLICK_OPENS_PANEL {
        lock(surface).icon.on_tray_icon_event(move |_, event| {
            if let TrayIconEvent::Click {
                button: MouseButton::Left,
                button_state: MouseButtonState::Up,
                ..
            } = event
            {
                let _ = clicks.send(Intent::Do(Action::OpenPanel));
            }
        });
    }
}

fn redraw(surface: &Mutex<Surface>, model: TrayModel) {
    if let Err(error) = lock(surface).draw(model) {
        tell(&format!("the tray could not be redrawn: {error}"));
    }
}

impl Surface {
    fn draw(&mut self, model: TrayModel) -> tauri::Result<()> {
        let drawn = self.rows.drawn();
        if drawn.icon != model.icon {
            platform::draw_icon(&self.icon, model.icon)?;
        }
        if drawn.sentence != model.sentence || drawn.notice != model.notice {
            platform::say(&self.icon, &model)?;
        }
        self.rows.draw(model)
    }
}

/// Only the main thread takes it; a panic there has ended the process already.
fn lock(surface: &Mutex<Surface>) -> MutexGuard<'_, Surface> {
    surface.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Replaces this process, which has no use without an icon. Returns only when that fails.
fn become_panel(home: &Path) -> AppError {
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return AppError::Spawn(error),
    };
    AppError::Spawn(Command::new(program).arg("--home").arg(home).arg("panel").exec())
}
