//! What the processes of a service take, as the kernel counts it.

use serde::{Deserialize, Serialize};

use crate::time::WallTime;

/// One sample of a whole process group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Usage {
    pub at: WallTime,
    pub processes: u32,
    /// Memory that would come back if it ended, bytes: private and its share of what is shared, in memory and in
    /// swap (Linux), the footprint (macOS).
    pub memory_bytes: u64,
    /// CPU time of the processes that live, and of those of their children that have ended (Linux), milliseconds.
    pub cpu_ms: u64,
    /// Thousandths of one core since the sample before; `None` with the first.
    pub cpu_permille: Option<u32>,
}
