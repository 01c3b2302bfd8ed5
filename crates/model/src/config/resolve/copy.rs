use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Spanned;

use super::Context;
use crate::config::error::ConfigError;
use crate::config::raw;
use crate::config::resolved::CopyTarget;

impl Context<'_> {
    pub(super) fn copies(&self, raw: &raw::Backup) -> Result<Vec<CopyTarget>, ConfigError> {
        let source = self.path(raw.source.get_ref());
        let repository = raw.repository.as_ref().map(|r| self.path(r.get_ref()));
        let mut copies: Vec<CopyTarget> = Vec::new();
        for (name, raw) in &raw.copy {
            self.check_name("copy", name)?;
            let copy = self.copy_to(name.get_ref(), raw, &source)?;
            let taken = copies.iter().find(|other| other.to == copy.to).map(|other| other.name.as_str());
            let taken = taken.or_else(|| (repository.as_ref() == Some(&copy.to)).then_some("the repository"));
            if let Some(other) = taken {
                let what = format!("backup.copy.{}.to is the folder of {other} already", copy.name);
                return Err(self.bad(&raw.to, what));
            }
            copies.push(copy);
        }
        Ok(copies)
    }

    fn copy_to(&self, name: &str, raw: &raw::CopyTarget, source: &Path) -> Result<CopyTarget, ConfigError> {
        let to = self.copy_place(name, &raw.to)?;
        if to.starts_with(source) || source.starts_with(&to) {
            let what = format!("backup.copy.{name}.to overlaps the data directory {}", source.display());
            return Err(self.bad(&raw.to, what));
        }
        let usual = Duration::from_hours(72);
        let key = format!("backup.copy.{name}.stale_after");
        let stale_after = self.duration(&key, raw.stale_after.as_ref(), usual)?;
        Ok(CopyTarget { name: name.to_owned(), to, stale_after, same_volume: raw.same_volume })
    }

    fn copy_place(&self, name: &str, typed: &Spanned<String>) -> Result<PathBuf, ConfigError> {
        let remote =
            ["rest:", "rclone:", "s3:", "sftp:"].iter().any(|kind| typed.get_ref().starts_with(kind));
        if remote || typed.get_ref().is_empty() {
            let what = format!("backup.copy.{name}.to must be a folder; this version copies to disks only");
            return Err(self.bad(typed, what));
        }
        Ok(self.path(typed.get_ref()))
    }
}
