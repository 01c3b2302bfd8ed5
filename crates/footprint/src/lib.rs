//! What a program that rests gives back: memory that only its start needed. And the other way: what one that works
//! keeps at hand.
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

/// Freed memory stays in this process, for one that works hard and ends soon: glibc returns the top of its heap as soon
/// as 128 kB of it are free, and a program that takes and frees buffers in turn has the kernel clear the same pages
/// again and again. Call it before other threads start.
pub fn keep_at_hand() {
    system::keep_at_hand();
}
