//! What a process of the user's is started with, be it a service or a job: its environment and its program.
//!
//! Owns the rules for both: what is inherited, the format of environment files, where secrets are looked up, and
//! what of all that may be shown ([`Environment::redacted`], [`Redactor`]). Must never start anything of the
//! user's itself, nor let anything through that is neither listed here nor configured, nor let the value of a
//! secret into an error, a log or a `Debug` text.

mod dotenv;
mod environment;
mod error;
mod file;
pub mod keychain;
mod program;
mod redact;
mod secret;

pub use dotenv::Syntax;
pub use environment::{Environment, env_file, environment, environment_with};
pub use error::EnvError;
pub use program::find_program;
pub use redact::Redactor;
pub use secret::Secret;
