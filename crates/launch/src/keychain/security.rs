//! The login keychain through macOS's `security`.

use std::fmt::Write;

use zeroize::Zeroizing;

use super::tool::{Answer, Tool, name_of};
use super::{Keychain, KeychainError, NewItem, PATIENCE, item, stored};
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
        let answer = self.run(&which, &["-w"], service, account)?;
        let shown = Secret::new(answer.out.to_vec()).without_line_end();
        // A password with other than printable ASCII comes as hex digits, and so may one that consists of them.
        let Some(bytes) = from_hex(shown.expose()) else { return Ok(shown) };
        let answer = self.run(&which, &["-g"], service, account)?;
        let encoded = answer.said.lines().any(|line| line.starts_with("password: 0x"));
        Ok(if encoded { bytes } else { shown })
    }

    /// As a command on the tool's standard input (`security -i`): `-w VALUE` would be an argument that all users see,
    /// and `-w` alone asks on the terminal.
    fn store(&self, new: &NewItem<'_>, secret: &Secret) -> Result<(), KeychainError> {
        let item = || item(new.service, Some(new.account));
        let names = [new.service, new.account, new.label].map(quoted);
        let [Some(service), Some(account), Some(label)] = names else {
            return Err(self.refused(item(), Some(0), "its name has a control character".to_owned()));
        };
        let mut line = Zeroizing::new(Vec::new());
        let command = format!("add-generic-password -U -s {service} -a {account} -l {label} -X ");
        line.extend_from_slice(command.as_bytes());
        line.extend_from_slice(to_hex(secret.expose()).as_bytes());
        line.push(b'\n');
        let answer = self.ask(&["-i"], Some(line), &item)?;
        // The code is of the end of its input, not of the command.
        stored(self, new, secret, |unseen| match answer.complaint() {
            said if said.contains("interaction is not allowed") => {
                KeychainError::Locked { store: STORE, item: item(), remedy: UNLOCK }
            }
            said if said.is_empty() => self.refused(item(), answer.code, unseen),
            said => self.refused(item(), answer.code, said),
        })
    }

    fn remove(&self, service: &str, account: &str) -> Result<(), KeychainError> {
        match self.run(
            &["delete-generic-password", "-s", service, "-a", account],
            &[],
            service,
            Some(account),
        ) {
            Ok(_) | Err(KeychainError::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// As one word of a command on the tool's input.
fn quoted(text: &str) -> Option<String> {
    if text.chars().any(char::is_control) {
        return None;
    }
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    Some(format!("\"{escaped}\""))
}

fn to_hex(bytes: &[u8]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(bytes.len().saturating_mul(2)));
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

impl SecurityTool {
    fn run(
        &self,
        which: &[&str],
        how: &[&str],
        service: &str,
        account: Option<&str>,
    ) -> Result<Answer, KeychainError> {
        let item = || item(service, account);
        let args: Vec<_> = which.iter().chain(how).copied().collect();
        let answer = self.ask(&args, None, &item)?;
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
            code => Err(self.refused(item(), code, answer.complaint())),
        }
    }

    fn refused(&self, item: String, code: Option<i32>, said: String) -> KeychainError {
        let (program, code) = (name_of(&self.0.program), code.unwrap_or(-1));
        KeychainError::Refused { store: STORE, item, program, code, said }
    }

    fn ask(
        &self,
        args: &[&str],
        input: Option<Zeroizing<Vec<u8>>>,
        item: &dyn Fn() -> String,
    ) -> Result<Answer, KeychainError> {
        let Tool { program, limit, .. } = &self.0;
        let answer = self.0.run_with(args, input).map_err(|source| KeychainError::NoTool {
            store: STORE,
            program: name_of(program),
            remedy: INSTALL,
            source,
        })?;
        answer.ok_or_else(|| KeychainError::Overdue {
            store: STORE,
            item: item(),
            limit: *limit,
            remedy: UNLOCK,
        })
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

    /// Keeps one item in a file, by the words of `security` and its interactive mode.
    const KEEPS: &str = r#"
kept="$(dirname "$0")/kept"
case "$1" in
-i) read -r line
    printf '%s\n' "$line" >> "$(dirname "$0")/lines"
    [ -e "$(dirname "$0")/locked" ] && { echo "security: SecKeychainItemCreateFromContent (<default>): User interaction is not allowed." >&2; exit 0; }
    printf '%s' "${line##* -X }" > "$kept";;
find-generic-password) [ -e "$kept" ] || exit 44
    hex=$(cat "$kept")
    case "$6" in -w) printf '%s\n' "$hex";; -g) echo "password: 0x$hex  \"...\"" >&2;; esac;;
delete-generic-password) [ -e "$kept" ] || exit 44; rm "$kept";;
esac"#;

    #[test]
    fn a_secret_is_stored_through_the_tools_input_and_counts_when_it_was_read_back() {
        let (dir, tool) = stand_in(KEEPS);
        let label = "Steady \"home\" \\ x";
        let item = NewItem { service: "steady-backup", account: "me", label };
        tool.store(&item, &Secret::new("zo\u{eb}")).unwrap();
        let line = fs::read_to_string(dir.path().join("lines")).unwrap();
        assert_eq!(
            line,
            "add-generic-password -U -s \"steady-backup\" -a \"me\" -l \"Steady \\\"home\\\" \\\\ x\" -X 7a6fc3ab\n"
        );
        assert_eq!(tool.find("steady-backup", Some("me")).unwrap().expose(), "zo\u{eb}".as_bytes());
        tool.remove("steady-backup", "me").unwrap();
        tool.remove("steady-backup", "me").unwrap();
        let gone = tool.find("steady-backup", Some("me")).unwrap_err();
        assert!(matches!(gone, KeychainError::NotFound { .. }), "{gone}");
    }

    #[test]
    fn what_was_not_stored_is_an_error_though_the_tool_ends_well() {
        let (dir, tool) = stand_in(KEEPS);
        let item = NewItem { service: "s", account: "a", label: "l" };
        fs::write(dir.path().join("locked"), "").unwrap();
        let locked = tool.store(&item, &Secret::new("x")).unwrap_err();
        assert!(matches!(locked, KeychainError::Locked { .. }), "{locked}");
        let (_dir, tool) = stand_in("[ \"$1\" = -i ] || { echo other; exit 0; }");
        let other = tool.store(&item, &Secret::new("x")).unwrap_err();
        assert!(other.to_string().contains("something else"), "{other}");
        let injected = NewItem { label: "l\nquit", ..item };
        assert!(tool.store(&injected, &Secret::new("x")).is_err());
    }
}
