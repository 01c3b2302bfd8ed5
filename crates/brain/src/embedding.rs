//! The embedding service: Ollama's `POST /api/embed`, with patience and a breaker.
//!
//! Only adds to search: whatever it answers, or does not, notes are found by their words.

use std::error::Error;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use reqwest::{Client, Url};
use serde::{Deserialize, Serialize};

use crate::breaker::Breaker;
use crate::clock::Stopwatch;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Where to ask for embeddings, and of which model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbedConfig {
    /// The service without a path, e.g. `http://127.0.0.1:11434`.
    pub url: String,
    pub model: String,
}

/// How long to wait and how often to try.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    pub timeout: Duration,
    pub retries: usize,
    pub first_pause: Duration,
}

impl Patience {
    /// Somebody waits for the answer of a search.
    pub const SEARCH: Self =
        Self { timeout: Duration::from_secs(2), retries: 1, first_pause: Duration::from_millis(50) };
    /// Nobody waits; a model may have to be loaded first.
    pub const NOTES: Self =
        Self { timeout: Duration::from_secs(60), retries: 3, first_pause: Duration::from_millis(500) };
}

#[derive(Debug, thiserror::Error)]
pub enum EmbedError {
    #[error(
        "the embedding service's address {url} is not usable: {reason}; correct --embed-url (BRAIN_EMBED_URL)"
    )]
    Address { url: String, reason: String },
    #[error("the embedding service does not answer: {reason}; is it running at --embed-url?")]
    Unreachable { reason: String },
    #[error("the embedding service failed with {status}: {detail}; look at its log")]
    Failed { status: u16, detail: String },
    #[error("the embedding service refused with {status}: {detail}; is the model there? (`ollama pull`)")]
    Refused { status: u16, detail: String },
    #[error("the embedding service answered something else than embeddings: {reason}")]
    Nonsense { reason: String },
    #[error("the embedding service failed several times and is left alone for {seconds} s")]
    Resting { seconds: u64 },
}

impl EmbedError {
    /// Another try may help, and the service may need a rest.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Failed { .. } | Self::Resting { .. })
    }
}

/// What the service made of some texts.
#[derive(Debug)]
pub struct Embedded {
    /// One for each text, in their order; finite, not all zero, all of one length.
    pub vectors: Vec<Vec<f32>>,
    pub tokens: u64,
}

#[derive(Debug)]
pub struct Embedder {
    endpoint: Url,
    model: String,
    http: Client,
    breaker: Mutex<Breaker>,
    life: Stopwatch,
}

#[derive(Serialize)]
struct Question<'a> {
    model: &'a str,
    input: &'a [String],
}

#[derive(Deserialize)]
struct Answer {
    embeddings: Vec<Vec<f32>>,
    #[serde(default)]
    prompt_eval_count: u64,
}

#[derive(Deserialize)]
struct Complaint {
    error: String,
}

impl Embedder {
    pub fn new(config: &EmbedConfig) -> Result<Self, EmbedError> {
        let address = |reason: String| EmbedError::Address { url: config.url.clone(), reason };
        let base = Url::parse(&config.url).map_err(|e| address(e.to_string()))?;
        // No TLS is built in: the service is meant to be on this machine or in a private network.
        if base.scheme() != "http" {
            return Err(address("it has to begin with http://".to_owned()));
        }
        let endpoint = base.join("api/embed").map_err(|e| address(e.to_string()))?;
        let http = Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .build()
            .map_err(|e| address(e.to_string()))?;
        let (model, breaker) = (config.model.clone(), Mutex::default());
        Ok(Self { endpoint, model, http, breaker, life: Stopwatch::start() })
    }

    pub fn model(&self) -> &str {
        &self.model
    }

    /// False while it is left alone after failures.
    pub fn is_asked(&self) -> bool {
        let breaker = *self.breaker.lock().unwrap_or_else(PoisonError::into_inner);
        breaker.closed_until().is_none()
    }

    /// Embeds texts, with retries on passing failures. The breaker sees the outcome as one.
    pub async fn embed(&self, texts: &[String], patience: Patience) -> Result<Embedded, EmbedError> {
        self.may_ask()?;
        let pauses = ExponentialBuilder::new()
            .with_min_delay(patience.first_pause)
            .with_max_times(patience.retries)
            .with_jitter();
        let asked = (|| self.ask(texts, patience.timeout)).retry(pauses).when(EmbedError::is_passing).await;
        let mut breaker = self.breaker.lock().unwrap_or_else(PoisonError::into_inner);
        *breaker = match &asked {
            Err(e) if e.is_passing() => breaker.failed(self.life.elapsed()),
            // A refusal is an answer: the service lives.
            _ => Breaker::succeeded(),
        };
        asked
    }

    fn may_ask(&self) -> Result<(), EmbedError> {
        let now = self.life.elapsed();
        let mut breaker = self.breaker.lock().unwrap_or_else(PoisonError::into_inner);
        let (next, may) = breaker.ask(now);
        *breaker = next;
        if may {
            return Ok(());
        }
        let left = next.closed_until().unwrap_or(now).saturating_sub(now);
        Err(EmbedError::Resting { seconds: left.as_secs() + 1 })
    }

    async fn ask(&self, texts: &[String], timeout: Duration) -> Result<Embedded, EmbedError> {
        let unreachable = |e: reqwest::Error| EmbedError::Unreachable { reason: root_cause(&e) };
        let question = Question { model: &self.model, input: texts };
        let answer = self.http.post(self.endpoint.clone()).timeout(timeout).json(&question).send().await;
        let answer = answer.map_err(unreachable)?;
        let status = answer.status();
        let body = answer.bytes().await.map_err(unreachable)?;
        if !status.is_success() {
            let detail = serde_json::from_slice::<Complaint>(&body)
                .map_or_else(|_| "without saying why".to_owned(), |complaint| complaint.error);
            let status = status.as_u16();
            // Too many requests, and a model that is still being loaded, pass.
            return Err(if status >= 500 || matches!(status, 408 | 429) {
                EmbedError::Failed { status, detail }
            } else {
                EmbedError::Refused { status, detail }
            });
        }
        let Answer { embeddings, prompt_eval_count } =
            serde_json::from_slice(&body).map_err(|e| EmbedError::Nonsense { reason: e.to_string() })?;
        check(&embeddings, texts.len())?;
        Ok(Embedded { vectors: embeddings, tokens: prompt_eval_count })
    }
}

/// A zero or infinite vector has no direction: no distance could be measured to it.
fn check(vectors: &[Vec<f32>], texts: usize) -> Result<(), EmbedError> {
    let reason = if vectors.len() != texts {
        format!("{} embeddings for {texts} texts", vectors.len())
    } else if vectors.windows(2).any(|pair| matches!(pair, [a, b] if a.len() != b.len())) {
        "embeddings of different lengths".to_owned()
    } else if vectors.iter().any(|v| v.iter().all(|n| *n == 0.0) || v.iter().any(|n| !n.is_finite())) {
        "an embedding without a direction".to_owned()
    } else {
        return Ok(());
    };
    Err(EmbedError::Nonsense { reason })
}

fn root_cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "it took too long".to_owned();
    }
    let mut cause: &dyn Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_vectors_with_a_direction_and_one_for_each_text_are_taken() {
        let refused = |vectors: &[Vec<f32>]| check(vectors, 2).unwrap_err().to_string();
        check(&[vec![1.0, 0.0], vec![0.0, 2.0]], 2).unwrap();
        assert!(refused(&[vec![1.0]]).contains("1 embeddings for 2 texts"));
        assert!(refused(&[vec![1.0], vec![1.0, 2.0]]).contains("different lengths"));
        for broken in [vec![0.0, 0.0], vec![], vec![f32::NAN], vec![f32::INFINITY]] {
            assert!(refused(&[broken.clone(), broken]).contains("without a direction"));
        }
    }

    #[test]
    fn an_address_without_plain_http_is_refused_with_the_option_to_correct() {
        for url in ["localhost:11434", "https://example.org", "nonsense"] {
            let config = EmbedConfig { url: url.into(), model: "m".into() };
            let refused = Embedder::new(&config).unwrap_err().to_string();
            assert!(refused.contains("--embed-url") && refused.contains(url), "{refused}");
        }
    }
}
