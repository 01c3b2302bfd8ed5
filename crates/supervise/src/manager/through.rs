//! How a foreign manager starts a service of Steady's: through `steady exec`, under a name that two homes cannot
//! share.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// The command that becomes the service: `steady --home HOME exec SERVICE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Through {
    /// The `steady` binary; absolute.
    pub program: PathBuf,
    pub home: PathBuf,
    pub service: String,
}

impl Through {
    pub fn argv(&self) -> [PathBuf; 5] {
        let word = |word: &str| PathBuf::from(word);
        [self.program.clone(), word("--home"), self.home.clone(), word("exec"), word(&self.service)]
    }

    /// `<prefix><service><joint><home>`, the home as eight hexadecimal digits.
    pub(super) fn name(&self, prefix: &str, joint: char) -> String {
        format!("{prefix}{}{joint}{}", self.service, home_mark(&self.home))
    }
}

/// Tells the homes of one user apart; the same for ever.
pub fn home_mark(home: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;

    let digest = Sha256::digest(home.as_os_str().as_bytes());
    let [a, b, c, d, ..] = <[u8; 32]>::from(digest);
    format!("{:08x}", u32::from_be_bytes([a, b, c, d]))
}

/// How people call the user folder's parts that a manager needs.
pub(super) fn user_home() -> Option<PathBuf> {
    std::env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_absolute())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_homes_never_share_a_name_and_one_keeps_its_own() {
        let of = |home: &str| Through { program: "/s".into(), home: home.into(), service: "brain".into() };
        assert_eq!(of("/a").name("steady-", '-'), of("/a").name("steady-", '-'));
        assert_ne!(of("/a").name("steady-", '-'), of("/b").name("steady-", '-'));
        assert_eq!(of("/a").name("steady-", '-'), "steady-brain-6a50dc85");
    }
}
