//! Proving points: read back, opened, counted, and compared with the last one that was good.

use steady_model::backup::{RestoreOutcome, RestorePoint};
use steady_model::verification::{Finding, Reading, Slice, compare, unequal};

use super::{Backups, Inner, unexpected};
use crate::error::BackupError;
use crate::plan;
use crate::protocol::{Command, Done, Progress, Verdict};
use crate::restore::OnProgress;

/// How a point is to be verified.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Thoroughness {
    /// Only a part of the files is read; the point is verified when the last part was.
    pub slice: Option<Slice>,
    /// A person says that rows which are gone are gone rightly.
    pub accept_losses: bool,
}

impl Backups {
    /// Reads a restore point back again and renews its `verified` date, or takes it away and says why in its
    /// `findings`.
    pub async fn verify(
        &self,
        id: &str,
        on_progress: impl Fn(Progress) + Send + Sync,
    ) -> Result<RestorePoint, BackupError> {
        self.verify_so(id, Thoroughness::default(), on_progress).await
    }

    /// As [`Self::verify`], in slices or with losses accepted.
    pub async fn verify_so(
        &self,
        id: &str,
        how: Thoroughness,
        on_progress: impl Fn(Progress) + Send + Sync,
    ) -> Result<RestorePoint, BackupError> {
        let _busy = self.inner.busy.lock().await;
        let point = plan::find(&self.inner.catalogue.read()?, id)?;
        self.inner.verify(point, how, &on_progress).await
    }
}

impl Inner {
    pub(super) async fn verify(
        &self,
        mut point: RestorePoint,
        how: Thoroughness,
        on_progress: OnProgress<'_>,
    ) -> Result<RestorePoint, BackupError> {
        let command = Command::Verify { point: point.id.clone(), slice: how.slice };
        let done = self.engine(command, on_progress).await?;
        let Done::Verdict(verdict) = done else { return Err(unexpected("a verification")) };
        let mut findings = merge(&mut point, verdict);
        if !how.accept_losses
            && let Some(before) = self.baseline(&point)?
        {
            findings.extend(compare(&before.stores, &point.stores, &self.config.verify));
        }
        findings.extend(unequal(&point.stores, &self.config.verify));
        conclude(&mut point, how.slice, findings, steady_clock::now().wall);
        self.catalogue.put(&point)?;
        Ok(point)
    }

    /// The last point of our own before this one that was good; after a restore, the one that was restored.
    fn baseline(&self, point: &RestorePoint) -> Result<Option<RestorePoint>, BackupError> {
        let points = self.catalogue.read()?;
        let before = points.iter().find(|p| p.taken < point.taken && p.is_measure() && p.id != point.id);
        let restored = self.paths.last()?.map(|last| last.record).filter(|record| {
            record.outcome == RestoreOutcome::Restored
                && record.ended <= point.taken
                && before.is_none_or(|b| b.taken < record.ended)
        });
        match restored {
            // A few files of another day say nothing of all the others.
            Some(record) if record.only.is_empty() => Ok(points.into_iter().find(|p| p.id == record.point)),
            _ => Ok(before.cloned()),
        }
    }
}

/// What was read takes the place of what was known; a slice reads only some of the stores.
fn merge(point: &mut RestorePoint, verdict: Verdict) -> Vec<Finding> {
    for store in verdict.stores {
        match point.stores.iter_mut().find(|s| s.path == store.path) {
            Some(known) => *known = store,
            None => point.stores.push(store),
        }
    }
    point.stores.sort_by(|a, b| a.path.cmp(&b.path));
    verdict.problems.into_iter().map(Finding::damaged).collect()
}

fn conclude(
    point: &mut RestorePoint,
    slice: Option<Slice>,
    findings: Vec<Finding>,
    now: steady_model::time::WallTime,
) {
    let found = match slice {
        None => {
            point.reading = None;
            Some(findings)
        }
        Some(slice) => {
            let reading = Reading::with(point.reading.take(), slice, findings);
            if reading.is_complete() {
                Some(reading.findings)
            } else {
                for finding in &reading.findings {
                    if !point.findings.contains(finding) {
                        point.findings.push(finding.clone());
                    }
                }
                point.reading = Some(reading);
                None
            }
        }
    };
    if let Some(found) = found {
        let good = found.is_empty() && point.missing.is_empty();
        point.findings = found;
        point.verified = good.then_some(now);
    } else if !point.findings.is_empty() {
        point.verified = None;
    }
}
