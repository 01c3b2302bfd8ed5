use std::time::Duration;

/// Whose runs wait for a restore point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BeforeJobs {
    pub jobs: Vec<String>,
    pub wait: Duration,
    /// Without a verified point a run fails; else it runs all the same.
    pub required: bool,
}
