//! The Secret Service through `secret-tool` of libsecret.

use super::tool::{Answer, Tool, name_of};
use super::{Keychain, KeychainError, PATIENCE, item};
use crate::secret::Secret;

const STORE: &str = "Secret Service";
const UNLOCK: &str = "log in to the desktop, or unlock the keyring";
const INSTALL: &str = "install it (Debian: apt-get install libsecret-tools)";

/// Items are found by the attributes `service` and `account`.
#[derive(Debug, Clone)]
pub struct SecretTool(pub Tool);

impl Default for SecretTool {
    fn default() -> Self {
        Self(Tool { program: "secret-tool".into(), environment: Vec::new(), limit: PATIENCE })
    }
}

impl Keychain for SecretTool {
    fn find(&self, service: &str, account: Option<&str>) -> Result<Secret, KeychainError> {
        let item = || item(service, account);
        let mut attributes = vec!["service", service];
        if let Some(account) = account {
            attributes.extend(["account", account]);
        }
        // A search never asks for a password to unlock, as a look-up would; and it tells "locked" from "none".
        let found = self.run("search", &attributes, item)?;
        if found.out.is_empty() {
            return Err(KeychainError::NotFound {
                store: STORE,
                item: item(),
                remedy: format!(
                    "secret-tool store --label='{service}' {}",
                    attributes.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ")
                ),
            });
        }
        // Of a locked item, it lists all but this.
        if !found.out.split(|b| *b == b'\n').any(|line| line.starts_with(b"secret = ")) {
            return Err(KeychainError::Locked { store: STORE, item: item(), remedy: UNLOCK });
        }
        let answer = self.run("lookup", &attributes, item)?;
        Ok(Secret::new(answer.out.to_vec()))
    }
}

impl SecretTool {
    fn run(
        &self,
        verb: &str,
        attributes: &[&str],
        item: impl Fn() -> String,
    ) -> Result<Answer, KeychainError> {
        let args: Vec<_> = [verb].into_iter().chain(attributes.iter().copied()).collect();
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
        if answer.code == Some(0) {
            return Ok(answer);
        }
        Err(KeychainError::Refused {
            store: STORE,
            item: item(),
            program: name_of(program),
            code: answer.code.unwrap_or(-1),
            said: answer.complaint(),
        })
    }
}
