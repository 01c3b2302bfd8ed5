//! The sink as a real process: rotations under SIGKILL, restarts, full disks, floods, followers.

#![allow(
    clippy::unwrap_used,
    clippy::case_sensitive_file_extension_comparisons,
    clippy::expect_used,
    clippy::format_push_string,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test ends where it fails"
)]
#![allow(clippy::disallowed_methods, reason = "the tests wait in real time")]

mod bytes;
mod events;
mod full_disk;
mod home;
mod lifetime;
mod reading;
mod rotation;
mod volume;
