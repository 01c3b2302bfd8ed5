//! What the agent is told of a service.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use steady_launch::Redactor;
use steady_model::service::{End, Lifecycle};
use steady_model::time::WallTime;

#[derive(Debug, Clone)]
pub enum ServiceEvent {
    /// A step changed its lifecycle.
    Changed { name: String, lifecycle: Lifecycle },
    /// It ended, or had to be ended, without being asked to. Follows the change that it led to.
    Crashed { name: String, crash: Box<Crash> },
    /// What a person should know although it may run; `None` takes the one before back.
    Warning { name: String, warning: Option<String> },
}

/// What is known of an end at the moment it is seen.
#[derive(Debug, Clone)]
pub struct Crash {
    pub end: End,
    pub at: WallTime,
    pub pid: Option<u32>,
    pub started: Option<WallTime>,
    /// Wall time from its start; `None` also when the clock went back meanwhile.
    pub uptime: Option<Duration>,
    /// Unexpected ends in a row, this one included.
    pub streak: u32,
    /// Counts the starts of this service in this home; 0 when another manager starts it.
    pub run: u64,
    pub command: Vec<String>,
    pub cwd: PathBuf,
    /// Without what is secret.
    pub env: BTreeMap<String, String>,
    /// Takes what is secret out of its log lines.
    pub redactor: Arc<Redactor>,
}

impl ServiceEvent {
    pub fn name(&self) -> &str {
        match self {
            Self::Changed { name, .. } | Self::Crashed { name, .. } | Self::Warning { name, .. } => name,
        }
    }
}
