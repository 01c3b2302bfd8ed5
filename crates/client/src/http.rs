use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use steady_model::api::{Accepted, CheckLook, LogQuery, LogTail, Problem, ReloadPlan, ShutdownRequest};
use steady_model::crash::{CrashReport, CrashSummary};
use steady_model::history::{HistoryPage, HistoryQuery};
use steady_model::snapshot::Snapshot;

use crate::error::cause;
use crate::{ClientError, Figures, SOCKET};

/// The agent answers from its snapshot; only a restore plan opens the repository, which takes seconds at worst.
pub(crate) const ANSWER: Duration = Duration::from_secs(30);

/// What is true now is made before anybody asks: an agent that takes longer hangs, and nobody should wait half a
/// minute to hear that.
const AT_HAND: Duration = Duration::from_secs(5);

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
        let asked = self.get(&["snapshot"]);
        match tokio::time::timeout(AT_HAND, asked).await {
            Ok(answer) => answer,
            Err(_) => Err(self.gone(format!(
                "it took the question and gave no answer within {} s: it hangs or is stopped",
                AT_HAND.as_secs()
            ))),
        }
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

    /// All services, each after what it needs.
    pub async fn start_all(&self) -> Result<Accepted, ClientError> {
        self.post(&["services", "start"]).await
    }

    /// All services, each before what it needs.
    pub async fn stop_all(&self) -> Result<Accepted, ClientError> {
        self.post(&["services", "stop"]).await
    }

    pub async fn restart_all(&self) -> Result<Accepted, ClientError> {
        self.post(&["services", "restart"]).await
    }

    /// Lines of a service's log, oldest first.
    pub async fn logs(&self, service: &str, wanted: &LogQuery) -> Result<LogTail, ClientError> {
        self.typed(Method::GET, log_url(&["services", service, "logs"], wanted), None).await
    }

    /// What one subject was in, newest first; older pages by `until`.
    pub async fn history(&self, wanted: &HistoryQuery) -> Result<HistoryPage, ClientError> {
        self.typed(Method::GET, history_url(wanted), None).await
    }

    /// All crash reports, newest first.
    pub async fn crashes(&self) -> Result<Vec<CrashSummary>, ClientError> {
        self.get(&["crashes"]).await
    }

    pub async fn crash(&self, id: &str) -> Result<CrashReport, ClientError> {
        self.get(&["crashes", id]).await
    }

    /// Puts the changed configuration into force, or only says what that would do.
    pub async fn reload(&self, dry_run: bool) -> Result<ReloadPlan, ClientError> {
        let mut url = url(&["agent", "reload"]);
        url.query_pairs_mut().append_pair("dry_run", if dry_run { "true" } else { "false" });
        self.typed(Method::POST, url, None).await
    }

    /// Lets a check look now, and waits for what it sees.
    pub async fn look(&self, check: &str) -> Result<CheckLook, ClientError> {
        // A check may take longer than any other answer: the agent bounds it.
        let answer =
            self.send("POST /api/v1/checks", self.stream.post(url(&["checks", check, "run"]))).await?;
        let bytes = answer.bytes().await.map_err(|e| self.gone(cause(&e)))?;
        serde_json::from_slice(&bytes).map_err(|e| ClientError::Protocol {
            request: "POST /api/v1/checks".to_owned(),
            why: e.to_string(),
        })
    }

    pub async fn run_job(&self, job: &str) -> Result<Accepted, ClientError> {
        self.post(&["jobs", job, "run"]).await
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
    pub(crate) async fn open_events(&self, figures: Figures) -> Result<Response, ClientError> {
        let mut url = url(&["events"]);
        if figures == Figures::Seldom {
            url.query_pairs_mut().append_pair("figures", "false");
        }
        self.open(url, None).await
    }

    /// Opens the stream of a log, after the event with the id `after`.
    pub(crate) async fn open_log(
        &self,
        service: &str,
        wanted: &LogQuery,
        after: Option<&str>,
    ) -> Result<Response, ClientError> {
        self.open(log_url(&["services", service, "logs", "stream"], wanted), after).await
    }

    async fn open(&self, url: Url, after: Option<&str>) -> Result<Response, ClientError> {
        let what = format!("GET {}", url.path());
        let mut request = self.stream.get(url).header("accept", "text/event-stream");
        if let Some(id) = after {
            request = request.header("last-event-id", id);
        }
        self.send(&what, request).await
    }

    pub(crate) fn gone(&self, why: impl Into<String>) -> ClientError {
        ClientError::AgentGone { socket: self.socket.clone(), why: why.into() }
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &[&str]) -> Result<T, ClientError> {
        self.typed(Method::GET, url(path), None).await
    }

    pub(crate) async fn post(&self, path: &[&str]) -> Result<Accepted, ClientError> {
        self.typed(Method::POST, url(path), None).await
    }

    pub(crate) async fn tell<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        let url = url(path);
        let unfit = |e: serde_json::Error| ClientError::Protocol {
            request: format!("POST {}", url.path()),
            why: e.to_string(),
        };
        let body = serde_json::to_value(body).map_err(unfit)?;
        self.typed(Method::POST, url, Some(&body)).await
    }

    pub(crate) async fn typed<T: DeserializeOwned>(
        &self,
        method: Method,
        url: Url,
        body: Option<&Value>,
    ) -> Result<T, ClientError> {
        self.within(ANSWER, method, url, body).await
    }

    pub(crate) async fn within<T: DeserializeOwned>(
        &self,
        patience: Duration,
        method: Method,
        url: Url,
        body: Option<&Value>,
    ) -> Result<T, ClientError> {
        let what = format!("{method} {}", url.path());
        let mut request = self.calls.request(method, url).timeout(patience);
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

fn log_url(segments: &[&str], wanted: &LogQuery) -> Url {
    let mut url = url(segments);
    let LogQuery { lines, since, grep } = wanted;
    let lines = lines.map(|n| n.to_string());
    let pairs = [("lines", &lines), ("since", since), ("grep", grep)];
    for (name, value) in pairs {
        if let Some(value) = value {
            url.query_pairs_mut().append_pair(name, value);
        }
    }
    url
}

fn history_url(wanted: &HistoryQuery) -> Url {
    let mut url = url(&["history"]);
    let HistoryQuery { subject, since, until, limit } = wanted;
    let limit = limit.map(|n| n.to_string());
    for (name, value) in [("subject", subject), ("since", since), ("until", until), ("limit", &limit)] {
        if let Some(value) = value {
            url.query_pairs_mut().append_pair(name, value);
        }
    }
    url
}

/// Names go in as whole segments: a `/` in one cannot make another path of it.
pub(crate) fn url(segments: &[&str]) -> Url {
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
