//! Lets runs of jobs wait for a restore point.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use steady_model::config::{Backup as BackupSpec, BeforeJobs};
use steady_model::words;
use steady_sync::{Gate, Opening};

use crate::operations::OperationsHandle;

/// Made before the operations are, which need the jobs.
#[derive(Clone, Default)]
pub(crate) struct Gates(Option<Arc<PointFirst>>);

struct PointFirst {
    spec: BeforeJobs,
    operations: OnceLock<OperationsHandle>,
}

impl Gates {
    pub(crate) fn new(spec: Option<&BackupSpec>) -> Self {
        let before = spec.and_then(|spec| spec.before.clone());
        Self(before.map(|spec| Arc::new(PointFirst { spec, operations: OnceLock::new() })))
    }

    /// From now on runs wait.
    pub(crate) fn lead_to(&self, operations: &OperationsHandle) {
        if let Some(first) = &self.0 {
            let _ = first.operations.set(operations.clone());
        }
    }

    /// What runs of this job wait for.
    pub(crate) fn of(&self, job: &str) -> Option<Arc<dyn Gate>> {
        let first = self.0.as_ref().filter(|first| first.spec.jobs.iter().any(|name| name == job))?;
        Some(Arc::clone(first) as Arc<dyn Gate>)
    }
}

impl PointFirst {
    async fn taken(&self, job: &str) -> Result<(), String> {
        let Some(operations) = self.operations.get() else { return Err("the agent is starting".to_owned()) };
        let wait: Duration = self.spec.wait;
        match tokio::time::timeout(wait, operations.point_before(job)).await {
            Ok(taken) => taken,
            Err(_) => Err(format!("it was not ready after {}", words::span(wait))),
        }
    }
}

impl Gate for PointFirst {
    fn open<'a>(&'a self, job: &'a str) -> Opening<'a> {
        Box::pin(async move {
            let Err(why) = self.taken(job).await else { return Ok(()) };
            let why = format!("no restore point before this run: {why}");
            if self.spec.required {
                return Err(why);
            }
            tracing::warn!(job, "{why}; it runs all the same");
            Ok(())
        })
    }
}
