//! What a service waits for before it is started, and in which order services go down.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::Service;
use crate::service::{Lifecycle, State, StopReason};

/// What must be true of the other service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Condition {
    /// Its process runs.
    Started,
    Ready,
    /// A one-shot has done its work.
    Completed,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    pub service: String,
    pub condition: Condition,
}

/// What still keeps a service with these dependencies from being started, in words: `waiting for db (it is
/// starting)`; `None` when nothing does.
pub fn waits_for<'a>(
    dependencies: &[Dependency],
    life_of: impl Fn(&str) -> Option<&'a Lifecycle>,
) -> Option<String> {
    let unmet: Vec<String> = dependencies
        .iter()
        .filter_map(|dependency| {
            let state = life_of(&dependency.service).map(|life| &life.state);
            let lack = lack(dependency.condition, state.unwrap_or(&State::Unknown))?;
            Some(format!("{} ({lack})", dependency.service))
        })
        .collect();
    if unmet.is_empty() { None } else { Some(format!("waiting for {}", unmet.join(" and "))) }
}

fn lack(condition: Condition, state: &State) -> Option<&'static str> {
    use StopReason::{Completed, CouldNotStart, Ended, Requested, Waiting};
    let met = match condition {
        Condition::Started => matches!(
            state,
            State::Starting { process: Some(_), .. } | State::Ready { .. } | State::Degraded { .. }
        ),
        Condition::Ready => matches!(state, State::Ready { .. }),
        Condition::Completed => matches!(state, State::Stopped { reason: Completed(_), .. }),
    };
    if met {
        return None;
    }
    Some(match state {
        State::Unknown => "not looked at yet",
        State::Stopped { reason: Waiting(_), .. } => "it waits itself",
        State::Stopped { reason: Requested, .. } => "it is stopped",
        State::Stopped { reason: Completed(_), .. } => "it has ended",
        State::Stopped { reason: Ended(_), .. } => "it ended badly",
        State::Stopped { reason: CouldNotStart(_), .. } => "it could not be started",
        State::Starting { .. } => "it is starting",
        State::Ready { .. } => "it is at work",
        State::Degraded { .. } => "it is not ready",
        State::Stopping { .. } => "it is stopping",
        State::Backoff { .. } | State::CrashLoop { .. } => "it keeps failing",
        State::Foreign { .. } => "its port is taken",
    })
}

/// `name` and all that it needs, directly or not; each after what it needs itself.
pub fn with_needs<'a>(services: &'a [Service], name: &str) -> Vec<&'a Service> {
    fn visit<'a>(services: &'a [Service], name: &str, needed: &mut Vec<&'a Service>) {
        let Some(service) = services.iter().find(|s| s.name == name) else { return };
        if needed.iter().any(|s| s.name == name) {
            return;
        }
        for dependency in &service.depends_on {
            visit(services, &dependency.service, needed);
        }
        needed.push(service);
    }
    let mut needed = Vec::new();
    visit(services, name, &mut needed);
    needed
}

/// The services in waves: each waits only for those of earlier waves. Started from the first wave on,
/// stopped from the last.
///
/// # Errors
/// The names on a circle, in its order.
pub fn waves(services: &[Service]) -> Result<Vec<Vec<&Service>>, Vec<String>> {
    let mut left: Vec<&Service> = services.iter().collect();
    let mut waves = Vec::new();
    while !left.is_empty() {
        let waits = |s: &Service| s.depends_on.iter().any(|d| left.iter().any(|l| l.name == d.service));
        let (later, wave): (Vec<_>, Vec<_>) = left.iter().partition(|s| waits(s));
        if wave.is_empty() {
            return Err(circle(&later));
        }
        waves.push(wave);
        left = later;
    }
    Ok(waves)
}

/// Each of these waits for another one of them, so that following any of them comes round.
fn circle(stuck: &[&Service]) -> Vec<String> {
    let find = |name: &str| stuck.iter().find(|s| s.name == name);
    let mut path: Vec<String> = Vec::new();
    let mut at = stuck.first();
    while let Some(service) = at {
        if let Some(begin) = path.iter().position(|name| *name == service.name) {
            let mut circle = path.split_off(begin);
            circle.push(service.name.clone());
            return circle;
        }
        path.push(service.name.clone());
        at = service.depends_on.iter().find_map(|d| find(&d.service));
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::{Exit, ProcessId};
    use crate::time::{AwakeInstant, Now, WallTime};

    fn now() -> Now {
        Now { awake: AwakeInstant::default(), wall: WallTime(jiff::Timestamp::UNIX_EPOCH) }
    }

    fn service(name: &str, needs: &[(&str, Condition)]) -> Service {
        let depends_on = needs
            .iter()
            .map(|(service, condition)| Dependency { service: (*service).to_owned(), condition: *condition })
            .collect();
        Service { depends_on, ..Service::child(name, vec!["x".into()], "/") }
    }

    fn names(wave: &[&Service]) -> Vec<String> {
        wave.iter().map(|s| s.name.clone()).collect()
    }

    #[test]
    fn a_dependency_is_met_by_what_it_asks_for_and_by_nothing_less() {
        let process = || ProcessId { pid: 1, started: 1 };
        let starting = State::Starting { process: Some(process()), since: now() };
        let ready = State::Ready { process: process(), since: now() };
        let stopped = |reason| State::Stopped { since: now().wall, reason };
        let done = stopped(StopReason::Completed(Exit::Code(0)));
        let rows = [
            (State::Unknown, [false, false, false]),
            (State::Starting { process: None, since: now() }, [false, false, false]),
            (starting, [true, false, false]),
            (ready, [true, true, false]),
            (done, [false, false, true]),
            (stopped(StopReason::Requested), [false, false, false]),
        ];
        for (state, met) in rows {
            let life = Lifecycle { state, ..Lifecycle::default() };
            for (condition, met) in
                [Condition::Started, Condition::Ready, Condition::Completed].iter().zip(met)
            {
                let needs = [Dependency { service: "db".into(), condition: *condition }];
                let words = waits_for(&needs, |_| Some(&life));
                assert_eq!(words.is_none(), met, "{condition:?} × {:?}: {words:?}", life.state);
            }
        }
    }

    #[test]
    fn waves_and_needs_put_each_service_after_what_it_needs() {
        let services = [
            service("api", &[("db", Condition::Ready), ("migrate", Condition::Completed)]),
            service("db", &[]),
            service("migrate", &[("db", Condition::Ready)]),
            service("web", &[("api", Condition::Started)]),
        ];
        let waves: Vec<_> = waves(&services).unwrap().iter().map(|wave| names(wave)).collect();
        assert_eq!(waves, [vec!["db"], vec!["migrate"], vec!["api"], vec!["web"]]);
        assert_eq!(names(&with_needs(&services, "api")), ["db", "migrate", "api"]);
    }

    #[test]
    fn a_circle_is_named() {
        let services = [
            service("web", &[("api", Condition::Ready)]),
            service("api", &[("db", Condition::Ready)]),
            service("db", &[("api", Condition::Ready)]),
        ];
        assert_eq!(waves(&services).unwrap_err(), ["api", "db", "api"]);
    }
}
