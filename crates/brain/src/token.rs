//! The optional password of the API, kept in a file that only its owner can read.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use axum::http::HeaderValue;
use sha2::{Digest, Sha256};

const MAX_BYTES: u64 = 4096;
const OTHERS: u32 = 0o077;

#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("cannot read the token in {}: {source}; correct --token-file (BRAIN_TOKEN_FILE)", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("others can read the token in {} (mode {mode:o}); chmod 600 it, and make a new one", path.display())]
    Open { path: PathBuf, mode: u32 },
    #[error("{} holds no token: it wants one line of letters, digits and signs", path.display())]
    Empty { path: PathBuf },
}

/// What a request has to bring as `Authorization: Bearer …`.
#[derive(Clone)]
pub struct Token(HeaderValue);

/// Never in a log.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

impl Token {
    pub fn read(path: &Path) -> Result<Self, TokenError> {
        let read = |source| TokenError::Read { path: path.to_owned(), source };
        let file = File::open(path).map_err(read)?;
        let mode = file.metadata().map_err(read)?.mode() & 0o777;
        if mode & OTHERS != 0 {
            return Err(TokenError::Open { path: path.to_owned(), mode });
        }
        let mut text = String::new();
        file.take(MAX_BYTES).read_to_string(&mut text).map_err(read)?;
        let text = text.trim();
        let is_word = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        let header = HeaderValue::try_from(format!("Bearer {text}")).ok().filter(|_| is_word);
        let mut header = header.ok_or_else(|| TokenError::Empty { path: path.to_owned() })?;
        header.set_sensitive(true);
        Ok(Self(header))
    }

    pub fn header(&self) -> HeaderValue {
        self.0.clone()
    }

    /// Hashes are compared, so that the time it takes says nothing of the token.
    pub fn admits(&self, brought: &HeaderValue) -> bool {
        Sha256::digest(self.0.as_bytes()) == Sha256::digest(brought.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_token_is_one_word_of_a_private_file_and_is_never_shown() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        let with = |text: &str, mode| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            Token::read(&path)
        };
        let token = with("s3cret-word\n", 0o600).unwrap();
        assert!(token.admits(&HeaderValue::from_static("Bearer s3cret-word")));
        for wrong in ["Bearer s3cret", "s3cret-word", "Bearer s3cret-word2", ""] {
            assert!(!token.admits(&HeaderValue::from_static(wrong)), "{wrong}");
        }
        assert!(!format!("{token:?} {:?}", token.header()).contains("s3cret"));
        assert!(matches!(with("s3cret", 0o640), Err(TokenError::Open { mode: 0o640, .. })));
        for none in ["", " \n", "two words", "caf\u{e9}"] {
            assert!(matches!(with(none, 0o600), Err(TokenError::Empty { .. })), "{none:?}");
        }
        assert!(matches!(Token::read(&dir.path().join("none")), Err(TokenError::Read { .. })));
    }
}
