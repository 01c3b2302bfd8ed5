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

#[cfg(test)]
mod tests {
    use steady_model::config::{self, Roots};
    use steady_model::process::ProcessId;
    use steady_model::time::WallTime;

    use super::*;

    const CONFIG: &str = "version = 1\n[service.api]\ncommand = [\"api\"]\n\
        liveness = { check = \"health\", failures = 2 }\n\
        [check.health]\nkind = \"http\"\nurl = \"http://x\"\n";

    fn at(second: u64) -> Now {
        let wall = WallTime("2026-11-22T10:00:00Z".parse().unwrap()).after(Duration::from_secs(second));
        Now { awake: AwakeInstant::since_boot(Duration::from_secs(second)), wall }
    }

    #[test]
    fn a_wake_forgets_what_was_counted_and_gives_time_to_settle() {
        let roots = Roots { base: "/".as_ref(), user_home: None };
        let config = config::parse(CONFIG, "steady.toml".as_ref(), roots).unwrap();
        let process = ProcessId { pid: 1, started: 1 };
        let life = Lifecycle { state: State::Ready { process, since: at(0) }, ..Lifecycle::default() };
        let mut watch = LivenessWatch::default();
        let restarts = |second, watch: &mut LivenessWatch| {
            let (took, measure) = (Duration::ZERO, None);
            let evidence = "no answer in 3 s".to_owned();
            let seen = Observation {
                status: Status::Fail,
                evidence,
                fact: false,
                at: at(second),
                took,
                measure,
                samples: Vec::new(),
                action: None,
            };
            watch.observed(&config, "health", &seen, |_| Some(&life), |_| false)
        };
        assert_eq!(restarts(100, &mut watch), []);
        watch.woke(at(101), config.wake_settle);
        for second in 102..131 {
            assert_eq!(restarts(second, &mut watch), [], "at {second} s");
        }
        assert_eq!(restarts(131, &mut watch), []);
        let verdicts = restarts(132, &mut watch);
        assert_eq!(verdicts[0].reason, "2 failed checks in a row (no answer in 3 s)");
    }
}
