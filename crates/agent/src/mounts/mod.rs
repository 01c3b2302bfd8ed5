//! Notices that volumes were attached or taken away.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "macos")]
mod macos;

#[cfg(target_os = "linux")]
pub use linux::Mounts;
#[cfg(target_os = "macos")]
pub use macos::Mounts;
