//! Procfiles: lines of `name: command`.

use crate::folder::Folder;
use crate::found::{Found, Listening};

/// What only a shell understands.
const SHELL: [char; 9] = ['$', '|', '&', ';', '<', '>', '`', '*', '('];

pub fn found(folder: &Folder) -> Vec<Found> {
    folder.text("Procfile").unwrap_or_default().lines().filter_map(service).collect()
}

fn service(line: &str) -> Option<Found> {
    let (name, typed) = line.split_once(':')?;
    let (name, typed) = (name.trim(), typed.trim());
    let fine = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.is_empty() || !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || !name.chars().all(fine) {
        return None;
    }
    let for_shell = typed.contains(SHELL) || assigns(typed);
    let command = if for_shell {
        vec!["sh".to_owned(), "-c".to_owned(), typed.to_owned()]
    } else {
        shlex::split(typed).filter(|words| !words.is_empty())?
    };
    let listening = port_of(&command).map(|port| Listening { port, health: false });
    let from = "Procfile".to_owned();
    Some(Found::Service { name: name.to_owned(), command, listening, from })
}

/// `NAME=value command` is a shell's too.
fn assigns(typed: &str) -> bool {
    typed.split_whitespace().next().is_some_and(|first| first.contains('='))
}

/// `--port 8000`, `--port=8000`, `-p 8000`.
pub fn port_of(command: &[String]) -> Option<u16> {
    let mut words = command.iter();
    while let Some(word) = words.next() {
        let typed = match word.as_str() {
            "--port" | "-p" => words.next().map(String::as_str),
            word => word.strip_prefix("--port="),
        };
        if let Some(port) = typed.and_then(|typed| typed.parse().ok()).filter(|port| *port > 0) {
            return Some(port);
        }
    }
    None
}
