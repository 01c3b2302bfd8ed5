//! The tray app: two kinds of process of one program.
//!
//! `steady-app` owns the icon and its menu and never makes a webview; `steady-app panel` owns one window and
//! ends with it, so that the webview's memory returns to the system. Must never hold state of the backend,
//! judge it, or act on it but through the agent: what is shown is a projection of the agent's last word.

mod args;
mod error;
mod panel;
mod platform;
mod starting;
mod tray;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Args, Mode};
use crate::error::AppError;

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), AppError> {
    let home = match &args.home {
        Some(home) => {
            std::path::absolute(home).map_err(|source| AppError::Home { home: home.clone(), source })?
        }
        None => steady_client::home()?,
    };
    steady_disk::create_private_dir(&home)?;
    steady_crash::install_panic_hook(&home, steady_model::crash::CrashSubject::App);
    match &args.mode {
        Some(Mode::Panel { page }) => panel::run(&home, page),
        None => tray::run(&home),
    }
}

/// The one place that prints: an app without a window has no other way to be heard.
#[expect(clippy::print_stderr, reason = "this is the binary")]
fn tell(words: &str) {
    eprintln!("steady-app: {words}");
}
