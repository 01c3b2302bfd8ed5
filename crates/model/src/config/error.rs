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

/// The text that spans point into.
pub(super) struct Source<'a> {
    pub text: &'a str,
    pub path: &'a Path,
}

impl Source<'_> {
    pub fn line(&self, span: &Range<usize>) -> usize {
        let upto = self.text.get(..span.start.min(self.text.len())).unwrap_or_default();
        upto.bytes().filter(|b| *b == b'\n').count() + 1
    }

    pub fn error(&self, span: &Range<usize>, what: String, hint: Option<String>) -> ConfigError {
        ConfigError { path: self.path.to_owned(), line: self.line(span), what, hint }
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
