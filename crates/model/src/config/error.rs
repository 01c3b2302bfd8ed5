use std::ops::Range;
use std::path::{Path, PathBuf};

/// What is wrong in a configuration file, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}:{line}: {what}{}", path.display(), appended(hint.as_deref()))]
pub struct ConfigError {
    pub path: PathBuf,
    /// 1-based.
    pub line: usize,
    /// What is wrong, with the accepted range.
    pub what: String,
    /// What to do, e.g. the nearest valid name.
    pub hint: Option<String>,
}

fn appended(hint: Option<&str>) -> String {
    hint.map(|h| format!("; {h}")).unwrap_or_default()
}

/// Where something was typed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Place {
    /// The user's file, or the preset that it names, as [`preset_path`](super::preset_path) writes it.
    pub file: PathBuf,
    /// 1-based.
    pub line: usize,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// The texts that spans point into, as if they were one: the user's file, and after it the preset that it names.
pub(super) struct Source<'a> {
    layers: Vec<Layer<'a>>,
}

struct Layer<'a> {
    path: &'a Path,
    text: &'a str,
    start: usize,
}

impl<'a> Source<'a> {
    pub fn new(path: &'a Path, text: &'a str) -> Self {
        Self { layers: vec![Layer { path, text, start: 0 }] }
    }

    /// Where the spans of one more text begin.
    pub fn push(&mut self, path: &'a Path, text: &'a str) -> usize {
        let start = self.layers.last().map_or(0, |last| last.start + last.text.len() + 1);
        self.layers.push(Layer { path, text, start });
        start
    }

    pub fn place(&self, span: &Range<usize>) -> Place {
        let layer = self.layers.iter().rev().find(|layer| layer.start <= span.start);
        let (file, line) = layer.map_or_else(Default::default, |layer| {
            let offset = (span.start - layer.start).min(layer.text.len());
            let upto = layer.text.get(..offset).unwrap_or_default();
            (layer.path.to_owned(), upto.matches('\n').count() + 1)
        });
        Place { file, line }
    }

    pub fn error(&self, span: &Range<usize>, what: String, hint: Option<String>) -> ConfigError {
        let Place { file, line } = self.place(span);
        ConfigError { path: file, line, what, hint }
    }
}

/// The candidate that the writer most likely meant, when one is near enough.
pub(super) fn nearest<'a>(typed: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|c| (strsim::jaro_winkler(typed, c), c))
        .filter(|(likeness, _)| *likeness > 0.7)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, c)| c)
}
