use std::io;
use std::path::PathBuf;

use steady_model::words;

use crate::dotenv::Syntax;
use crate::file::LIMIT;
use crate::keychain::KeychainError;

/// Why an environment could not be put together. Never holds a value.
#[derive(Debug, thiserror::Error)]
pub enum EnvError {
    #[error("cannot read the environment file {}: {source}; create it or correct `env_file`", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("the environment file {}:{line}: {syntax}", path.display())]
    Syntax { path: PathBuf, line: usize, syntax: Syntax },
    #[error(
        "cannot read the file {} of the secret {name}: {source}; create it or correct `secrets`", path.display()
    )]
    SecretFile { name: String, path: PathBuf, source: io::Error },
    #[error(
        "the secret {name} is open to other users, its file {} has mode {mode:03o}; run: chmod 600 {}",
        path.display(), path.display()
    )]
    SecretShared { name: String, path: PathBuf, mode: u32 },
    #[error("{} is not a file, or it is larger than {}; an environment is not read from it", path.display(), words::bytes(LIMIT))]
    NotAFile { path: PathBuf },
    #[error(
        "the secret {name}: {} has no variable {variable}; add it there or say where the secret is kept",
        path.display()
    )]
    NoVariable { name: String, path: PathBuf, variable: String },
    #[error("the secret {name} is empty; store its value where steady.toml says it is kept")]
    SecretEmpty { name: String },
    #[error(
        "the secret {name} has a zero byte, which no environment can hold; store it as text, e.g. in base64"
    )]
    SecretZero { name: String },
    #[error("the secret {name}: {source}")]
    Keychain { name: String, source: KeychainError },
}
