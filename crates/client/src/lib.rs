//! The typed client of the agent's API, over the Unix socket in Steady's home.
//!
//! Owns how a call travels, how long it may take, and how the loss of the agent is told from its refusal. Must
//! never keep state of the backend, decide anything about it, or start a process.

mod backups;
mod error;
mod events;
mod home;
mod http;
mod logs;

pub use error::ClientError;
pub use events::{Figures, Link, follow, follow_with};
pub use home::{SOCKET, home};
pub use http::Client;
pub use logs::LogNews;
