//! The one place that prints. Colours obey `NO_COLOR` and the terminal (the `console` crate's rule).
#![expect(clippy::print_stderr, reason = "a command line prints")]

use std::io::Write;

use console::{Style, style};
use steady_model::check::Status;

pub fn say(text: &str) {
    // Who reads a log through `head` has seen enough.
    if writeln!(std::io::stdout(), "{text}").is_err() {
        std::process::exit(0);
    }
}

pub fn json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    say(&serde_json::to_string_pretty(value)?);
    Ok(())
}

/// Beside the answer, which scripts read.
pub fn note(text: &str) {
    eprintln!("{text}");
}

pub fn complain(text: &str) {
    eprintln!("{} {text}", style("steady:").for_stderr().red().bold());
}

/// Shape first, so that no information is by colour alone.
pub fn mark(status: Status) -> &'static str {
    match status {
        Status::Pass => "●",
        Status::Warn => "◐",
        Status::Fail => "✕",
        Status::Unknown => "◌",
    }
}

pub fn word(status: Status) -> &'static str {
    match status {
        Status::Pass => "ok",
        Status::Warn => "warning",
        Status::Fail => "failed",
        Status::Unknown => "unknown",
    }
}

pub fn paint(status: Status, text: &str) -> String {
    let style = match status {
        Status::Pass => Style::new().green(),
        Status::Warn => Style::new().yellow(),
        Status::Fail => Style::new().red().bold(),
        Status::Unknown => Style::new().dim(),
    };
    style.apply_to(text).to_string()
}
