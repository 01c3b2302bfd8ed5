use steady_sync::{JobHandle, RunRefused};

use crate::registry::Registry;

/// Jobs that begin no run while this lives: they would write into the directory that is swapped.
pub(crate) struct Idle(Vec<JobHandle>);

impl Idle {
    pub(crate) async fn all(jobs: &Registry<JobHandle>) -> Result<Self, RunRefused> {
        let mut idle = Self(Vec::new());
        for job in jobs.all() {
            job.pause().await?;
            idle.0.push(job);
        }
        Ok(idle)
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        for job in self.0.drain(..) {
            tokio::spawn(async move { job.resume().await });
        }
    }
}
