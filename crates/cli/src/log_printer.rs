//! Lines of logs on a terminal or into a pipe.

use console::{Color, Style, Term};
use steady_logs::{Fold, Folded};

use crate::style;

/// As many services as colours, then again.
const COLOURS: [Color; 6] =
    [Color::Cyan, Color::Yellow, Color::Green, Color::Magenta, Color::Blue, Color::Red];

/// Prints lines with their service's name when there are several, and folds repeated ones where a person reads.
pub struct LogPrinter {
    prefixes: Vec<(String, String)>,
    json: bool,
    folds: bool,
    /// The newest line, printed already, and how often it came since.
    repeated: Fold,
    last: Option<String>,
}

impl LogPrinter {
    /// `fold` holds on a terminal only: what is piped on stays as it was written.
    pub fn new(names: &[String], json: bool, fold: bool) -> Self {
        let width = names.iter().map(|name| name.chars().count()).max().unwrap_or_default();
        let prefix = |(name, colour): (&String, Color)| {
            let padded = format!("{name:width$} | ");
            let shown = Style::new().fg(colour).apply_to(padded).to_string();
            (name.clone(), if names.len() > 1 { shown } else { String::new() })
        };
        let prefixes = names.iter().zip(COLOURS.into_iter().cycle()).map(prefix).collect();
        let folds = fold && !json && Term::stdout().is_term();
        Self { prefixes, json, folds, repeated: Fold::default(), last: None }
    }

    pub fn line(&mut self, service: &str, line: &str) {
        if self.json {
            style::say(&serde_json::json!({ "service": service, "line": line }).to_string());
            return;
        }
        let shown = format!("{}{line}", self.prefix(service));
        if !self.folds {
            style::say(&shown);
            return;
        }
        let before = self.repeated.push(shown.clone());
        if self.last.as_ref() != Some(&shown) {
            note(before.as_ref());
            style::say(&shown);
            self.last = Some(shown);
        }
    }

    /// Says how often the newest line came, when it came more than once.
    pub fn flush(&mut self) {
        note(self.repeated.flush().as_ref());
        self.last = None;
    }

    fn prefix(&self, service: &str) -> &str {
        self.prefixes.iter().find(|(name, _)| name == service).map_or("", |(_, prefix)| prefix)
    }
}

fn note(folded: Option<&Folded>) {
    if let Some(note) = folded.and_then(Folded::note) {
        style::say(&Style::new().dim().apply_to(format!("  ↑ {note}")).to_string());
    }
}
