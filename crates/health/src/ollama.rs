//! Ollama: it answers, it has the model, and its runner still computes.
//!
//! By its documented API (<https://docs.ollama.com/api>): `GET /api/version`, `GET /api/tags`, `GET /api/ps`,
//! `POST /api/embed`. The server can answer all of the first three while the runner that computes is dead, which
//! only an embedding shows. One is asked for only while no other model is loaded: loading ours could push it out.
//! Ollama does not tell whether a loaded model is at work.

use std::time::Duration;

use serde_json::{Value, json};
use steady_model::check::Status;
use steady_model::time::AwakeInstant;
use steady_model::words;
use tokio::task::JoinSet;

use crate::endpoint::{Endpoint, Trouble};
use crate::probe::{Probe, Seen, one_line};

/// An embedding is as long as it takes to load a small model; whoever takes longer hangs.
const EMBED_LIMIT: Duration = Duration::from_secs(15);
const EMBED_EVERY: Duration = Duration::from_secs(15 * 60);
const FIRST_RETRY: Duration = Duration::from_secs(30);
/// The check's own timeout is the limit of the rest.
const LONG: Duration = Duration::from_secs(600);
const SHOWN_CHARS: usize = 120;

pub struct OllamaProbe {
    url: String,
    endpoint: Result<Endpoint, String>,
    model: Option<String>,
    embed: bool,
    embedding: Embedding,
    /// An embedding may take longer than a look, so no look waits for it.
    running: JoinSet<Result<(), String>>,
}

/// What is known of the embeddings that were asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Embedding {
    Never,
    Worked { at: AwakeInstant },
    Failed { at: AwakeInstant, times: u32, why: String },
}

impl Embedding {
    fn is_due(&self, now: AwakeInstant) -> bool {
        match self {
            Self::Never => true,
            Self::Worked { at } => now.since(*at) >= EMBED_EVERY,
            Self::Failed { at, times, .. } => now.since(*at) >= retry_after(*times),
        }
    }

    fn ended(&self, result: Result<(), String>, at: AwakeInstant) -> Self {
        match (result, self) {
            (Ok(()), _) => Self::Worked { at },
            (Err(why), Self::Failed { times, .. }) => {
                Self::Failed { at, times: times.saturating_add(1), why }
            }
            (Err(why), _) => Self::Failed { at, times: 1, why },
        }
    }
}

/// 30 s, 1, 2, 4, 8 and then every 15 minutes.
fn retry_after(times: u32) -> Duration {
    FIRST_RETRY.saturating_mul(1 << times.saturating_sub(1).min(10)).min(EMBED_EVERY)
}

impl OllamaProbe {
    pub fn new(url: String, model: Option<String>, embed: bool) -> Self {
        let endpoint = Endpoint::at(&url);
        Self { url, endpoint, model, embed, embedding: Embedding::Never, running: JoinSet::new() }
    }

    async fn parts(&mut self) -> Result<Seen, Seen> {
        let endpoint = self.endpoint.as_ref().map_err(|e| Seen::new(Status::Unknown, e.clone()))?;
        let fail = |e: Trouble| Seen::new(Status::Fail, format!("{}: {e}", self.url));
        let version = endpoint.get("/api/version", &[], LONG).await.map_err(fail)?;
        let Some(version) = version.get("version").and_then(Value::as_str) else {
            let why = format!("{} answers, but it is not Ollama", self.url);
            return Err(Seen::new(Status::Fail, why).so("Correct its url in steady.toml"));
        };
        let mut parts = vec![format!("Ollama {}", one_line(version, SHOWN_CHARS))];
        if let Some(model) = &self.model {
            let tags = endpoint.get("/api/tags", &[], LONG).await.map_err(fail)?;
            let names = names(&tags);
            if !names.iter().any(|name| same_model(name, model)) {
                let why = format!("Ollama answers, but has no model {model}");
                return Err(Seen::new(Status::Fail, why).so(format!("Pull it: `ollama pull {model}`")));
            }
            parts.push(format!("has {model}"));
        }
        if self.embed
            && let Some(model) = self.model.clone()
        {
            let loaded = endpoint.get("/api/ps", &[], LONG).await.map_err(fail)?;
            let other = names(&loaded).into_iter().find(|name| !same_model(name, &model));
            parts.push(self.embedding(&model, other)?);
        }
        Ok(Seen::new(Status::Pass, parts.join(", ")))
    }

    /// Takes what the last embedding came to, and asks for the next when it is due and `other` is not loaded.
    fn embedding(&mut self, model: &str, other: Option<String>) -> Result<String, Seen> {
        let now = steady_clock::now().awake;
        while let Some(ended) = self.running.try_join_next() {
            let result = ended.unwrap_or_else(|_| Err("it was given up".to_owned()));
            self.embedding = self.embedding.ended(result, now);
        }
        if self.running.is_empty() && other.is_none() && self.embedding.is_due(now) {
            let (url, model) = (self.url.clone(), model.to_owned());
            self.running.spawn(async move { embed(&url, &model).await });
        }
        match (&self.embedding, other) {
            (Embedding::Failed { why, times, .. }, _) => {
                let tries = if *times == 1 { String::new() } else { format!(", {times} times in a row") };
                let why = format!(
                    "Ollama answers, but its runner does not compute: an embedding by {model} failed{tries}: {why}"
                );
                Err(Seen::new(Status::Fail, why).so("Restart Ollama"))
            }
            (Embedding::Worked { at }, _) => Ok(format!("embedded {}", words::ago(now.since(*at)))),
            (Embedding::Never, Some(other)) => {
                Ok(format!("not asked to embed, {} is loaded", one_line(&other, SHOWN_CHARS)))
            }
            (Embedding::Never, None) => Ok("embeds now".to_owned()),
        }
    }
}

async fn embed(url: &str, model: &str) -> Result<(), String> {
    let body = json!({ "model": model, "input": "steady" });
    let answer = match Endpoint::at(url)?.post("/api/embed", &body, EMBED_LIMIT).await {
        Err(Trouble::Overdue) => return Err(format!("no answer within {}", words::span(EMBED_LIMIT))),
        answer => answer.map_err(|e| e.to_string())?,
    };
    let numbers = answer.get("embeddings").and_then(|all| all.get(0)).and_then(Value::as_array);
    if numbers.is_some_and(|numbers| !numbers.is_empty()) {
        Ok(())
    } else {
        Err("an empty answer".to_owned())
    }
}

impl Probe for OllamaProbe {
    async fn look(&mut self) -> Seen {
        match self.parts().await {
            Ok(seen) | Err(seen) => seen,
        }
    }

    fn overdue(&self, timeout: Duration) -> Seen {
        let within = words::span(timeout);
        Seen::new(Status::Fail, format!("no whole answer from {} within {within}", self.url))
    }
}

fn names(list: &Value) -> Vec<String> {
    let models = list.get("models").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    models.iter().filter_map(|m| m.get("name")?.as_str().map(str::to_owned)).collect()
}

/// A name without a tag means `latest`.
fn same_model(one: &str, other: &str) -> bool {
    let bare = |name: &str| name.strip_suffix(":latest").unwrap_or(name).to_owned();
    bare(one) == bare(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_embedding_is_retried_ever_more_rarely_and_a_good_one_resets_that() {
        let waits: Vec<u64> = (1..=7).map(|times| retry_after(times).as_secs()).collect();
        assert_eq!(waits, [30, 60, 120, 240, 480, 900, 900]);
        assert_eq!(retry_after(u32::MAX), EMBED_EVERY);
        let at = steady_clock::now().awake;
        let once = Embedding::Never.ended(Err("dead".to_owned()), at);
        let twice = once.ended(Err("dead".to_owned()), at);
        assert!(matches!(twice, Embedding::Failed { times: 2, .. }));
        assert!(!twice.is_due(at));
        assert!(matches!(twice.ended(Ok(()), at), Embedding::Worked { .. }));
    }

    #[test]
    fn a_model_without_a_tag_is_the_latest() {
        assert!(same_model("nomic-embed-text:latest", "nomic-embed-text"));
        assert!(same_model("qwen3:8b", "qwen3:8b"));
        assert!(!same_model("qwen3:8b", "qwen3"));
    }
}
