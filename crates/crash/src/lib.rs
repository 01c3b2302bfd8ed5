//! Crash reports on disk, and the panic hook that writes one for a program of Steady's own.
//!
//! Owns `<home>/crashes/` (0700, one 0600 file each, bounded in number and size) and what a panic leaves behind.
//! Must never panic or block a program that is going down, never put a secret into a report, and never let one
//! damaged report hide the others.

mod hook;
mod log;
mod store;

pub use hook::install_panic_hook;
pub use log::{bounded, end_of_file};
pub use store::{CrashError, Damaged, Listing, Store};
