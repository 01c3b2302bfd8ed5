//! Checks: looks at the world on a schedule and says what it saw.
//!
//! Owns the probes (one file per kind) and when each of them looks. Must never judge: how many observations
//! change a verdict is `steady_model::check::observe`'s. Must never change what it looks at, and never let one
//! slow look delay another.

mod disk;
mod http;
mod path;
mod probe;
mod schedule;
mod worker;

pub use schedule::{CheckEvent, ChecksHandle, watch};
