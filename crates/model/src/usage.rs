//! What the processes of a service take, as the kernel counts it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::check::{Measure, Observation, Status};
use crate::time::{Now, WallTime};
use crate::words;

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

impl Usage {
    /// What this sample says against limits: of memory in bytes, of the processor as a share of one core.
    pub fn judge(&self, memory: Option<u64>, cpu: Option<f64>, at: Now) -> Observation {
        let taken = words::bytes(self.memory_bytes);
        let share = self.cpu_permille.map(|permille| f64::from(permille) / 1000.0);
        let percent = |share: f64| format!("{:.0} %", share * 100.0);
        let mut over = Vec::new();
        if let Some(limit) = memory.filter(|limit| self.memory_bytes > *limit) {
            over.push(format!("{taken} of memory, its limit is {}", words::bytes(limit)));
        }
        if let (Some(share), Some(limit)) = (share, cpu)
            && share > limit
        {
            over.push(format!("{} of a core, its limit is {}", percent(share), percent(limit)));
        }
        let (status, evidence) = if !over.is_empty() {
            (Status::Fail, over.join(", "))
        } else if cpu.is_some() && share.is_none() {
            (Status::Unknown, format!("{taken} of memory; its processor time takes two samples"))
        } else {
            let cpu = share.map(|share| format!(", {} of a core", percent(share))).unwrap_or_default();
            (Status::Pass, format!("{taken} of memory{cpu}"))
        };
        #[expect(clippy::cast_precision_loss, reason = "a float holds bytes exactly up to 9 PB")]
        let measure = match memory {
            Some(_) => Some(Measure { value: self.memory_bytes as f64, unit: "bytes".to_owned() }),
            None => share.map(|value| Measure { value, unit: "ratio".to_owned() }),
        };
        Observation {
            status,
            evidence,
            fact: false,
            at,
            took: Duration::ZERO,
            measure,
            samples: Vec::new(),
            action: None,
        }
    }
}
