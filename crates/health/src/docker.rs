//! The Docker Engine and a compose project's services in it.
//!
//! Asks the engine behind its socket and never the command line, which hangs after a wake. The paths have no
//! version in them: an engine answers those in its own newest.

mod containers;

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;
use steady_model::check::Status;
use steady_model::words;

use self::containers::{Container, Wanted, judge};
use crate::endpoint::{Endpoint, Trouble};
use crate::probe::{Probe, Seen};

/// An engine that runs says so in milliseconds; one that woke badly takes the connection and says nothing.
const PING_LIMIT: Duration = Duration::from_secs(2);
/// The check's own timeout is the limit of the rest.
const LONG: Duration = Duration::from_secs(600);
/// Docker, Docker Desktop, `OrbStack`, Colima; those with `~` below the home directory.
const USUAL: [&str; 4] = [
    "/var/run/docker.sock",
    "~/.docker/run/docker.sock",
    "~/.orbstack/run/docker.sock",
    "~/.colima/default/docker.sock",
];

pub struct DockerProbe {
    socket: Option<PathBuf>,
    wanted: Wanted,
    /// How often each container had been restarted at the last look.
    restarts: BTreeMap<String, u64>,
}

impl DockerProbe {
    pub fn new(socket: Option<PathBuf>, project: Option<String>, services: Vec<String>) -> Self {
        Self { socket, wanted: Wanted { project, services }, restarts: BTreeMap::new() }
    }

    async fn parts(&mut self) -> Result<Seen, Seen> {
        let places = match &self.socket {
            Some(socket) => vec![socket.clone()],
            None => places(env::var("DOCKER_HOST").ok(), env::home_dir().as_deref())
                .map_err(|why| Seen::new(Status::Unknown, why))?,
        };
        let engine = reach(&places).await?;
        let Some(project) = self.wanted.project.clone() else {
            return Ok(Seen::new(Status::Pass, "the Docker Engine answers"));
        };
        let fail = |e: Trouble| {
            Seen::new(
                Status::Fail,
                format!("the Docker Engine answers a ping, but not about containers: {e}"),
            )
        };
        let filters = json!({ "label": [format!("com.docker.compose.project={project}")] }).to_string();
        let list = engine
            .get("/containers/json", &[("all", "true"), ("filters", &filters)], LONG)
            .await
            .map_err(fail)?;
        let mut containers = Vec::new();
        for id in Container::ids(&list) {
            match engine.get(&format!("/containers/{id}/json"), &[], LONG).await {
                Ok(one) => containers.extend(Container::read(&one)),
                // Removed since it was listed.
                Err(Trouble::Status(404, _)) => {}
                Err(e) => return Err(fail(e)),
            }
        }
        let seen = judge(&self.wanted, &containers, &self.restarts);
        self.restarts = containers.into_iter().map(|c| (c.id, c.restarts)).collect();
        Ok(seen)
    }
}

impl Probe for DockerProbe {
    async fn look(&mut self) -> Seen {
        match self.parts().await {
            Ok(seen) | Err(seen) => seen,
        }
    }

    fn overdue(&self, timeout: Duration) -> Seen {
        Seen::new(
            Status::Fail,
            format!("no whole answer from the Docker Engine within {}", words::span(timeout)),
        )
    }
}

/// Where an engine may be, the likeliest first.
fn places(host: Option<String>, home: Option<&Path>) -> Result<Vec<PathBuf>, String> {
    if let Some(host) = host.filter(|host| !host.is_empty()) {
        return match host.strip_prefix("unix://") {
            Some(path) => Ok(vec![PathBuf::from(path)]),
            None => Err("DOCKER_HOST is not a Unix socket; set `socket`".to_owned()),
        };
    }
    let place = |usual: &&str| match usual.strip_prefix("~/") {
        Some(below) => home.map(|home| home.join(below)),
        None => Some(PathBuf::from(usual)),
    };
    Ok(USUAL.iter().filter_map(place).collect())
}

/// The first engine that answers, or the most telling reason why none does.
async fn reach(places: &[PathBuf]) -> Result<Endpoint, Seen> {
    let mut worst: Option<(Trouble, &Path)> = None;
    for place in places {
        let endpoint = Endpoint::behind(place).map_err(|e| Seen::new(Status::Unknown, e))?;
        match endpoint.text("/_ping", PING_LIMIT).await {
            Ok(_) => return Ok(endpoint),
            Err(e) => {
                let tells_more = worst.as_ref().is_none_or(|(known, _)| *known == Trouble::Missing);
                if tells_more {
                    worst = Some((e, place));
                }
            }
        }
    }
    let Some((trouble, place)) = worst else {
        return Err(Seen::new(Status::Unknown, "no socket of a Docker Engine to ask"));
    };
    let shown = place.display();
    let seen = |words: String| Seen::new(Status::Fail, words);
    Err(match trouble {
        Trouble::Missing if places.len() > 1 => {
            seen("the Docker Engine does not run: none of its usual sockets is there".to_owned())
        }
        Trouble::Missing => seen(format!("the Docker Engine does not run: {shown} is not there")),
        Trouble::Refused => seen(format!("the Docker Engine does not run: nobody listens at {shown}")),
        Trouble::Denied => Seen::fact(
            Status::Fail,
            format!("the Docker Engine's socket {shown} may not be used: permission denied"),
        )
        .so("Join the group that owns the socket, and log in again"),
        Trouble::Overdue => seen(format!(
            "the Docker Engine hangs: {shown} takes connections, and there is no answer within {}",
            words::span(PING_LIMIT)
        ))
        .so("Restart Docker"),
        other => seen(format!("the Docker Engine at {shown}: {other}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docker_host_counts_before_the_usual_places_and_what_cannot_be_asked_is_said() {
        let home = Path::new("/home/me");
        assert_eq!(places(Some("unix:///x/d.sock".into()), None).unwrap(), [PathBuf::from("/x/d.sock")]);
        assert!(places(Some("tcp://10.0.0.1:2375".into()), Some(home)).is_err());
        let usual = places(None, Some(home)).unwrap();
        assert_eq!(usual.len(), 4);
        assert!(usual.contains(&PathBuf::from("/home/me/.orbstack/run/docker.sock")));
        assert_eq!(places(Some(String::new()), None).unwrap(), [PathBuf::from("/var/run/docker.sock")]);
    }
}
