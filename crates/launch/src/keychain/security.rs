//! The login keychain through macOS's `security`.

use super::tool::{Answer, Tool, name_of};
use super::{Keychain, KeychainError, PATIENCE, item};
use crate::secret::Secret;

const STORE: &str = "keychain";
const UNLOCK: &str = "log in at the screen, or run: security unlock-keychain";
const INSTALL: &str = "it is part of macOS";

// The low byte of the OSStatus, which is all that an exit code holds.
/// errSecItemNotFound, -25300.
const NOT_FOUND: i32 = 44;
/// errSecInteractionNotAllowed, -25308: it would have to ask, and there is nobody.
const NO_INTERACTION: i32 = 36;
/// errSecAuthFailed, -25293: the password for unlocking was wrong.
const AUTH_FAILED: i32 = 51;

/// Generic passwords of the keychains in the user's search list.
#[derive(Debug, Clone)]
pub struct SecurityTool(pub Tool);

impl Default for SecurityTool {
    fn default() -> Self {
        Self(Tool { program: "/usr/bin/security".into(), environment: Vec::new(), limit: PATIENCE })
    }
}

impl Keychain for SecurityTool {
    fn find(&self, service: &str, account: Option<&str>) -> Result<Secret, KeychainError> {
        let mut which = vec!["find-generic-password", "-s", service];
        if let Some(account) = account {
            which.extend(["-a", account]);
        }
        let answer = self.run(&which, "-w", service, account)?;
        let shown = Secret::new(answer.out.to_vec()).without_line_end();
        // A password with other than printable ASCII comes as hex digits, and so may one that consists of them.
        let Some(bytes) = from_hex(shown.expose()) else { return Ok(shown) };
        let answer = self.run(&which, "-g", service, account)?;
        let encoded = answer.said.lines().any(|line| line.starts_with("password: 0x"));
        Ok(if encoded { bytes } else { shown })
    }
}

impl SecurityTool {
    fn run(
        &self,
        which: &[&str],
        how: &str,
        service: &str,
        account: Option<&str>,
    ) -> Result<Answer, KeychainError> {
        let item = || item(service, account);
        let args: Vec<_> = which.iter().copied().chain([how]).collect();
        let Tool { program, limit, .. } = &self.0;
        let answer = self.0.run(&args).map_err(|source| KeychainError::NoTool {
            store: STORE,
            program: name_of(program),
            remedy: INSTALL,
            source,
        })?;
        let answer = answer.ok_or_else(|| KeychainError::Overdue {
            store: STORE,
            item: item(),
            limit: *limit,
            remedy: UNLOCK,
        })?;
        match answer.code {
            Some(0) => Ok(answer),
            Some(NOT_FOUND) => Err(KeychainError::NotFound {
                store: STORE,
                item: item(),
                remedy: format!(
                    "security add-generic-password -s '{service}' -a '{}' -w",
                    account.unwrap_or("ACCOUNT")
                ),
            }),
            Some(NO_INTERACTION | AUTH_FAILED) => {
                Err(KeychainError::Locked { store: STORE, item: item(), remedy: UNLOCK })
            }
            code => Err(KeychainError::Refused {
                store: STORE,
                item: item(),
                program: name_of(program),
                code: code.unwrap_or(-1),
                said: answer.complaint(),
            }),
        }
    }
}

fn from_hex(text: &[u8]) -> Option<Secret> {
    if text.is_empty() || !text.len().is_multiple_of(2) {
        return None;
    }
    let digit = |c: u8| char::from(c).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let pairs = text.chunks_exact(2).map(|pair| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    });
    pairs.collect::<Option<Vec<u8>>>().map(Secret::new)
}

/// macOS's tool is not here to be asked: these run against a stand-in that answers as its manual says.
#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;
    use std::time::Duration;

    use tempfile::TempDir;

    use super::*;

    fn stand_in(script: &str) -> (TempDir, SecurityTool) {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("security");
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
        let limit = Duration::from_secs(20);
        (dir, SecurityTool(Tool { program, environment: Vec::new(), limit }))
    }

    fn found(script: &str) -> Vec<u8> {
        let (_dir, tool) = stand_in(script);
        tool.find("openai", Some("me")).unwrap().expose().to_vec()
    }

    fn refused(script: &str) -> String {
        let (_dir, tool) = stand_in(script);
        tool.find("openai", Some("me")).unwrap_err().to_string()
    }

    #[test]
    fn the_item_is_asked_for_by_service_and_account() {
        let script = r#"[ "$*" = "find-generic-password -s openai -a me -w" ] && echo "sk-1 2 ""#;
        assert_eq!(found(script), b"sk-1 2 ");
    }

    #[test]
    fn a_password_that_comes_as_hex_is_told_from_one_that_is_hex() {
        let hex = "case $6 in -w) echo 7a6fc3ab;; -g)";
        assert_eq!(
            found(&format!(r#"{hex} echo 'password: 0x7A6FC3AB  "zo\303\253"' >&2;; esac"#)),
            "zoë".as_bytes()
        );
        assert_eq!(found(&format!(r#"{hex} echo 'password: "7a6fc3ab"' >&2;; esac"#)), b"7a6fc3ab");
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        let none = "there is no item \"openai\" of account \"me\" in the keychain; store it with: \
                    security add-generic-password -s 'openai' -a 'me' -w";
        assert_eq!(refused("exit 44"), none);
        let locked = "the keychain that holds item \"openai\" of account \"me\" is locked; \
                      log in at the screen, or run: security unlock-keychain";
        assert_eq!(refused("exit 36"), locked);
        assert_eq!(refused("exit 51"), locked);
        let other =
            "the keychain refused item \"openai\" of account \"me\": security ended with 1 and said \"odd\"";
        assert_eq!(refused("echo odd >&2; exit 1"), other);
    }
}
