use std::collections::BTreeMap;
use std::path::Path;

use steady_model::config::FileClass;

use super::exclude::Exclude;
use crate::error::BackupError;

/// Files that only grow, by the end of their name.
const LOGS: [&str; 3] = ["jsonl", "ndjson", "log"];

/// What the configuration says of classes; else the name tells.
#[derive(Debug, Clone, Default)]
pub(crate) struct Classes {
    told: Vec<(Exclude, FileClass)>,
}

impl Classes {
    /// Names and globs as in `backup.exclude`.
    pub(crate) fn new(told: &BTreeMap<String, FileClass>) -> Result<Self, BackupError> {
        let told = told.iter().map(|(pattern, class)| {
            let matcher = Exclude::new(std::slice::from_ref(pattern)).map_err(|error| {
                BackupError::ClassPattern { pattern: pattern.clone(), why: error.to_string() }
            })?;
            Ok((matcher, *class))
        });
        Ok(Self { told: told.collect::<Result<_, BackupError>>()? })
    }

    pub(crate) fn told(&self, relative: &Path) -> Option<FileClass> {
        self.told.iter().find(|(pattern, _)| pattern.by_pattern(relative)).map(|(_, class)| *class)
    }

    pub(crate) fn is_log(&self, relative: &Path) -> bool {
        match self.told(relative) {
            Some(class) => class == FileClass::Log,
            None => {
                let end = relative.extension().and_then(|e| e.to_str()).unwrap_or_default();
                LOGS.contains(&end)
            }
        }
    }
}
