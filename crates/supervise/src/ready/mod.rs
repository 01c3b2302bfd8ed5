//! Whether a started service serves yet.

mod command;
mod log;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use steady_launch::Environment;
use steady_model::config::Readiness;
use tokio::net::TcpStream;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::timer::pause;
pub use log::{LogWatch, drained};

const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// How long one attempt may take. A server that accepts and is silent is not ready.
const ATTEMPT: Duration = Duration::from_secs(2);

/// What makes one run ready, and where to look.
pub struct Question {
    pub readiness: Readiness,
    pub cwd: PathBuf,
    pub log_dir: PathBuf,
    /// This run's output; `None` when it was not followed from the start.
    pub log: Option<LogWatch>,
    /// Where in the log the run began, when an earlier agent noted it.
    pub log_from: Option<String>,
    /// An earlier agent saw it ready.
    pub was_ready: bool,
}

impl Question {
    /// Returns once the service is ready; asks again and again until then. Dropped, it leaves nothing behind.
    pub async fn until_ready(
        mut self,
        environment: impl FnOnce() -> Option<Arc<Environment>> + Send + 'static,
    ) {
        match &self.readiness {
            Readiness::Started => {}
            // Neither can be seen a second time.
            Readiness::Log { .. } | Readiness::Delay { .. } if self.was_ready => {}
            Readiness::Delay { delay } => pause(*delay).await,
            Readiness::Log { pattern } => {
                log::until_line(pattern, self.log.take(), &self.log_dir, self.log_from.as_deref()).await;
            }
            Readiness::Command { .. } => {
                let environment = spawn_blocking(environment).await.ok().flatten().unwrap_or_default();
                self.until_an_answer(&environment).await;
            }
            Readiness::Tcp { .. } | Readiness::Http { .. } => {
                self.until_an_answer(&Environment::default()).await;
            }
        }
    }

    async fn until_an_answer(&self, environment: &Environment) {
        let mut wait = FIRST_PAUSE;
        while !self.is_answered(environment).await {
            pause(wait).await;
            wait = wait.mul_f64(1.5).min(LONGEST_PAUSE);
        }
    }

    async fn is_answered(&self, environment: &Environment) -> bool {
        match &self.readiness {
            Readiness::Command { command } => command::succeeds(command, &self.cwd, environment).await,
            Readiness::Tcp { port } => accepts_on(*port).await,
            Readiness::Http { url } => answers(url).await,
            Readiness::Started | Readiness::Log { .. } | Readiness::Delay { .. } => true,
        }
    }
}

async fn accepts_on(port: u16) -> bool {
    accepts((Ipv4Addr::LOCALHOST, port).into()).await || accepts((Ipv6Addr::LOCALHOST, port).into()).await
}

async fn accepts(address: SocketAddr) -> bool {
    matches!(timeout(ATTEMPT, TcpStream::connect(address)).await, Ok(Ok(_)))
}

async fn answers(url: &str) -> bool {
    let Some(client) = http_client() else { return false };
    client.get(url).send().await.is_ok_and(|answer| answer.status().is_success())
}

/// No proxy (it would answer for the service), no redirects (they lead elsewhere), no kept connections: so one
/// client serves all services.
fn http_client() -> Option<&'static reqwest::Client> {
    static CLIENT: OnceLock<Option<reqwest::Client>> = OnceLock::new();
    let make = || {
        reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(0)
            .timeout(ATTEMPT)
            .build()
            .inspect_err(|e| tracing::error!("cannot make an HTTP client: {e}"))
            .ok()
    };
    CLIENT.get_or_init(make).as_ref()
}
