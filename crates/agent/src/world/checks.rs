//! What checks saw, judged: warm-up, wakes, age, and which cause hides which effect.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use indexmap::IndexMap;
use steady_model::backup::{self, Space};
use steady_model::check::{self, CheckState, Observation, Severity, Status, Thresholds};
use steady_model::config::{Check, CheckKind, Config, Free, Probe};
use steady_model::explain::{self, Node};
use steady_model::snapshot::CheckView;
use steady_model::time::Now;
use steady_model::usage::Usage;
use steady_model::verdict::{self, CheckFact, Reason, Subject};

use super::{Haste, Watched, World, ready_since, view};

/// The row that says whether the next backup has room.
const BACKUP_SPACE: &str = "backup-space";
/// A sample that comes this much early is in time.
const EARLY: Duration = Duration::from_secs(1);

/// All checks, of which nothing is known yet.
pub(super) fn watched(config: &Config) -> IndexMap<String, Watched> {
    let all = config.checks.iter().cloned().chain(own(config));
    all.map(|spec| (spec.name.clone(), Watched { spec, state: CheckState::default() })).collect()
}

/// Checks that nobody has to configure.
fn own(config: &Config) -> Option<Check> {
    let backup = config.backup.as_ref().filter(|_| config.checks.iter().all(|c| c.name != BACKUP_SPACE))?;
    Some(Check {
        name: BACKUP_SPACE.to_owned(),
        probe: Probe { interval: Duration::from_secs(60), timeout: Duration::from_secs(10) },
        kind: CheckKind::Disk {
            path: backup.repository.clone().unwrap_or_else(|| PathBuf::from("the repository")),
            warn: Free::Bytes(0),
            fail: Free::Bytes(0),
        },
        severity: Severity::Warning,
        thresholds: Thresholds { worsen: 1, improve: 1 },
        service: None,
        depends_on: Vec::new(),
        warm_up: Duration::ZERO,
    })
}

impl World {
    /// A look that began before its service was ready says nothing about it, nor does one while things settle.
    pub fn check_observed(&mut self, name: &str, seen: Observation) -> Haste {
        let Some(Watched { spec, state }) = self.checks.get_mut(name) else { return Haste::Soon };
        let mut begun = self.begun;
        if let Some(life) = spec.service.as_ref().and_then(|s| self.services.get(s)) {
            let Some(ready) = ready_since(life) else { return Haste::Soon };
            if seen.at.awake.since(ready.awake) < seen.took {
                return Haste::Soon;
            }
            begun = Some(ready.awake);
        }
        let seen = match begun {
            Some(begun) => check::while_warming(seen, begun, spec.warm_up),
            None => seen,
        };
        let before = state.status;
        if self.settle.admits(before, &seen) {
            *state = check::observe(state, seen, spec.thresholds);
        }
        if state.status == before { Haste::Soon } else { Haste::Now }
    }

    pub fn usage_sampled(&mut self, usage: BTreeMap<String, Usage>, now: Now) {
        let config = self.config.clone();
        for check in &config.checks {
            let (CheckKind::Usage { memory, cpu }, Some(service)) = (&check.kind, &check.service) else {
                continue;
            };
            let Some(usage) = usage.get(service) else { continue };
            let last = self.checks.get(&check.name).and_then(|known| known.state.last.as_ref());
            // Figures come oftener while somebody looks; that is no reason to judge sooner.
            if last.is_none_or(|last| now.awake.since(last.at.awake) + EARLY >= check.probe.interval) {
                self.check_observed(&check.name, usage.judge(*memory, *cpu, now));
            }
        }
        self.usage = usage;
    }

    /// What there is where the backups are; `Err` says why that is not known.
    pub fn space_seen(&mut self, space: Result<Space, String>, now: Now) {
        self.space = Some(space);
        self.judge_space(now);
    }

    /// Also after a new catalogue: then it is another size that must fit.
    pub fn judge_space(&mut self, now: Now) {
        let Some(space) = &self.space else { return };
        // A check of the user's own with that name has the row for itself.
        if self.config.checks.iter().any(|check| check.name == BACKUP_SPACE) {
            return;
        }
        let newest = self.backup.points.as_ref().map(|points| points.first().map(|p| p.bytes));
        let (status, evidence, measure) = match space {
            Ok(space) => {
                let (status, evidence) = backup::judge_space(*space, newest);
                #[expect(clippy::cast_precision_loss, reason = "a float holds bytes exactly up to 9 PB")]
                let measure = check::Measure { value: space.free as f64, unit: "bytes".to_owned() };
                (status, evidence, Some(measure))
            }
            Err(why) => (Status::Unknown, why.clone(), None),
        };
        let (at, took) = (now, Duration::ZERO);
        let seen = Observation {
            status,
            evidence,
            fact: false,
            at,
            took,
            measure,
            samples: Vec::new(),
            action: None,
        };
        self.check_observed(BACKUP_SPACE, seen);
    }

    /// The machine woke: nothing gets worse until all has been looked at again.
    pub fn woke(&mut self, now: Now, settle: Duration) {
        self.settle = self.settle.woke(now.awake, settle);
        self.checks.values_mut().for_each(|known| known.state.woke());
    }

    /// `Some` is why the history is not written.
    pub fn history_told(&mut self, trouble: Option<String>, now: Now) {
        self.history = trouble.map(|why| {
            let since = self.history.as_ref().map_or(now.wall, |(_, since)| *since);
            (why, since)
        });
    }

    pub(super) fn judge_checks(
        &self,
        now: Now,
        reasons: &mut Vec<Reason>,
        next: &mut Duration,
    ) -> Vec<CheckView> {
        let known: Vec<(&Check, CheckView)> =
            self.checks.values().map(|known| (&known.spec, self.view(known, now, next))).collect();
        let nodes: Vec<Node<'_>> = known
            .iter()
            .map(|(spec, view)| Node {
                name: &spec.name,
                told: spec.severity.told(view.status),
                service: spec.service.as_deref(),
                depends_on: &spec.depends_on,
            })
            .collect();
        let mut causes = explain::explain(&nodes, &self.troubled(reasons));
        let mut views: Vec<CheckView> = known.into_iter().map(|(_, view)| view).collect();
        for (place, view) in views.iter_mut().enumerate() {
            view.explained_by = causes.remove(&place);
        }
        views.extend(self.log_checks.iter().cloned());
        views.extend(self.history.as_ref().map(|(why, since)| view::history(why, *since, now)));
        reasons.extend(views.iter().filter_map(|view| verdict::judge_check(&fact(view))));
        views
    }

    fn view(&self, known: &Watched, now: Now, next: &mut Duration) -> CheckView {
        let Watched { spec, state } = known;
        let mut told = view::check(spec, state);
        let resting = spec.service.as_ref().filter(|name| {
            state.last.is_none() && self.services.get(*name).is_some_and(|life| ready_since(life).is_none())
        });
        if let Some(service) = resting {
            told.evidence = format!("not looked at while {service} is not ready");
        }
        let (Some(last), Some(expires)) = (&state.last, state.expires(spec.probe, self.settle.ends())) else {
            return told;
        };
        let left = expires.since(now.awake);
        if left.is_zero() {
            view::expire(&mut told, last, now);
        } else {
            *next = left.min(*next);
        }
        told
    }

    /// The services that explain what their checks say, with how much: one that is not ready explains all of it.
    fn troubled<'a>(&self, reasons: &'a [Reason]) -> BTreeMap<&'a str, Status> {
        reasons
            .iter()
            .filter_map(|reason| {
                let Subject::Service(name) = &reason.subject else { return None };
                let ready = self.services.get(name).is_some_and(|life| ready_since(life).is_some());
                Some((name.as_str(), if ready { reason.status } else { Status::Fail }))
            })
            .collect()
    }
}

fn fact(view: &CheckView) -> CheckFact<'_> {
    CheckFact {
        name: &view.name,
        kind: &view.kind,
        status: view.status,
        severity: view.severity,
        evidence: &view.evidence,
        since: view.since,
        observed: view.observed.is_some(),
        service: view.service.as_deref(),
        explained_by: view.explained_by.as_deref(),
        action: view.action.as_deref(),
    }
}
