//! Applications for uvicorn: where `FastAPI()` or `Starlette()` is made, and how the project is run.

use std::path::{Component, Path};
use std::sync::LazyLock;

use regex::Regex;

use crate::folder::Folder;
use crate::found::{Found, Listening};

/// uvicorn's own default.
const PORT: u16 = 8000;

/// `app = FastAPI(` at the begin of a line. A pattern that cannot be compiled finds nothing.
static MADE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?m)^([A-Za-z_]\w*)\s*(?::[^=\n]+)?=\s*(?:FastAPI|Starlette)\(").ok());

pub fn found(folder: &Folder) -> Option<Found> {
    let project = folder.text("pyproject.toml")?;
    if !project.contains("uvicorn") && !project.contains("fastapi") {
        return None;
    }
    let apps = folder.texts.iter().filter(|(path, _)| !of_tests(path)).filter_map(|(path, text)| {
        let name = MADE.as_ref()?.captures(text)?.get(1)?.as_str();
        Some((format!("{}:{name}", module(path)?), text))
    });
    // The shortest name is the outermost module.
    let (app, text) = apps.min_by_key(|(app, _)| app.len())?;
    let port = PORT.to_string();
    let arguments = [app.as_str(), "--host", "127.0.0.1", "--port", &port];
    let command =
        runner(folder).iter().chain(&["uvicorn"]).chain(&arguments).map(|s| (*s).to_owned()).collect();
    let health = text.contains("\"/health\"") || text.contains("'/health'");
    let listening = Some(Listening { port: PORT, health });
    Some(Found::Service { name: "api".to_owned(), command, listening, from: "pyproject.toml".to_owned() })
}

fn runner(folder: &Folder) -> &'static [&'static str] {
    if folder.has("poetry.lock") && !folder.has("uv.lock") { &["poetry", "run"] } else { &["uv", "run"] }
}

fn of_tests(path: &Path) -> bool {
    path.components().any(|part| {
        let part = part.as_os_str().to_string_lossy();
        part == "tests" || part.starts_with("test_")
    })
}

/// `src/notes/main.py` is `notes.main`: `src` is where packages lie, and no package.
fn module(path: &Path) -> Option<String> {
    let path = path.strip_prefix("src").unwrap_or(path).with_extension("");
    let mut parts: Vec<&str> = Vec::new();
    for part in path.components() {
        let Component::Normal(part) = part else { return None };
        parts.push(part.to_str()?);
    }
    if parts.last() == Some(&"__init__") {
        parts.pop();
    }
    (!parts.is_empty()).then(|| parts.join("."))
}
