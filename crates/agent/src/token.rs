use std::io;
use std::path::Path;

use steady_disk::{DiskError, write_atomic};

#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("cannot read the token {}: {source}; remove it to have a new one made", path.display())]
    Unreadable { path: std::path::PathBuf, source: io::Error },
    #[error("cannot draw a new token: {0}")]
    NoRandomness(String),
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// The token that a browser needs, made at the first start: 32 random bytes in hexadecimal, 0600.
pub fn load_or_create(path: &Path) -> Result<String, TokenError> {
    match std::fs::read_to_string(path) {
        Ok(text) if !text.trim().is_empty() => Ok(text.trim().to_owned()),
        Ok(_) => create(path),
        Err(e) if e.kind() == io::ErrorKind::NotFound => create(path),
        Err(source) => Err(TokenError::Unreadable { path: path.to_owned(), source }),
    }
}

fn create(path: &Path) -> Result<String, TokenError> {
    let word = || getrandom::u64().map_err(|e| TokenError::NoRandomness(e.to_string()));
    let token = format!("{:016x}{:016x}{:016x}{:016x}", word()?, word()?, word()?, word()?);
    write_atomic(path, token.as_bytes(), 0o600)?;
    Ok(token)
}
