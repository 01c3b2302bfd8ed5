use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

/// Sources lie at most this deep: `src/notes/api/main.py`.
const DEPTH: usize = 4;
/// A folder with more is no backend but a home.
const MOST_FILES: usize = 20_000;
const TEXT_LIMIT: u64 = 1 << 20;
/// <https://www.sqlite.org/fileformat.html#magic_header_string>
const SQLITE: &[u8] = b"SQLite format 3\0";
/// What is fetched or made again, and huge.
const SKIPPED: [&str; 8] =
    ["node_modules", "target", "venv", "__pycache__", "site-packages", "dist", "build", "backups"];
/// What says how something is run, at the top of the folder.
const TELLING: [&str; 7] = [
    "compose.yaml",
    "compose.yml",
    "docker-compose.yaml",
    "docker-compose.yml",
    "Procfile",
    "pyproject.toml",
    "package.json",
];

/// What a folder holds, as far as it says how its backend is run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Folder {
    /// The folder's own name.
    pub name: String,
    /// Files, relative to the folder.
    pub files: BTreeSet<PathBuf>,
    /// The texts of those that tell something, relative.
    pub texts: BTreeMap<PathBuf, String>,
    /// Files that begin as SQLite databases do, relative.
    pub databases: BTreeSet<PathBuf>,
}

#[derive(Debug, thiserror::Error)]
#[error("cannot look into {}: {source}; name a folder that you may read", path.display())]
pub struct ReadError {
    pub path: PathBuf,
    pub source: io::Error,
}

impl Folder {
    /// Follows no links, opens nothing but ordinary files, and skips what it may not read.
    pub fn read(path: &Path) -> Result<Self, ReadError> {
        let failed = |source| ReadError { path: path.to_owned(), source };
        let path = path.canonicalize().map_err(failed)?;
        std::fs::read_dir(&path).map_err(failed)?;
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let mut folder = Self { name, ..Self::default() };
        let inside = |entry: &walkdir::DirEntry| {
            let name = entry.file_name().to_string_lossy();
            let hidden = entry.depth() > 0 && name.starts_with('.');
            !(entry.file_type().is_dir() && (hidden || SKIPPED.contains(&name.as_ref())))
        };
        let entries =
            WalkDir::new(&path).max_depth(DEPTH).sort_by_file_name().into_iter().filter_entry(inside);
        for entry in entries.filter_map(Result::ok).filter(|e| e.file_type().is_file()).take(MOST_FILES) {
            let Ok(relative) = entry.path().strip_prefix(&path) else { continue };
            folder.files.insert(relative.to_owned());
            if tells(relative) {
                folder.texts.extend(text(entry.path()).map(|text| (relative.to_owned(), text)));
            } else if may_be_database(relative) && begins_as_database(entry.path()) {
                folder.databases.insert(relative.to_owned());
            }
        }
        Ok(folder)
    }

    pub(crate) fn has(&self, file: &str) -> bool {
        self.files.contains(Path::new(file))
    }

    pub(crate) fn text(&self, file: &str) -> Option<&str> {
        self.texts.get(Path::new(file)).map(String::as_str)
    }
}

fn tells(relative: &Path) -> bool {
    let at_top =
        relative.components().count() == 1 && relative.to_str().is_some_and(|n| TELLING.contains(&n));
    at_top || relative.extension().is_some_and(|e| e == "py")
}

fn may_be_database(relative: &Path) -> bool {
    relative.extension().is_some_and(|e| ["db", "sqlite", "sqlite3"].iter().any(|known| e == *known))
}

/// `None` for what is too large, no text, or not readable.
fn text(path: &Path) -> Option<String> {
    let mut text = String::new();
    let file = File::open(path).ok().filter(|f| f.metadata().is_ok_and(|m| m.len() <= TEXT_LIMIT))?;
    file.take(TEXT_LIMIT).read_to_string(&mut text).ok()?;
    Some(text)
}

/// The database is not opened: that could lock it, or make files beside it.
fn begins_as_database(path: &Path) -> bool {
    let mut head = [0; 16];
    File::open(path).and_then(|mut f| f.read_exact(&mut head)).is_ok() && head == *SQLITE
}
