//! The Secret Service through `secret-tool` of libsecret.

use zeroize::Zeroizing;

use super::tool::{Answer, Tool, name_of};
use super::{Keychain, KeychainError, NewItem, PATIENCE, item, stored};
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

    fn store(&self, new: &NewItem<'_>, secret: &Secret) -> Result<(), KeychainError> {
        let item = || item(new.service, Some(new.account));
        let label = format!("--label={}", new.label);
        let words = [label.as_str(), "service", new.service, "account", new.account];
        let input = Zeroizing::new(secret.expose().to_vec());
        self.run_with("store", &words, Some(input), item).map_err(|error| match error {
            // It tries to unlock the collection first, and then there is nobody to ask.
            KeychainError::Refused { said, .. } if said.contains("locked") => {
                KeychainError::Locked { store: STORE, item: item(), remedy: UNLOCK }
            }
            other => other,
        })?;
        stored(self, new, secret, |said| self.refused(item(), Some(0), said))
    }

    fn remove(&self, service: &str, account: &str) -> Result<(), KeychainError> {
        let item = || item(service, Some(account));
        // Its code tells no difference between none there and none removed.
        let cleared = self.run("clear", &["service", service, "account", account], item);
        match (self.find(service, Some(account)), cleared) {
            (Err(KeychainError::NotFound { .. }), _) => Ok(()),
            (Err(error), _) | (Ok(_), Err(error)) => Err(error),
            (Ok(_), Ok(_)) => Err(self.refused(item(), Some(0), "it is still there".to_owned())),
        }
    }
}

impl SecretTool {
    fn run(
        &self,
        verb: &str,
        attributes: &[&str],
        item: impl Fn() -> String,
    ) -> Result<Answer, KeychainError> {
        self.run_with(verb, attributes, None, item)
    }

    fn refused(&self, item: String, code: Option<i32>, said: String) -> KeychainError {
        let (program, code) = (name_of(&self.0.program), code.unwrap_or(-1));
        KeychainError::Refused { store: STORE, item, program, code, said }
    }

    fn run_with(
        &self,
        verb: &str,
        attributes: &[&str],
        input: Option<Zeroizing<Vec<u8>>>,
        item: impl Fn() -> String,
    ) -> Result<Answer, KeychainError> {
        let args: Vec<_> = [verb].into_iter().chain(attributes.iter().copied()).collect();
        let Tool { program, limit, .. } = &self.0;
        let answer = self.0.run_with(&args, input).map_err(|source| KeychainError::NoTool {
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
        Err(self.refused(item(), answer.code, answer.complaint()))
    }
}
