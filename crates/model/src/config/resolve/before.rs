use super::{Context, SECOND};
use crate::config::error::ConfigError;
use crate::config::raw;
use crate::config::resolved::{BeforeJobs, Job};

impl Context<'_> {
    pub(super) fn before(&self, raw: &raw::Before, all: &[Job]) -> Result<BeforeJobs, ConfigError> {
        let names: Vec<&str> = all.iter().map(|job| job.name.as_str()).collect();
        let mut jobs = Vec::new();
        for typed in raw.jobs.get_ref() {
            let name = self.named("job", "backup.before.jobs", &raw.jobs, typed, &names)?;
            if all.iter().any(|job| job.name == name && job.command.is_none()) {
                let what = format!(
                    "backup.before.jobs names \"{name}\", which runs elsewhere: Steady cannot let it wait"
                );
                return Err(self.bad(&raw.jobs, what));
            }
            jobs.push(name);
        }
        let wait = self.duration("backup.before.wait", raw.wait.as_ref(), 600 * SECOND)?;
        Ok(BeforeJobs { jobs, wait, required: raw.required })
    }
}
