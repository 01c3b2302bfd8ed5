//! What a program that rests gives back: memory that only its start needed.
//!
//! Owns one of two places with `unsafe` code (the other is `vec`). Must never touch memory whose bytes are not also
//! in a file, and never be needed: a program that is not given the chance only stays larger.

#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(target_os = "macos", path = "macos.rs")]
mod system;

/// Returns the freed heap and the program's own text to the kernel. What is used again comes back by itself: text
/// from the page cache, a few microseconds for 64 kB. Takes about a millisecond; worth it when a phase of work is
/// over and rest begins, such as the end of the start.
pub fn give_back() {
    system::give_back();
}
