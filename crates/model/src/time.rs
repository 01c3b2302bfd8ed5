//! Two clocks that are never mixed.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Time the machine has been awake since it booted; stops while it sleeps.
///
/// For grace, backoff, hysteresis and lateness. Meaningless after a reboot: never persist it alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct AwakeInstant(Duration);

impl AwakeInstant {
    pub const fn since_boot(awake: Duration) -> Self {
        Self(awake)
    }

    #[must_use]
    pub fn after(self, delay: Duration) -> Self {
        Self(self.0.saturating_add(delay))
    }

    /// How long ago `earlier` was; zero when it lies ahead.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// UTC calendar time, for schedules and records; may jump. RFC 3339 in JSON.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(transparent)]
#[schema(value_type = String, format = DateTime)]
pub struct WallTime(pub Timestamp);

impl WallTime {
    /// How long ago `earlier` was; `None` when it lies in the future.
    pub fn since(self, earlier: Self) -> Option<Duration> {
        Duration::try_from(self.0.duration_since(earlier.0)).ok()
    }

    #[must_use]
    pub fn after(self, delay: Duration) -> Self {
        Self(self.0.saturating_add(delay).unwrap_or(Timestamp::MAX))
    }
}

impl std::fmt::Display for WallTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// One reading of both clocks, taken together by an adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    pub awake: AwakeInstant,
    pub wall: WallTime,
}
