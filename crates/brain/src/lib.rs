//! A small second brain: a folder of Markdown notes, searchable, with captures and conversations.
//!
//! Owns its stores under `--data` (one SQLite file each), the note index derived from the vault, and the
//! HTTP service over both. Must never change a note it did not write itself, never listen beyond
//! loopback, and never say `ok` about a vault it could not read.

mod backlog;
mod breaker;
mod clock;
pub mod embedding;
mod front_matter;
mod fusion;
pub mod health;
pub mod indexer;
mod indexing;
pub mod logging;
pub mod markers;
mod meaning;
mod metrics;
pub mod note;
pub mod panics;
pub mod query;
mod rest;
mod routes;
mod search;
pub mod server;
pub mod stores;
pub mod sync;
pub mod token;
pub mod vault;
mod watch;

pub use routes::is_local;
