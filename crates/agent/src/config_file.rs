use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use steady_model::config::{self, Config, ConfigError, RequiredPath, Roots};

/// Why a configuration file cannot be used. Nothing was started.
#[derive(Debug, thiserror::Error)]
pub enum ConfigFileError {
    #[error("cannot read the configuration {}: {source}; `steady up --demo DIR` makes one to look at", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Wrong(#[from] ConfigError),
    #[error("cannot link {} to the configuration {}: {source}", link.display(), path.display())]
    Link { link: PathBuf, path: PathBuf, source: io::Error },
    #[error("{}:{line}: {key} is {}, which does not exist; create it or correct the path", file.display(), path.display())]
    MissingPath { file: PathBuf, line: usize, key: String, path: PathBuf },
}

/// Reads the file and asks the machine whether the paths that it names are there.
pub fn load(file: &Path) -> Result<Config, ConfigFileError> {
    let unreadable = |source| ConfigFileError::Unreadable { path: file.to_owned(), source };
    // Relative paths start where the file lies, not where a link to it does.
    let file = file.canonicalize().map_err(unreadable)?;
    let text = std::fs::read_to_string(&file).map_err(unreadable)?;
    let user_home = std::env::home_dir();
    let base = file.parent().unwrap_or(Path::new("/"));
    let config = config::parse(&text, &file, Roots { base, user_home: user_home.as_deref() })?;
    match config.required_paths.iter().find(|required| !required.path.exists()) {
        Some(RequiredPath { path, key, line }) => {
            Err(ConfigFileError::MissingPath { file, line: *line, key: key.clone(), path: path.clone() })
        }
        None => Ok(config),
    }
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
