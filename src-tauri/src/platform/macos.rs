use steady_model::project::tray::{Icon, Shape, TrayModel};
use tauri::tray::TrayIcon;
use tauri::{ActivationPolicy, App, Wry};

use crate::error::AppError;
use crate::tray::icon;

/// A click opens the menu here, as people expect of the menu bar.
pub const CLICK_OPENS_PANEL: bool = false;

/// The window server is asked by the system itself, and its absence ends the program with its own words.
#[expect(clippy::unnecessary_wraps, reason = "the other system can fail")]
pub fn need_display() -> Result<(), AppError> {
    Ok(())
}

pub fn prepare_tray(app: &mut App) {
    app.set_activation_policy(ActivationPolicy::Accessory);
}

/// Calm is drawn in the colour of the menu bar; colour is for what needs attention. Image and template flag go
/// in one call: apart, the icon flickers.
pub fn draw_icon(tray: &TrayIcon<Wry>, what: Icon) -> tauri::Result<()> {
    if what.shape == Shape::Disc {
        tray.set_icon_with_as_template(Some(icon::DISC_TEMPLATE), true)
    } else {
        tray.set_icon_with_as_template(Some(icon::image(what)), false)
    }
}

/// A title would stand beside the icon in the menu bar: the tooltip says it all.
pub fn say(tray: &TrayIcon<Wry>, model: &TrayModel) -> tauri::Result<()> {
    let tooltip = match &model.notice {
        Some(notice) => format!("{}\n{notice}", model.sentence),
        None => model.sentence.clone(),
    };
    tray.set_tooltip(Some(tooltip))
}
