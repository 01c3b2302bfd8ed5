//! What a person does about a check, by its kind.

use crate::check::Status;

/// One imperative sentence without a full stop. `observed` is whether it ever answered.
pub fn next(kind: &str, status: Status, observed: bool, service: Option<&str>) -> String {
    let fixed = match (kind, status) {
        (_, Status::Unknown) if !observed => "Wait for its first answer",
        ("http" | "outbox" | "usage", Status::Fail | Status::Warn) if service.is_some() => {
            let service = service.unwrap_or_default();
            return format!("Read its log (`steady logs {service}`), then restart {service}");
        }
        ("http", _) => "Open that address in a browser, then restart what should answer there",
        ("tcp", _) => "See whether the program that should listen there runs, then start it",
        ("process", _) => "Start that program, or correct its text in steady.toml",
        ("port", _) => "Stop the process that holds the port, then start the one that should",
        ("path", _) => {
            "Bring the folder or its volume back, or give Steady access to it (macOS: Privacy & Security, \
             Full Disk Access)"
        }
        ("disk", Status::Unknown) => "Bring the volume back, or correct its path in steady.toml",
        ("disk", _) => "Free some space on that volume",
        ("marker", _) => "Run what writes it, and read its log if it fails again",
        ("command", _) => "Run that command in a terminal to see all that it says",
        ("log", _) => "Read that log around the line",
        ("sqlite", Status::Warn) => "Restart what keeps the database open, so that its WAL is written back",
        ("sqlite", Status::Fail) => "Stop what writes there, then restore the newest verified backup",
        ("sqlite", _) => "See whether the file is there and readable",
        ("equality", _) => "Build the store anew that lags behind, or restore a backup",
        ("count", _) => "Find out what deleted them, and restore a backup if nobody meant to",
        ("postgres", _) => "See whether the server runs and takes connections, then read its log",
        ("outbox", _) => "Read the log of the worker that takes from it, then restart the worker",
        ("redis", _) => "See whether the server runs and saves where it should, then read its log",
        ("ollama", _) => "Start Ollama, and pull the model if it is missing (`ollama pull`)",
        ("docker", _) => "Start Docker, then bring its services up (`docker compose up -d`)",
        ("usage", _) => "Restart the service if that lasts",
        ("logs", _) => "Look at that log and at the space on its volume",
        ("history", _) => "Make room for Steady's own files; only the history suffers",
        _ => "Read its evidence, then try it by hand",
    };
    fixed.to_owned()
}
