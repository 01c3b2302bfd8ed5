//! The pictures of the states, from `icons/render`.

use steady_model::project::tray::{Icon, Shape, Tone};
use tauri::image::Image;
use tauri::include_image;

#[cfg(target_os = "macos")]
pub const DISC_TEMPLATE: Image<'static> = include_image!("../icons/tray/disc-template-44.png");

const DISC: Image<'static> = include_image!("../icons/tray/disc-green-44.png");
const NOTCHED: Image<'static> = include_image!("../icons/tray/notched-amber-44.png");
const CROSSED: Image<'static> = include_image!("../icons/tray/crossed-red-44.png");
const DASHED: Image<'static> = include_image!("../icons/tray/dashed-grey-44.png");
const ARC_GREEN: Image<'static> = include_image!("../icons/tray/arc-green-44.png");
const ARC_AMBER: Image<'static> = include_image!("../icons/tray/arc-amber-44.png");
const ARC_RED: Image<'static> = include_image!("../icons/tray/arc-red-44.png");
const ARC_GREY: Image<'static> = include_image!("../icons/tray/arc-grey-44.png");

/// At 44 px: hosts scale it down to their 16 to 24, and show it sharp on dense screens.
pub fn image(icon: Icon) -> Image<'static> {
    match (icon.shape, icon.tone) {
        (Shape::Disc, _) => DISC,
        (Shape::Notched, _) => NOTCHED,
        (Shape::Crossed, _) => CROSSED,
        (Shape::Dashed, _) => DASHED,
        (Shape::Arc, Tone::Green) => ARC_GREEN,
        (Shape::Arc, Tone::Amber) => ARC_AMBER,
        (Shape::Arc, Tone::Red) => ARC_RED,
        (Shape::Arc, Tone::Grey) => ARC_GREY,
    }
}
