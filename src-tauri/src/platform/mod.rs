//! What differs between desktops, one file per system with the same functions.

#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(target_os = "macos", path = "macos.rs")]
mod system;

pub use system::{CLICK_OPENS_PANEL, draw_icon, need_display, prepare_tray, say};
