//! Which of many file descriptors have something to read. One file per system behind one set of names:
//! `Ready::new`, `Ready::watch`, `Ready::forget`, `Ready::wait`.

#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(target_os = "macos", path = "macos.rs")]
mod system;

pub use system::Ready;

/// What its owner calls a watched file descriptor.
pub type Token = u64;
