//! Looking into restore points, and comparing them.

use std::path::Path;

use steady_model::contents::{PointDiff, PointFolder};

use super::{Backups, unexpected};
use crate::error::BackupError;
use crate::manifest::RelPath;
use crate::plan;
use crate::protocol::{Command, Done};

impl Backups {
    /// What lies in the folder `path` of a restore point, or the file of that path. `path` is below the data
    /// directory or relative to it; empty is the directory itself.
    pub async fn files(&self, id: &str, path: &Path) -> Result<PointFolder, BackupError> {
        let source = &self.inner.source;
        let point = plan::find(&self.inner.catalogue.read()?, id)?;
        let relative = path.strip_prefix(source).unwrap_or(path);
        let wanted = || BackupError::Chosen { path: path.to_owned(), source_dir: source.clone() };
        let path = if relative.as_os_str().is_empty() {
            None
        } else {
            Some(RelPath::new(relative).ok_or_else(wanted)?)
        };
        match self.inner.engine(Command::Files { point: point.id, path }, &|_| {}).await? {
            Done::Files(folder) => Ok(folder),
            _ => Err(unexpected("a listing")),
        }
    }

    /// What changed from one restore point to another.
    pub async fn diff(&self, before: &str, after: &str) -> Result<PointDiff, BackupError> {
        let points = self.inner.catalogue.read()?;
        let before = plan::find(&points, before)?.id;
        let after = plan::find(&points, after)?.id;
        match self.inner.engine(Command::Differ { before, after }, &|_| {}).await? {
            Done::Difference(diff) => Ok(diff),
            _ => Err(unexpected("a comparison")),
        }
    }
}
