use std::time::Duration;

/// Which restore points stay: the newest of as many hours, days, weeks, months and years that have one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keep {
    pub last: u32,
    pub hourly: u32,
    pub daily: u32,
    pub weekly: u32,
    pub monthly: u32,
    pub yearly: u32,
    /// All that are not older than this, seen from the newest.
    pub within: Option<Duration>,
    /// Databases of which not even the last one is needed, relative to the data directory.
    pub rebuildable: Vec<String>,
    /// Whether points are removed after a backup; else only by command.
    pub automatic: bool,
}

impl Default for Keep {
    fn default() -> Self {
        Self {
            last: 3,
            hourly: 24,
            daily: 7,
            weekly: 4,
            monthly: 6,
            yearly: 0,
            within: None,
            rebuildable: Vec::new(),
            automatic: true,
        }
    }
}
