use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use steady_disk::{DiskError, write_atomic};

#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("cannot read the token {}: {source}; remove it to have a new one made", path.display())]
    Unreadable { path: std::path::PathBuf, source: io::Error },
    #[error("cannot draw a new token: {0}")]
    NoRandomness(io::Error),
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
    let mut bytes = [0_u8; 32];
    File::open("/dev/urandom")
        .and_then(|mut f| f.read_exact(&mut bytes))
        .map_err(TokenError::NoRandomness)?;
    let token: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    write_atomic(path, token.as_bytes(), 0o600)?;
    Ok(token)
}
