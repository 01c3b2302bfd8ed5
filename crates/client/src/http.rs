use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response, Url};
use serde::de::DeserializeOwned;
use serde_json::Value;
use steady_model::api::{Accepted, LogTail, Problem, ShutdownRequest};
use steady_model::backup::{RestorePlan, RestorePoint};
use steady_model::snapshot::Snapshot;

use crate::error::cause;
use crate::{ClientError, SOCKET};

/// The agent answers from its snapshot; only a restore plan opens the repository, which takes seconds at worst.
const ANSWER: Duration = Duration::from_secs(30);

/// The agent sends a keep-alive every 15 s: after two missing ones it hangs.
const SILENCE: Duration = Duration::from_secs(40);

const ROOT: &str = "/api/v1/";

/// A handle to the agent of one home. Cheap to clone; connects anew for each call when it must.
#[derive(Debug, Clone)]
pub struct Client {
    calls: reqwest::Client,
    stream: reqwest::Client,
    socket: PathBuf,
}

impl Client {
    /// Does not connect yet: an agent that is not there shows with the first call.
    pub fn new(home: &Path) -> Result<Self, ClientError> {
        let socket = home.join(SOCKET);
        // Neither a proxy nor a redirect has a place on a socket in a private directory.
        let builder = || {
            reqwest::Client::builder()
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
                .unix_socket(socket.clone())
        };
        let setup = |e: reqwest::Error| ClientError::Setup { why: cause(&e) };
        let calls = builder().timeout(ANSWER).build().map_err(setup)?;
        let stream = builder().read_timeout(SILENCE).build().map_err(setup)?;
        Ok(Self { calls, stream, socket })
    }

    pub fn socket(&self) -> &Path {
        &self.socket
    }

    pub async fn snapshot(&self) -> Result<Snapshot, ClientError> {
        self.get(&["snapshot"]).await
    }

    pub async fn start(&self, service: &str) -> Result<Accepted, ClientError> {
        self.post(&["services", service, "start"]).await
    }

    pub async fn stop(&self, service: &str) -> Result<Accepted, ClientError> {
        self.post(&["services", service, "stop"]).await
    }

    pub async fn restart(&self, service: &str) -> Result<Accepted, ClientError> {
        self.post(&["services", service, "restart"]).await
    }

    /// The last `lines` lines of a service's log, oldest first.
    pub async fn logs(&self, service: &str, lines: u32) -> Result<LogTail, ClientError> {
        let mut url = url(&["services", service, "logs"]);
        url.query_pairs_mut().append_pair("lines", &lines.to_string());
        self.typed(Method::GET, url, None).await
    }

    pub async fn run_job(&self, job: &str) -> Result<Accepted, ClientError> {
        self.post(&["jobs", job, "run"]).await
    }

    pub async fn back_up(&self) -> Result<Accepted, ClientError> {
        self.post(&["backups"]).await
    }

    /// Newest first.
    pub async fn points(&self) -> Result<Vec<RestorePoint>, ClientError> {
        self.get(&["backups"]).await
    }

    pub async fn plan(&self, point: &str) -> Result<RestorePlan, ClientError> {
        self.get(&["backups", point, "plan"]).await
    }

    pub async fn restore(&self, point: &str) -> Result<Accepted, ClientError> {
        self.post(&["backups", point, "restore"]).await
    }

    pub async fn undo(&self) -> Result<Accepted, ClientError> {
        self.post(&["restores", "undo"]).await
    }

    /// Ends the agent; `stop_services` says whether its services end with it.
    pub async fn shutdown(&self, stop_services: bool) -> Result<Accepted, ClientError> {
        let body = serde_json::to_value(ShutdownRequest { stop_services })
            .map_err(|e| ClientError::Setup { why: e.to_string() })?;
        self.typed(Method::POST, url(&["agent", "shutdown"]), Some(&body)).await
    }

    /// Passes on a call of the panel as it is. Paths outside the API are refused before anything is sent.
    pub async fn request(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, ClientError> {
        let url = api_url(path).ok_or_else(|| ClientError::Path { path: path.to_owned() })?;
        let verb = Method::from_bytes(method.as_bytes()).map_err(|_| ClientError::Protocol {
            request: format!("{method} {path}"),
            why: "there is no such method".to_owned(),
        })?;
        self.typed(verb, url, body).await
    }

    /// Opens the stream of snapshots; not bounded in time, but in silence.
    pub(crate) async fn open_events(&self) -> Result<Response, ClientError> {
        let request = self.stream.get(url(&["events"])).header("accept", "text/event-stream");
        self.send("GET /api/v1/events", request).await
    }

    pub(crate) fn gone(&self, why: impl Into<String>) -> ClientError {
        ClientError::AgentGone { socket: self.socket.clone(), why: why.into() }
    }

    async fn get<T: DeserializeOwned>(&self, path: &[&str]) -> Result<T, ClientError> {
        self.typed(Method::GET, url(path), None).await
    }

    async fn post(&self, path: &[&str]) -> Result<Accepted, ClientError> {
        self.typed(Method::POST, url(path), None).await
    }

    async fn typed<T: DeserializeOwned>(
        &self,
        method: Method,
        url: Url,
        body: Option<&Value>,
    ) -> Result<T, ClientError> {
        let what = format!("{method} {}", url.path());
        let mut request = self.calls.request(method, url);
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = self.send(&what, request).await?;
        let bytes = answer.bytes().await.map_err(|e| self.gone(cause(&e)))?;
        // A 202 may come without a body; what it accepted has no name then.
        let bytes: &[u8] = if bytes.is_empty() { b"null" } else { &bytes };
        serde_json::from_slice(bytes)
            .or_else(|e| if bytes == b"null" { serde_json::from_str("{}") } else { Err(e) })
            .map_err(|e| ClientError::Protocol { request: what, why: e.to_string() })
    }

    async fn send(&self, what: &str, request: RequestBuilder) -> Result<Response, ClientError> {
        let answer = request.send().await.map_err(|e| self.gone(cause(&e)))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let bytes = answer.bytes().await.map_err(|e| self.gone(cause(&e)))?;
        Err(match serde_json::from_slice::<Problem>(&bytes) {
            Ok(problem) => ClientError::Refused(problem),
            Err(_) => ClientError::Protocol { request: what.to_owned(), why: format!("HTTP {status}") },
        })
    }
}

/// Names go in as whole segments: a `/` in one cannot make another path of it.
fn url(segments: &[&str]) -> Url {
    let mut url = base();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}

/// The host is never looked up: the socket is the address.
fn base() -> Url {
    #[expect(clippy::expect_used, reason = "a constant, read by every test")]
    Url::parse("http://steady/api/v1/").expect("a valid constant")
}

/// `None` for whatever leaves the API once dots and escapes are resolved.
fn api_url(path: &str) -> Option<Url> {
    if !path.starts_with(ROOT) {
        return None;
    }
    let url = base().join(path).ok()?;
    let escaped = url.path().to_ascii_lowercase();
    let climbs = escaped.contains("%2f") || escaped.contains("%2e") || escaped.contains("%5c");
    (url.host_str() == Some("steady") && escaped.starts_with(ROOT) && !climbs).then_some(url)
}
