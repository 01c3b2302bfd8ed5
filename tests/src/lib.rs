//! A whole stack of real processes for one test: its own folder, ports, agent, sink, brain.
//!
//! Dropping it ends everything that it started, also when the test failed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::manual_assert,
    clippy::missing_panics_doc,
    clippy::panic,
    reason = "a test fails by panicking"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "what D-Bus, X and WebDriver do not announce is looked for until a limit"
)]

pub mod browser;
pub mod desktop;
mod faketime;
mod stack;

pub use stack::{LIMIT, Stack, alive, bin, kill9};
