//! Compose projects, as far as their names go: <https://github.com/compose-spec/compose-spec/blob/main/spec.md>.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::folder::Folder;
use crate::found::Found;

/// In the order in which compose looks for them.
const FILES: [&str; 4] = ["compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"];

#[derive(Deserialize)]
struct Project {
    name: Option<String>,
    #[serde(default)]
    #[expect(clippy::zero_sized_map_values, reason = "a set is not read from a mapping")]
    services: BTreeMap<String, IgnoredAny>,
}

pub fn found(folder: &Folder) -> Option<Found> {
    let file = FILES.into_iter().find(|file| folder.has(file))?;
    let project: Project = serde_saphyr::from_str(folder.text(file)?).ok()?;
    // A name with a variable is known only where it is run.
    let name = project.name.filter(|name| !name.contains('$')).unwrap_or_else(|| normalised(&folder.name));
    let services: Vec<String> = project.services.into_keys().collect();
    (!services.is_empty()).then(|| Found::Compose { file: file.to_owned(), project: name, services })
}

/// As compose makes a project's name of its folder's.
fn normalised(name: &str) -> String {
    let kept = |c: &char| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '_' || *c == '-';
    let name: String = name.to_lowercase().chars().filter(kept).collect();
    name.trim_start_matches(['_', '-']).to_owned()
}
