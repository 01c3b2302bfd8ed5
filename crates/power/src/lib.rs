//! The machine's sleep: keeping it from sleeping, and noticing that it slept.
//!
//! Owns the system's assertion against sleep ([`keep_awake`]) and the news of sleeps and of a clock that was set
//! ([`TimeShifts`]), with the policy that tells a sleep from noise ([`WakeDetector`]). Must never decide who may
//! keep the machine awake, nor what a wake means for anybody.

pub mod keep_awake;
mod time_shift;
mod wake;

pub use keep_awake::{Awake, Guard, KeepAwakeError};
pub use time_shift::{TimeShift, TimeShifts};
pub use wake::{THRESHOLD, WakeDetector};
