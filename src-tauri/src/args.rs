use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Steady's icon in the menu bar. A second start opens the panel.
#[derive(Debug, Parser)]
#[command(name = "steady-app", version)]
pub struct Args {
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        help = "The agent's home [default: $STEADY_HOME, else the per-user state folder]"
    )]
    pub home: Option<PathBuf>,
    #[command(subcommand)]
    pub mode: Option<Mode>,
}

#[derive(Debug, Subcommand)]
pub enum Mode {
    /// Only the panel's window, in a process that ends with it
    Panel {
        /// The page to open, e.g. `#/backups`
        #[arg(long, default_value = "#/", value_parser = page)]
        page: String,
    },
}

/// Pages are routes inside the panel: what leads elsewhere is refused before a window exists.
fn page(text: &str) -> Result<String, String> {
    if is_page(text) { Ok(text.to_owned()) } else { Err("a page looks like `#/backups`".to_owned()) }
}

pub fn is_page(text: &str) -> bool {
    text.starts_with("#/") && text.len() <= 512 && !text.chars().any(|c| c.is_control() || c.is_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_routes_of_the_panel_are_pages() {
        for good in ["#/", "#/backups", "#/logs/brain?follow=1"] {
            assert!(is_page(good), "{good}");
        }
        for bad in ["", "/", "http://evil/#/", "javascript:alert(1)", "#/a\nb", "#/a b", "#backups"] {
            assert!(!is_page(bad), "{bad}");
        }
        assert!(Args::try_parse_from(["steady-app", "panel", "--page", "http://evil/"]).is_err());
    }
}
