//! Which services are restarted for what their checks saw.

use std::collections::BTreeMap;
use std::time::Duration;

use steady_model::check::{Observation, Status};
use steady_model::config::Config;
use steady_model::liveness::{self, Circumstances};
use steady_model::service::{Lifecycle, State};
use steady_model::time::{AwakeInstant, Now};

/// Counts failed looks in a row, per service.
#[derive(Debug, Default)]
pub struct LivenessWatch {
    failed: BTreeMap<String, u32>,
    settled_at: AwakeInstant,
}

/// A service that is to be restarted, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub service: String,
    pub reason: String,
}

impl LivenessWatch {
    /// The machine woke: what is seen until it has settled is no reason to restart anything.
    pub fn woke(&mut self, now: Now, settle: Duration) {
        self.failed.clear();
        self.settled_at = now.awake.after(settle);
    }

    /// Takes in one look of `check`. `busy` says whether a running job marks a service busy.
    pub fn observed<'a>(
        &mut self,
        config: &Config,
        check: &str,
        seen: &Observation,
        life_of: impl Fn(&str) -> Option<&'a Lifecycle>,
        busy: impl Fn(&str) -> bool,
    ) -> Vec<Verdict> {
        let mut verdicts = Vec::new();
        for service in &config.services {
            let Some(policy) = service.liveness.as_ref().filter(|l| l.check == check) else { continue };
            let ready_for = match life_of(&service.name).map(|life| &life.state) {
                Some(State::Ready { since, .. }) => Some(seen.at.awake.since(since.awake)),
                _ => None,
            };
            let at = Circumstances {
                ready_for,
                busy: busy(&service.name),
                settling: seen.at.awake < self.settled_at,
            };
            let failed = self.failed.entry(service.name.clone()).or_default();
            let (count, restart) = liveness::observe(policy, *failed, seen.status, at);
            *failed = count;
            if restart {
                verdicts.push(Verdict {
                    service: service.name.clone(),
                    reason: format!("{} failed checks in a row ({})", policy.failures, seen.evidence),
                });
            } else if count > 0 && seen.status == Status::Fail {
                let limit = policy.failures;
                tracing::warn!(
                    service = service.name,
                    "{check} failed {count} of {limit} times: {}",
                    seen.evidence
                );
            }
        }
        verdicts
    }
}
