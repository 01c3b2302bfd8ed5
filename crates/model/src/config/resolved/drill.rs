use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Env, Predicate, Readiness, Service, StopSignal};
use crate::service::RestartPolicy;

/// Stands for the restored data directory in a [`DrillBackend`].
pub const DATA: &str = "{data}";
/// Stands for the port that the drill gives away.
pub const PORT: &str = "{port}";

/// How restores are rehearsed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Drill {
    /// `None` is only when asked for.
    pub every: Option<Duration>,
    /// `None` restores and opens the data, and starts nothing on it.
    pub backend: Option<DrillBackend>,
}

/// What is started on the restored data, with [`DATA`] and [`PORT`] in its words.
#[derive(Debug, Clone, PartialEq)]
pub struct DrillBackend {
    pub command: Vec<String>,
    pub cwd: PathBuf,
    pub env: Env,
    pub stop_signal: StopSignal,
    pub stop_grace: Duration,
    pub ready_timeout: Duration,
    /// Path of its url that answers with 200 when it is healthy.
    pub health: String,
    pub canary: Option<Canary>,
}

/// A question whose answer shows that the data are there.
#[derive(Debug, Clone, PartialEq)]
pub struct Canary {
    pub path: String,
    pub body: BTreeMap<String, Predicate>,
}

impl DrillBackend {
    /// The service that is started on `data` and serves on `port`. It is never started again by itself.
    pub fn service(&self, name: &str, data: &Path, port: u16) -> Service {
        let (data, number) = (data.to_string_lossy(), port.to_string());
        let filled = |text: &str| text.replace(DATA, &data).replace(PORT, &number);
        let env = Env {
            vars: self.env.vars.iter().map(|(name, value)| (name.clone(), filled(value))).collect(),
            ..self.env.clone()
        };
        Service {
            env,
            port: Some(port),
            restart: RestartPolicy::Never,
            stop_signal: self.stop_signal,
            stop_grace: self.stop_grace,
            ready: Readiness::Http { url: self.url(&self.health, port) },
            ready_timeout: self.ready_timeout,
            ..Service::child(
                name,
                self.command.iter().map(|word| filled(word)).collect(),
                filled(&self.cwd.to_string_lossy()),
            )
        }
    }

    /// Where a path of its url is while it serves on `port`.
    pub fn url(&self, path: &str, port: u16) -> String {
        format!("http://127.0.0.1:{port}{path}")
    }
}
