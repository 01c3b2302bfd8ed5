//! What is known, judged: rows of the snapshot and the reasons that they give.

use std::time::Duration;

use steady_model::backup::{self, RestorePoint};
use steady_model::check::Status;
use steady_model::copy::{CopyView, judge_copy};
use steady_model::drill::{self, DrillView};
use steady_model::project;
use steady_model::retention::PruneRecord;
use steady_model::service::{AfterStop, State};
use steady_model::snapshot::{BackupView, JobView, ServiceView};
use steady_model::time::Now;
use steady_model::verdict::{self, Moment, Reason, Subject, Verdict};

use super::{World, view};

impl World {
    pub(super) fn judge_services(
        &self,
        now: Now,
        reasons: &mut Vec<Reason>,
        next: &mut Duration,
    ) -> Vec<ServiceView> {
        let mut views = Vec::new();
        for spec in &self.config.services {
            let Some(life) = self.services.get(&spec.name) else { continue };
            let (reason, changes_in) = verdict::judge_service(&spec.name, life, now);
            *next = changes_in.map_or(*next, |left| left.min(*next));
            let mut view = project::service::view(&spec.name, spec.port, life, reason.as_ref(), now);
            view.usage = self.usage.get(&spec.name).filter(|_| view.pid.is_some()).cloned();
            view.warning =
                self.warnings.get(&spec.name).or(self.sleepy.as_ref().filter(|_| spec.keep_awake)).cloned();
            if let (Some(warning), None) = (&view.warning, &reason) {
                view.status = Status::Warn;
                view.detail = format!("{warning}, {}", view.detail);
                reasons.push(Reason {
                    status: Status::Warn,
                    subject: Subject::Service(spec.name.clone()),
                    sentence: format!("{}: {warning}", spec.name),
                    since: None,
                    action: "Mend that, or change its section in steady.toml".to_owned(),
                });
            }
            views.push(view);
            reasons.extend(reason);
        }
        views
    }

    pub(super) fn judge_jobs(&self, now: Now, reasons: &mut Vec<Reason>) -> Vec<JobView> {
        let mut views = Vec::new();
        for spec in &self.config.jobs {
            let Some(facts) = self.jobs.get(&spec.name) else { continue };
            let view = view::job(spec, facts, &self.awake, now);
            if view.status != Status::Pass {
                let action = match (view.runnable, &view.failed) {
                    (true, Some(_)) => "Read what it said last (Sync in the panel), then sync now",
                    (true, None) => "Sync now",
                    (false, _) => "Look at the log of the job",
                };
                reasons.push(Reason {
                    status: view.status,
                    subject: Subject::Job(spec.name.clone()),
                    sentence: format!("{}: {}", spec.name, view.phrase),
                    since: view.last_success,
                    action: action.to_owned(),
                });
            }
            views.push(view);
        }
        views
    }

    pub(super) fn judge_backup(&self, now: Now, reasons: &mut Vec<Reason>) -> BackupView {
        let facts = &self.backup;
        let points = facts.points.clone().unwrap_or_default();
        let (status, phrase) = match (&self.config.backup, &facts.points) {
            (None, _) => (Status::Pass, "backup is not configured".to_owned()),
            (Some(_), None) => (Status::Unknown, "the backups have not been looked at yet".to_owned()),
            (Some(spec), Some(points)) => backup::judge(points, spec.stale_after, now.wall),
        };
        let trouble = |status, sentence: String, action: &str| Reason {
            status,
            subject: Subject::Backup,
            sentence,
            since: points.first().map(|p| p.taken),
            action: action.to_owned(),
        };
        if let Some(why) = &facts.unfinished {
            let sentence = format!("an interrupted restore could not be ended: {why}");
            let action = "Mend that, then run `steady backup recover`; what uses the data waits for it";
            reasons.push(trouble(Status::Fail, sentence, action));
        } else if let Some(error) = &facts.last_error {
            reasons.push(trouble(Status::Warn, error.clone(), "Open Backups for what to do"));
        } else if status != Status::Pass {
            reasons.push(trouble(status, phrase.clone(), "Back up now"));
        }
        let drill =
            self.config.backup.as_ref().map(|spec| {
                let first = points.iter().filter(|p| p.verified.is_some()).map(|p| p.taken).min();
                let last = facts.last_drill.as_ref();
                let (status, phrase, amiss) = drill::judge(last, spec.drill.every, first, now.wall);
                reasons.extend(amiss.map(|t| Reason {
                    since: last.map(|l| l.began),
                    ..trouble(status, t.sentence, &t.action)
                }));
                DrillView { status, phrase, last: facts.last_drill.clone(), next: facts.next_drill }
            });
        if let Some(PruneRecord { ended, failed: Some(why), .. }) = &facts.pruned {
            let sentence = format!("old restore points could not be removed: {why}");
            let told = trouble(Status::Warn, sentence, "See what `steady prune --dry-run` says");
            reasons.push(Reason { since: Some(*ended), ..told });
        }
        let copies = self.judge_copies(now, &points, reasons);
        BackupView {
            drill,
            configured: self.config.backup.is_some(),
            status,
            phrase,
            points,
            operation: facts.operation.clone(),
            last_operation: facts.last_operation.clone(),
            last_restore: facts.last_restore.clone(),
            last_error: facts.last_error.clone(),
            unfinished: facts.unfinished.clone(),
            next: facts.next,
            pruned: facts.pruned.clone(),
            copies,
            key: facts.key.clone(),
        }
    }

    fn judge_copies(&self, now: Now, points: &[RestorePoint], reasons: &mut Vec<Reason>) -> Vec<CopyView> {
        let verified = points.iter().filter(|p| p.verified.is_some()).map(|p| p.taken).max();
        let mut views = Vec::new();
        for spec in self.config.backup.iter().flat_map(|backup| &backup.copies) {
            let Some(facts) = self.backup.copies.get(&spec.name) else { continue };
            let (status, phrase, action) =
                judge_copy(facts, spec.to.is_folder(), verified, spec.stale_after, now.wall);
            let name = spec.name.clone();
            if status != Status::Pass {
                reasons.push(Reason {
                    status,
                    subject: Subject::Backup,
                    sentence: format!("copy {name}: {phrase}"),
                    since: facts.newest,
                    action: action.replace("NAME", &name),
                });
            }
            let to = spec.to.to_string();
            let work = self.backup.copying.get(&spec.name).cloned();
            views.push(CopyView { name, to, status, phrase, work, facts: facts.clone() });
        }
        views
    }

    pub(super) fn conclude(
        &self,
        now: Now,
        reasons: Vec<Reason>,
        jobs: &[JobView],
        backup: &BackupView,
    ) -> Verdict {
        let running = jobs.iter().find(|j| j.running_since.is_some()).map(|j| format!("running {}", j.name));
        let restarting = self.services.iter().find_map(|(name, life)| match &life.state {
            State::Stopping { then: AfterStop::Restart, .. } => Some(format!("restarting {name}")),
            _ => None,
        });
        let operation = backup.operation.as_ref().map(|o| o.kind.gerund().to_owned());
        let phrases: Vec<&str> = jobs
            .iter()
            .map(|j| j.phrase.as_str())
            .chain(backup.configured.then_some(backup.phrase.as_str()))
            .collect();
        let calm = if phrases.is_empty() { "all is well".to_owned() } else { phrases.join(", ") };
        let settling = self.settle.left(now.awake).is_some();
        let moment = Moment { busy: operation.or(restarting).or(running), settling };
        verdict::conclude(reasons, moment, &calm, now.wall)
    }
}
