use std::path::{Path, PathBuf};

use crate::folder::Folder;
use crate::{compose, node, procfile, python};

/// One thing that a folder holds and Steady can keep steady.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Found {
    /// A backend that a preset knows.
    Preset {
        name: &'static str,
        because: &'static str,
    },
    Compose {
        file: String,
        project: String,
        services: Vec<String>,
    },
    /// A process that somebody starts today by hand.
    Service {
        name: String,
        command: Vec<String>,
        listening: Option<Listening>,
        from: String,
    },
    /// The folder that holds databases, and they; relative. Backed up whole.
    Data {
        folder: PathBuf,
        databases: Vec<PathBuf>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Listening {
    pub port: u16,
    /// Whether it answers `GET /health`.
    pub health: bool,
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Preset { name, because } => write!(f, "the preset {name}: {because}"),
            Self::Compose { file, project, services } => {
                write!(f, "{file}: the compose project {project} with {}", services.join(", "))
            }
            Self::Service { name, command, from, .. } => {
                write!(f, "{from}: the service {name}, `{}`", command.join(" "))
            }
            Self::Data { folder, databases } => {
                write!(f, "{}: {} SQLite databases, to be backed up", folder.display(), databases.len())
            }
        }
    }
}

/// What the folder holds. Nothing of what a preset knows is named beside it.
pub fn recognise(folder: &Folder) -> Vec<Found> {
    if let Some(preset) = preset(folder) {
        return vec![preset];
    }
    let mut found: Vec<Found> = compose::found(folder).into_iter().collect();
    let by_procfile = procfile::found(folder);
    if by_procfile.is_empty() {
        found.extend(python::found(folder));
        found.extend(node::found(folder));
    } else {
        // It says how all of it is run, better than sources do.
        found.extend(by_procfile);
    }
    found.extend(data(folder));
    found
}

fn preset(folder: &Folder) -> Option<Found> {
    if folder.has("src/secondbrain/main.py") && folder.has("pyproject.toml") {
        let because = "src/secondbrain/main.py and pyproject.toml are SecondBrain's";
        return Some(Found::Preset { name: "secondbrain", because });
    }
    let Some(Found::Compose { services, .. }) = compose::found(folder) else { return None };
    let all = ["pkg-db", "pkg-graph", "ingest-worker", "tui-controller"];
    let because = "its compose file has the services of Peanut";
    all.iter()
        .all(|one| services.iter().any(|s| s == one))
        .then_some(Found::Preset { name: "peanut", because })
}

/// The top-most folder below this one that holds them all; none when one lies at the top, because a restore replaces
/// the folder whole.
fn data(folder: &Folder) -> Option<Found> {
    let databases: Vec<PathBuf> = folder.databases.iter().cloned().collect();
    let mut parents = databases.iter().filter_map(|file| file.parent());
    let first = parents.next()?;
    let common = parents.fold(first.to_owned(), |common, parent| shared(&common, parent));
    (common != Path::new("")).then_some(Found::Data { folder: common, databases })
}

fn shared(a: &Path, b: &Path) -> PathBuf {
    a.components().zip(b.components()).take_while(|(a, b)| a == b).map(|(a, _)| a).collect()
}
