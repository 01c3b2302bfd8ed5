//! What the containers of a compose project say of its services.

use std::collections::BTreeMap;

use serde_json::Value;
use steady_model::check::{Sample, Status};

use crate::probe::{Seen, one_line};

const SHOWN_CHARS: usize = 60;
const PROJECT: &str = "com.docker.compose.project";
const SERVICE: &str = "com.docker.compose.service";
/// Of `compose run`: nobody's service.
const ONE_OFF: &str = "com.docker.compose.oneoff";

pub struct Wanted {
    pub project: Option<String>,
    /// Empty: all that were ever created.
    pub services: Vec<String>,
}

/// One container as the engine describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    pub id: String,
    pub service: String,
    pub restarts: u64,
    state: String,
    /// `none` where the image has no health check.
    health: String,
    code: i64,
    out_of_memory: bool,
    /// Its restart policy means it to run for ever.
    is_kept: bool,
}

impl Container {
    /// Of the answer of `GET /containers/json`.
    pub fn ids(list: &Value) -> Vec<String> {
        let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
        list.iter().filter_map(|c| c.get("Id")?.as_str().map(str::to_owned)).collect()
    }

    /// Of the answer of `GET /containers/{id}/json`; `None` when it is no service's.
    pub fn read(one: &Value) -> Option<Self> {
        let at = |path: &str| one.pointer(path);
        let text = |path: &str| at(path).and_then(Value::as_str).unwrap_or_default().to_owned();
        let labels = at("/Config/Labels")?;
        let label = |name: &str| labels.get(name).and_then(Value::as_str);
        label(PROJECT)?;
        if label(ONE_OFF) == Some("True") {
            return None;
        }
        Some(Self {
            id: text("/Id"),
            service: one_line(label(SERVICE)?, SHOWN_CHARS),
            restarts: at("/RestartCount").and_then(Value::as_u64).unwrap_or_default(),
            state: text("/State/Status"),
            health: at("/State/Health/Status").and_then(Value::as_str).unwrap_or("none").to_owned(),
            code: at("/State/ExitCode").and_then(Value::as_i64).unwrap_or_default(),
            out_of_memory: at("/State/OOMKilled").and_then(Value::as_bool).unwrap_or_default(),
            is_kept: matches!(text("/HostConfig/RestartPolicy/Name").as_str(), "always" | "unless-stopped"),
        })
    }

    fn judge(&self, earlier: Option<u64>) -> (Status, String) {
        let name = &self.service;
        let killed = if self.out_of_memory { ", out of memory" } else { "" };
        let more = earlier.map_or(0, |earlier| self.restarts.saturating_sub(earlier));
        match (self.state.as_str(), self.health.as_str()) {
            ("running", "unhealthy") => (Status::Fail, format!("{name} is unhealthy")),
            ("running", _) if more > 0 => {
                let times = if more == 1 { "once".to_owned() } else { format!("{more} times") };
                (Status::Warn, format!("{name} was restarted {times} since the last look"))
            }
            ("running", "starting") => (Status::Warn, format!("{name} is starting")),
            ("running", "healthy") => (Status::Pass, format!("{name} healthy")),
            ("running", _) => (Status::Pass, format!("{name} runs")),
            ("exited", _) if self.code == 0 && !self.is_kept => (Status::Pass, format!("{name} done")),
            ("exited", _) => (Status::Fail, format!("{name} exited with {}{killed}", self.code)),
            ("restarting", _) => {
                (Status::Fail, format!("{name} restarts again and again, last exit {}{killed}", self.code))
            }
            ("created", _) => (Status::Fail, format!("{name} was created and never started")),
            (state, _) => (Status::Fail, format!("{name} is {}", one_line(state, SHOWN_CHARS))),
        }
    }
}

/// The worst of all, said first; what is well is only named.
pub fn judge(wanted: &Wanted, containers: &[Container], restarts: &BTreeMap<String, u64>) -> Seen {
    let project = wanted.project.as_deref().unwrap_or_default();
    let missing: Vec<&str> = wanted
        .services
        .iter()
        .map(String::as_str)
        .filter(|service| !containers.iter().any(|c| c.service == *service))
        .collect();
    let mut found: Vec<(Status, String)> = containers
        .iter()
        .filter(|c| wanted.services.is_empty() || wanted.services.contains(&c.service))
        .map(|c| c.judge(restarts.get(&c.id).copied()))
        .collect();
    if found.is_empty() && missing.is_empty() {
        let evidence = format!("no container of the compose project {project} is there");
        return Seen::new(Status::Fail, evidence).so("Bring it up in its folder: `docker compose up -d`");
    }
    if !missing.is_empty() {
        found.push((Status::Fail, format!("no container of {}", missing.join(", "))));
    }
    found.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    let worst = found.iter().map(|(status, _)| *status).max().unwrap_or(Status::Unknown);
    let said: Vec<&str> =
        found.iter().filter(|(status, _)| *status == worst).map(|(_, words)| words.as_str()).collect();
    let samples = containers.iter().map(sample).collect();
    let seen = Seen { samples, ..Seen::new(worst, format!("{project}: {}", said.join(", "))) };
    if missing.is_empty() {
        seen.so(format!("Read its log: `docker compose -p {project} logs`, then restart it"))
    } else {
        seen.so("Bring it up in its folder: `docker compose up -d`")
    }
}

fn sample(container: &Container) -> Sample {
    #[expect(clippy::cast_precision_loss, reason = "nothing restarts 2^53 times")]
    let value = container.restarts as f64;
    Sample {
        metric: "steady_container_restarts".to_owned(),
        // Replicas of a service have the same name.
        labels: [
            ("service".to_owned(), container.service.clone()),
            ("container".to_owned(), container.id.chars().take(12).collect()),
        ]
        .into(),
        value,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn container(service: &str, state: &str, health: Option<&str>, code: i64, policy: &str) -> Container {
        let health = health.map_or(Value::Null, |h| json!({ "Status": h }));
        Container::read(&json!({
            "Id": format!("id-{service}"), "RestartCount": 2,
            "State": { "Status": state, "ExitCode": code, "OOMKilled": code == 137, "Health": health },
            "HostConfig": { "RestartPolicy": { "Name": policy } },
            "Config": { "Labels": { PROJECT: "pkg", SERVICE: service, ONE_OFF: "False" } },
        }))
        .unwrap()
    }

    fn seen(services: &[&str], containers: &[Container]) -> (Status, String) {
        let services = services.iter().map(|s| (*s).to_owned()).collect();
        let seen = judge(&Wanted { project: Some("pkg".to_owned()), services }, containers, &BTreeMap::new());
        (seen.status, seen.evidence)
    }

    #[test]
    fn each_state_of_a_container_is_told_apart() {
        let table = [
            ("running", Some("healthy"), 0, "always", Status::Pass, "pkg: db healthy"),
            ("running", None, 0, "no", Status::Pass, "pkg: db runs"),
            ("running", Some("starting"), 0, "no", Status::Warn, "pkg: db is starting"),
            ("running", Some("unhealthy"), 0, "no", Status::Fail, "pkg: db is unhealthy"),
            ("exited", None, 0, "on-failure", Status::Pass, "pkg: db done"),
            ("exited", None, 0, "unless-stopped", Status::Fail, "pkg: db exited with 0"),
            ("exited", None, 137, "no", Status::Fail, "pkg: db exited with 137, out of memory"),
            ("restarting", None, 1, "always", Status::Fail, "pkg: db restarts again and again, last exit 1"),
            ("paused", None, 0, "no", Status::Fail, "pkg: db is paused"),
            ("created", None, 0, "no", Status::Fail, "pkg: db was created and never started"),
        ];
        for (state, health, code, policy, status, words) in table {
            assert_eq!(
                seen(&[], &[container("db", state, health, code, policy)]),
                (status, words.to_owned())
            );
        }
    }

    #[test]
    fn a_service_without_a_container_is_named_and_the_worst_counts() {
        let db = container("db", "running", None, 0, "no");
        assert_eq!(seen(&["db", "graph"], &[db]), (Status::Fail, "pkg: no container of graph".to_owned()));
        assert_eq!(seen(&[], &[]).0, Status::Fail);
        let all = [container("a", "running", None, 0, "no"), container("b", "exited", None, 3, "no")];
        assert_eq!(seen(&[], &all), (Status::Fail, "pkg: b exited with 3".to_owned()));
        assert_eq!(seen(&["a"], &all), (Status::Pass, "pkg: a runs".to_owned()));
    }

    #[test]
    fn a_rising_restart_count_is_told_although_it_runs_at_each_look() {
        let db = container("db", "running", None, 0, "always");
        assert_eq!(db.judge(Some(2)).0, Status::Pass);
        assert_eq!(
            db.judge(Some(0)),
            (Status::Warn, "db was restarted 2 times since the last look".to_owned())
        );
    }
}
