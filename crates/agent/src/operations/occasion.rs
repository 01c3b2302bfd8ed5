//! What a backup is taken for, and who waits for it.

use steady_model::backup::PointKind;

use super::work::Work;
use super::{OperationError, OperationsHandle};

/// Longer reasons are cut: they are shown in lists.
const LONGEST_REASON: usize = 200;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Occasion {
    /// What the point says of it.
    pub note: Option<String>,
    /// The job whose run waits for it, and must not be waited for in turn.
    pub before: Option<String>,
}

impl Occasion {
    pub(crate) fn reason(typed: &str) -> Self {
        let shown = typed.trim().replace(char::is_control, " ");
        let shown: String = shown.chars().take(LONGEST_REASON).collect();
        Self { note: (!shown.is_empty()).then(|| format!("Taken for: {shown}.")), before: None }
    }

    fn before(job: &str) -> Self {
        Self { note: Some(format!("Taken before a run of the job {job}.")), before: Some(job.to_owned()) }
    }
}

impl OperationsHandle {
    /// Takes a restore point for a reason that it shall say; answers the operation's id at once.
    pub async fn back_up_for(&self, reason: &str) -> Result<String, OperationError> {
        self.begin(Work::BackUp(PointKind::Manual, Occasion::reason(reason))).await
    }

    /// Takes a restore point before a run of `job`, and waits until it is verified; an error says why it is not.
    pub(crate) async fn point_before(&self, job: &str) -> Result<(), String> {
        let mut doing = self.doing.clone();
        let asked = steady_clock::now().wall;
        loop {
            match self.begin(Work::BackUp(PointKind::Scheduled, Occasion::before(job))).await {
                Ok(_) => break,
                Err(OperationError::Busy { .. }) => {
                    doing.wait_for(Option::is_none).await.map_err(|_| OperationError::Gone.to_string())?;
                }
                Err(error) => return Err(error.to_string()),
            }
        }
        doing.wait_for(Option::is_none).await.map_err(|_| OperationError::Gone.to_string())?;
        let backups = self.backups.as_deref().ok_or_else(|| OperationError::NotConfigured.to_string())?;
        let points = backups.catalogue().map_err(|error| error.to_string())?;
        if points.iter().any(|point| point.taken >= asked && point.is_measure()) {
            return Ok(());
        }
        Err("the backup failed, or its point was not verified".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_short_line() {
        assert_eq!(Occasion::reason(" upgrade\n").note.as_deref(), Some("Taken for: upgrade."));
        assert_eq!(Occasion::reason(" ").note, None);
        assert_eq!(Occasion::reason("a\nb").note.as_deref(), Some("Taken for: a b."));
        assert!(Occasion::reason(&"x".repeat(9000)).note.unwrap().len() < 300);
    }
}
