//! Whether a started service serves yet.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use steady_model::config::Readiness;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::timer::pause;

const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// How long one attempt may take. A server that accepts and is silent is not ready.
const ATTEMPT: Duration = Duration::from_secs(2);

/// Returns once the service is ready; asks again and again until then.
pub async fn until_ready(readiness: &Readiness) {
    let client = match readiness {
        Readiness::Http { .. } => http_client(),
        _ => None,
    };
    let mut wait = FIRST_PAUSE;
    while !is_ready(readiness, client.as_ref()).await {
        pause(wait).await;
        wait = wait.mul_f64(1.5).min(LONGEST_PAUSE);
    }
}

async fn is_ready(readiness: &Readiness, client: Option<&reqwest::Client>) -> bool {
    match readiness {
        Readiness::Started => true,
        // Not yet asked: such a service is not ready in time.
        Readiness::Log { .. } | Readiness::Command { .. } | Readiness::Delay { .. } => false,
        Readiness::Tcp { port } => {
            accepts((Ipv4Addr::LOCALHOST, *port).into()).await
                || accepts((Ipv6Addr::LOCALHOST, *port).into()).await
        }
        Readiness::Http { url } => {
            let Some(client) = client else { return false };
            client.get(url).send().await.is_ok_and(|answer| answer.status().is_success())
        }
    }
}

async fn accepts(address: SocketAddr) -> bool {
    matches!(timeout(ATTEMPT, TcpStream::connect(address)).await, Ok(Ok(_)))
}

/// No proxy (it would answer for the service), no redirects (they lead elsewhere), no kept connections.
fn http_client() -> Option<reqwest::Client> {
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .pool_max_idle_per_host(0)
        .timeout(ATTEMPT)
        .build()
        .inspect_err(|e| tracing::error!("cannot make an HTTP client: {e}"))
        .ok()
}
