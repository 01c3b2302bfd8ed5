//! Packages of Node.js with a `start` script.

use serde::Deserialize;
use std::collections::BTreeMap;

use crate::folder::Folder;
use crate::found::{Found, Listening};
use crate::procfile::port_of;

#[derive(Deserialize)]
struct Package {
    #[serde(default)]
    scripts: BTreeMap<String, String>,
}

pub fn found(folder: &Folder) -> Option<Found> {
    let package: Package = serde_json::from_str(folder.text("package.json")?).ok()?;
    let script = package.scripts.get("start")?;
    let tool = if folder.has("pnpm-lock.yaml") {
        "pnpm"
    } else if folder.has("yarn.lock") {
        "yarn"
    } else {
        "npm"
    };
    let command = [tool, "run", "start"].map(str::to_owned).into();
    let words = shlex::split(script).unwrap_or_default();
    let listening = port_of(&words).map(|port| Listening { port, health: false });
    Some(Found::Service { name: "web".to_owned(), command, listening, from: "package.json".to_owned() })
}
