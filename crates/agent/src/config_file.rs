use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use steady_model::config::{self, Config, ConfigError, Place, RequiredPath, Roots, Setting};

/// Why a configuration file cannot be used. Nothing was started.
#[derive(Debug, thiserror::Error)]
pub enum ConfigFileError {
    #[error("cannot read the configuration {}: {source}; `steady up --demo DIR` makes one to look at", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Wrong(#[from] ConfigError),
    #[error("cannot link {} to the configuration {}: {source}", link.display(), path.display())]
    Link { link: PathBuf, path: PathBuf, source: io::Error },
    #[error("{at}: {key} is {}, which does not exist; create it or correct the path", path.display())]
    MissingPath { at: Place, key: String, path: PathBuf },
}

/// A configuration file as it lies there.
pub struct ConfigFile {
    /// Where it really lies, not where a link to it does: relative paths start there.
    file: PathBuf,
    text: String,
    user_home: Option<PathBuf>,
}

impl ConfigFile {
    pub fn read(file: &Path) -> Result<Self, ConfigFileError> {
        let unreadable = |source| ConfigFileError::Unreadable { path: file.to_owned(), source };
        let file = file.canonicalize().map_err(unreadable)?;
        let text = std::fs::read_to_string(&file).map_err(unreadable)?;
        Ok(Self { file, text, user_home: std::env::home_dir() })
    }

    fn roots(&self) -> Roots<'_> {
        Roots { base: self.file.parent().unwrap_or(Path::new("/")), user_home: self.user_home.as_deref() }
    }

    /// What it says, when the paths that it names are there.
    pub fn config(&self) -> Result<Config, ConfigFileError> {
        let config = config::parse(&self.text, &self.file, self.roots())?;
        match config.required_paths.iter().find(|required| !required.path.exists()) {
            Some(RequiredPath { path, key, at }) => {
                Err(ConfigFileError::MissingPath { at: at.clone(), key: key.clone(), path: path.clone() })
            }
            None => Ok(config),
        }
    }

    /// Every key that it, or its preset, sets.
    pub fn settings(&self) -> Result<Vec<Setting>, ConfigFileError> {
        Ok(config::settings(&self.text, &self.file, self.roots())?)
    }

    pub(crate) fn places_of_checks(&self) -> BTreeMap<String, Place> {
        config::places_of_checks(&self.text, &self.file, self.roots())
    }
}

/// Reads the file and asks the machine whether the paths that it names are there.
pub fn load(file: &Path) -> Result<Config, ConfigFileError> {
    ConfigFile::read(file)?.config()
}

/// Lets `steady.toml` in the home lead to the configuration in force, for whoever knows only the home: the app,
/// `steady exec`. A file that lies there itself is left alone.
pub fn lead_to(config: &Path, home: &Path) -> Result<(), ConfigFileError> {
    let link = home.join("steady.toml");
    let failed = |source| ConfigFileError::Link { link: link.clone(), path: config.to_owned(), source };
    let config = config.canonicalize().map_err(failed)?;
    match link.symlink_metadata() {
        Ok(there) if !there.is_symlink() => return Ok(()),
        Ok(_) if link.canonicalize().is_ok_and(|leads_to| leads_to == config) => return Ok(()),
        Ok(_) => std::fs::remove_file(&link).map_err(failed)?,
        Err(_) => {}
    }
    symlink(config, &link).map_err(failed)
}
