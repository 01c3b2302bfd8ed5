//! Bytes from a FIFO to a file. One file per system behind one set of names:
//! `Pipe::open`, `Pipe::peek` (what waits, untouched), `Pipe::move_to`, `Pipe::take`, `Pipe::discard`, `Pipe::was_full`.

#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(target_os = "macos", path = "macos.rs")]
mod system;

pub use system::{Pipe, Scratch};

/// The most that one look at a FIFO sees, bytes: the capacity of a pipe on Linux.
pub const LOOK: usize = 64 << 10;
