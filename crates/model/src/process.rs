//! What identifies a process, how one ended, and who owns a port.

use serde::{Deserialize, Serialize};

use crate::time::WallTime;

/// A process that cannot be mistaken for another one with a recycled pid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ProcessId {
    pub pid: u32,
    /// Start time as the kernel keeps it, in a unit of its own (Linux: ticks since boot, which no change of
    /// the clock moves; macOS: seconds since the epoch). Only equality within one boot means anything.
    pub started: u64,
}

/// The environment of Steady's own small processes, for glibc: one heap for all threads, and what was used for a
/// moment goes back to the system at once. glibc reads it at a process's start only; elsewhere it means nothing.
pub const SMALL_HEAP: [(&str, &str); 4] = [
    ("MALLOC_ARENA_MAX", "1"),
    ("MALLOC_MMAP_THRESHOLD_", "32768"),
    ("MALLOC_TRIM_THRESHOLD_", "16384"),
    ("MALLOC_TOP_PAD_", "16384"),
];

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case", tag = "how", content = "value")]
pub enum Exit {
    Code(i32),
    Signal(i32),
    /// The process was not our child (adopted), so the kernel kept its status from us.
    Unobserved,
}

/// Who LISTENs on a port that a service needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PortOwner {
    pub port: u16,
    /// `None` when the owner belongs to another user and the system does not tell.
    pub pid: Option<u32>,
    pub command: Option<String>,
    pub since: Option<WallTime>,
    /// It is of this service, from an earlier run.
    #[serde(default)]
    pub ours: bool,
}
