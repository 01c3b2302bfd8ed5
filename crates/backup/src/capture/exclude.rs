use std::path::Path;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use crate::error::BackupError;

/// What is left out: names and globs of the configuration, and Steady's own unfinished writes.
///
/// A pattern without `/` matches a name at any depth, one with `/` the path below the data directory. What
/// matches a folder leaves out all that is in it.
#[derive(Debug, Clone)]
pub(crate) struct Exclude {
    names: GlobSet,
    paths: GlobSet,
}

impl Exclude {
    pub(crate) fn new(patterns: &[String]) -> Result<Self, BackupError> {
        let (mut names, mut paths) = (GlobSetBuilder::new(), GlobSetBuilder::new());
        for pattern in patterns.iter().map(String::as_str) {
            let pattern = pattern.trim_end_matches('/');
            let set = if pattern.contains('/') { &mut paths } else { &mut names };
            let glob = GlobBuilder::new(pattern.trim_start_matches('/')).literal_separator(true).build();
            set.add(glob.map_err(|source| BackupError::Exclude { source })?);
        }
        let build = |set: &GlobSetBuilder| set.build().map_err(|source| BackupError::Exclude { source });
        Ok(Self { names: build(&names)?, paths: build(&paths)? })
    }

    /// Whether the configuration leaves it out.
    pub(crate) fn by_pattern(&self, relative: &Path) -> bool {
        relative.file_name().is_some_and(|name| self.names.is_match(name)) || self.paths.is_match(relative)
    }
}

/// An atomic write of Steady in progress: `.<name>.tmp-XXXXXX`.
pub(crate) fn is_unfinished(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let random = |end: &str| end.len() == 6 && end.bytes().all(|b| b.is_ascii_alphanumeric());
    name.starts_with('.') && name.rsplit_once(".tmp-").is_some_and(|(_, end)| random(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_at_any_depth_and_paths_only_where_they_say() {
        let exclude = Exclude::new(&["*.log".into(), ".sync_completed".into(), "cache/tmp".into()]).unwrap();
        for out in ["a.log", "deep/down/b.log", ".sync_completed", "cache/tmp"] {
            assert!(exclude.by_pattern(Path::new(out)), "{out}");
        }
        for kept in ["a.log.md", "other/cache/tmp", "tmp", "sync_completed"] {
            assert!(!exclude.by_pattern(Path::new(kept)), "{kept}");
        }
    }

    #[test]
    fn a_cut_off_write_of_steady_is_left_out_and_a_note_about_it_is_not() {
        assert!(is_unfinished(Path::new("/d/.state.json.tmp-a1B2c3")));
        for kept in ["/d/notes.tmp-a1B2c3", "/d/.state.json.tmp-plan", "/d/.tmp-notes"] {
            assert!(!is_unfinished(Path::new(kept)), "{kept}");
        }
    }

    #[test]
    fn a_pattern_that_cannot_be_read_is_an_error() {
        let error = Exclude::new(&["[a".into()]).unwrap_err();
        assert!(error.to_string().contains("backup.exclude"), "{error}");
    }
}
