//! Whether the World's loop ticks. That the API answers proves nothing: its tasks live on when the loop hangs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use steady_model::time::AwakeInstant;

/// A loop this late hangs. A reload stops checks and jobs within the loop, which takes seconds.
const LATE: Duration = Duration::from_secs(15);

/// When the loop promised, with its last snapshot, to be back at the latest. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Heartbeat(Arc<AtomicU64>);

impl Heartbeat {
    pub fn promise(&self, by: AwakeInstant) {
        let millis = by.since(AwakeInstant::default()).as_millis();
        self.0.store(u64::try_from(millis).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// By how much the promise is broken, once that is more than a busy machine explains. In awake time: a machine
    /// that slept owes nothing.
    pub fn late(&self, now: AwakeInstant) -> Option<Duration> {
        let promised = AwakeInstant::since_boot(Duration::from_millis(self.0.load(Ordering::Relaxed)));
        Some(now.since(promised)).filter(|late| *late > LATE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_is_late_only_well_after_what_it_promised() {
        let boot = AwakeInstant::default();
        let heartbeat = Heartbeat::default();
        heartbeat.promise(boot.after(Duration::from_secs(100)));
        assert_eq!(heartbeat.late(boot.after(Duration::from_secs(40))), None);
        assert_eq!(heartbeat.late(boot.after(Duration::from_secs(115))), None);
        let late = Duration::from_secs(16);
        assert_eq!(heartbeat.late(boot.after(Duration::from_secs(100) + late)), Some(late));
    }
}
