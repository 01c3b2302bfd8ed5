use steady_model::project::tray::{Icon, TrayModel};
use tauri::tray::TrayIcon;
use tauri::{App, Wry};

use crate::error::AppError;
use crate::tray::icon;

/// A `StatusNotifierItem` tells of a left click and cannot open the menu; hosts open it with the right button.
pub const CLICK_OPENS_PANEL: bool = true;

/// Asked before Tauri is: it would panic.
pub fn need_display() -> Result<(), AppError> {
    let set = |name| std::env::var_os(name).is_some_and(|v| !v.is_empty());
    if !set("DISPLAY") && !set("WAYLAND_DISPLAY") {
        return Err(AppError::NoDisplay { why: "neither DISPLAY nor WAYLAND_DISPLAY is set".to_owned() });
    }
    gtk::init().map_err(|e| AppError::NoDisplay { why: e.to_string() })
}

pub fn prepare_tray(_app: &mut App) {}

pub fn draw_icon(tray: &TrayIcon<Wry>, what: Icon) -> tauri::Result<()> {
    tray.set_icon(Some(icon::image(what)))
}

/// The title is the tooltip's first line and what screen readers say; below it comes the news.
pub fn say(tray: &TrayIcon<Wry>, model: &TrayModel) -> tauri::Result<()> {
    tray.set_title(Some(&model.sentence))?;
    tray.set_tooltip(Some(model.notice.as_deref().unwrap_or_default()))
}
