use std::path::PathBuf;
use std::time::Duration;

use super::Env;
use crate::job::{Retry, Schedule};

#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    pub name: String,
    /// `None`: it runs elsewhere, and Steady only follows its markers.
    pub command: Option<Vec<String>>,
    pub cwd: PathBuf,
    pub env: Env,
    pub timeout: Duration,
    /// `None` is by hand only.
    pub schedule: Option<Schedule>,
    pub retry: Option<Retry>,
    /// Valid regular expressions: an output line that matches one makes the run partial.
    pub partial: Vec<String>,
    /// The `command` of `sync_complete` that is a run of the whole job; `None`: each is.
    pub whole: Option<String>,
    /// The log of a job that runs elsewhere.
    pub output: Option<PathBuf>,
    /// How late a run may be, in awake time.
    pub late_after: Duration,
    /// The directory of `.sync_completed` and `.sync_failed`.
    pub markers: PathBuf,
    /// `None` is judged by the slots of the schedule, if there are any.
    pub stale_after: Option<Duration>,
    /// The kernel lock that a run holds.
    pub lock: PathBuf,
    /// Services that it keeps busy: their liveness is not judged while it runs.
    pub busy: Vec<String>,
}

impl Job {
    /// A job that runs elsewhere with all else as when it is left out of the file.
    pub fn elsewhere(name: impl Into<String>, markers: impl Into<PathBuf>) -> Self {
        let markers = markers.into();
        Self {
            name: name.into(),
            command: None,
            cwd: markers.clone(),
            env: Env::default(),
            timeout: Duration::from_secs(600),
            schedule: None,
            retry: None,
            partial: Vec::new(),
            whole: None,
            output: None,
            late_after: Duration::from_secs(1800),
            stale_after: None,
            lock: markers.join(".sync_lock"),
            markers,
            busy: Vec::new(),
        }
    }
}
