//! The system's store of passwords: the login keychain (macOS), the Secret Service (Linux).
//!
//! Both are asked through the system's own command-line tool, by argument array. A library in the agent's own
//! process would cost its memory all day for a look-up at a service's start (on Linux a D-Bus connection with its
//! threads); and macOS ties the right to read an item to the program that asks: for `security`, which stored the
//! item, it stands; for an agent it would be asked again after every update.

#[cfg(any(target_os = "linux", test))]
mod secret_tool;
#[cfg(any(target_os = "macos", test))]
mod security;
mod tool;

use std::io;
use std::time::Duration;

#[cfg(any(target_os = "linux", test))]
pub use secret_tool::SecretTool;
#[cfg(any(target_os = "macos", test))]
pub use security::SecurityTool;
use steady_model::words;
pub use tool::Tool;

use crate::secret::Secret;

/// How long a look-up may take. A locked store may ask a person for a password, who may be out.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// A store of passwords by service and account. Every call blocks, but never for longer than a limit of its own.
pub trait Keychain {
    /// Without an account, the first of the service's.
    fn find(&self, service: &str, account: Option<&str>) -> Result<Secret, KeychainError>;

    /// Stores a secret, in place of an older one of the same name. It is in no argument and no environment. What the
    /// tool says of it is not believed: it counts when [`Self::find`] brings it back.
    fn store(&self, item: &NewItem<'_>, secret: &Secret) -> Result<(), KeychainError>;

    /// Removes an item; fine when there is none.
    fn remove(&self, service: &str, account: &str) -> Result<(), KeychainError>;
}

/// The names of an item that is stored.
#[derive(Debug, Clone, Copy)]
pub struct NewItem<'a> {
    pub service: &'a str,
    pub account: &'a str,
    /// What people see in a list of their passwords.
    pub label: &'a str,
}

/// The store of the user who runs this.
#[cfg(target_os = "linux")]
pub fn system() -> SecretTool {
    SecretTool::default()
}

#[cfg(target_os = "macos")]
pub fn system() -> SecurityTool {
    SecurityTool::default()
}

#[derive(Debug, thiserror::Error)]
pub enum KeychainError {
    #[error("there is no {item} in the {store}; store it with: {remedy}")]
    NotFound { store: &'static str, item: String, remedy: String },
    #[error("the {store} that holds {item} is locked; {remedy}")]
    Locked { store: &'static str, item: String, remedy: &'static str },
    #[error("the {store} did not answer within {} about {item}; it may be locked and waiting for a password: {remedy}", words::span(*limit))]
    Overdue { store: &'static str, item: String, limit: Duration, remedy: &'static str },
    #[error("cannot run {program}, which reads the {store}: {source}; {remedy}")]
    NoTool { store: &'static str, program: String, remedy: &'static str, source: io::Error },
    #[error("the {store} refused {item}: {program} ended with {code} and said \"{said}\"")]
    Refused { store: &'static str, item: String, program: String, code: i32, said: String },
}

/// What a tool said has to be seen in the store.
fn stored(
    keychain: &impl Keychain,
    new: &NewItem<'_>,
    secret: &Secret,
    otherwise: impl FnOnce(String) -> KeychainError,
) -> Result<(), KeychainError> {
    match keychain.find(new.service, Some(new.account)) {
        Ok(found) if found.expose() == secret.expose() => Ok(()),
        Ok(_) => Err(otherwise("it gives back something else than was stored".to_owned())),
        Err(KeychainError::NotFound { .. }) => Err(otherwise("it was not stored".to_owned())),
        Err(error) => Err(error),
    }
}

/// An item as people name it, e.g. `item "openai" of account "me"`.
fn item(service: &str, account: Option<&str>) -> String {
    match account {
        Some(account) => format!("item \"{service}\" of account \"{account}\""),
        None => format!("item \"{service}\""),
    }
}
