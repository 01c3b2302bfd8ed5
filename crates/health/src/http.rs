//! Http: a GET whose status and body say that a service does its work.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, ErrorKind};
use std::time::Duration;

use reqwest::{Client, Response, redirect};
use serde_json::Value;
use steady_model::check::Status;
use steady_model::words;

use crate::probe::{Probe, Seen};

const BODY_LIMIT: usize = 1 << 20;
/// A rate limiter answers instead of the service: alive, but the body says nothing about it.
const TOO_MANY_REQUESTS: u16 = 429;
const SHOWN_CHARS: usize = 80;

pub struct HttpProbe {
    url: String,
    status: Vec<u16>,
    /// Dotted path into the JSON body → the string form of the value it must have.
    body: BTreeMap<String, String>,
    client: Result<Client, String>,
    phase: Phase,
}

/// How far a look has come, to be told when it takes too long.
#[derive(Debug, Clone, Copy)]
enum Phase {
    Answer,
    Body,
}

impl HttpProbe {
    pub fn new(url: String, status: Vec<u16>, body: BTreeMap<String, String>) -> Self {
        // A new connection for each look: a kept one would not notice that nobody accepts any more. No proxy
        // and no redirect: the check means this URL.
        let client = Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .pool_max_idle_per_host(0)
            .user_agent(concat!("steady/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|e| cause(&e));
        Self { url, status, body, client, phase: Phase::Answer }
    }

    async fn get(&mut self) -> Result<Answer, Seen> {
        let client =
            self.client.as_ref().map_err(|e| Seen::new(Status::Unknown, format!("no HTTP client: {e}")))?;
        self.phase = Phase::Answer;
        let begun = steady_clock::now();
        // Never HEAD: the first users' services refuse it.
        let response = client.get(&self.url).send().await.map_err(|e| unreachable(&self.url, &e))?;
        let took = steady_clock::now().awake.since(begun.awake);
        let code = response.status().as_u16();
        self.phase = Phase::Body;
        let body = if self.body.is_empty() || code == TOO_MANY_REQUESTS {
            Ok(Vec::new())
        } else {
            read_bounded(response).await
        };
        Ok(Answer { code, took, body })
    }
}

impl Probe for HttpProbe {
    async fn look(&mut self) -> Seen {
        match self.get().await {
            Ok(answer) => {
                let seen = answer.judge(&self.status, &self.body);
                seen.measuring(answer.took.as_secs_f64(), "seconds")
            }
            Err(seen) => seen,
        }
    }

    fn overdue(&self, timeout: Duration) -> Seen {
        let what = match self.phase {
            Phase::Answer => "no answer from",
            Phase::Body => "an answer, but not its whole body, from",
        };
        Seen::new(Status::Fail, format!("{what} {} within {}", self.url, words::span(timeout)))
    }
}

async fn read_bounded(mut response: Response) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(chunk) =
        response.chunk().await.map_err(|e| format!("its body broke off: {}", cause(&e)))?
    {
        if body.len() + chunk.len() > BODY_LIMIT {
            return Err("its body is larger than 1 MiB".to_owned());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// An answer as far as it was read.
struct Answer {
    code: u16,
    took: Duration,
    body: Result<Vec<u8>, String>,
}

impl Answer {
    fn judge(&self, expected: &[u16], predicates: &BTreeMap<String, String>) -> Seen {
        let head = format!("HTTP {} in {}", self.code, words::span(self.took));
        if self.code == TOO_MANY_REQUESTS {
            // Green needs what the rules ask for, and the limiter did not show it.
            let status = if predicates.is_empty() { Status::Pass } else { Status::Unknown };
            return Seen::new(status, format!("{head}: alive, but it limits the rate of requests"));
        }
        if !expected.contains(&self.code) {
            let expected: Vec<String> = expected.iter().map(u16::to_string).collect();
            return Seen::new(Status::Fail, format!("{head}, expected {}", expected.join(" or ")));
        }
        if predicates.is_empty() {
            return Seen::new(Status::Pass, head);
        }
        let json = match self.body.as_ref().map(|b| serde_json::from_slice::<Value>(b)) {
            Ok(Ok(json)) => json,
            Ok(Err(e)) => return Seen::new(Status::Fail, format!("{head}, but its body is not JSON: {e}")),
            Err(why) => return Seen::new(Status::Fail, format!("{head}, but {why}")),
        };
        let mut passed = Vec::new();
        for (path, want) in predicates {
            match find(&json, path).map(string_form) {
                Some(got) if got == *want => passed.push(format!("{path} \"{}\"", clip(&got))),
                Some(got) => {
                    let why = format!("{head}, but {path} is \"{}\" and not \"{want}\"", clip(&got));
                    return Seen::new(Status::Fail, why);
                }
                None => return Seen::new(Status::Fail, format!("{head}, but its body has no {path}")),
            }
        }
        Seen::new(Status::Pass, format!("{head}, {}", passed.join(", ")))
    }
}

/// `a.b.0.c`: object keys and array positions.
fn find<'a>(json: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(json, |at, key| match at {
        Value::Object(map) => map.get(key),
        Value::Array(list) => list.get(key.parse::<usize>().ok()?),
        _ => None,
    })
}

/// Strings as they are, everything else as its JSON text.
fn string_form(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn clip(text: &str) -> String {
    if text.chars().count() <= SHOWN_CHARS {
        return text.to_owned();
    }
    text.chars().take(SHOWN_CHARS).chain(['…']).collect()
}

fn unreachable(url: &str, e: &reqwest::Error) -> Seen {
    let why = if e.is_builder() {
        return Seen::new(Status::Unknown, format!("{url} cannot be asked: {}", cause(e)));
    } else if e.is_dns() {
        "its host name cannot be resolved".to_owned()
    } else {
        match io_error(e).map(|e| (e.kind(), e.to_string())) {
            Some((ErrorKind::ConnectionRefused, _)) => "connection refused: nothing listens there".to_owned(),
            Some((ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof, _)) => {
                "the connection was closed before an answer".to_owned()
            }
            Some((_, text)) => text,
            None => cause(e),
        }
    };
    Seen::new(Status::Fail, format!("{url}: {why}"))
}

fn causes<'a>(e: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(e), |&e| e.source())
}

fn io_error(e: &reqwest::Error) -> Option<&io::Error> {
    causes(e).find_map(|e| e.downcast_ref())
}

/// The innermost reason; the outer ones repeat the URL.
fn cause(e: &reqwest::Error) -> String {
    causes(e).last().map_or_else(String::new, ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(code: u16, body: &str) -> Answer {
        Answer { code, took: Duration::from_millis(3), body: Ok(body.as_bytes().to_vec()) }
    }

    type Rules = &'static [(&'static str, &'static str)];

    fn rules(rules: &[(&str, &str)]) -> BTreeMap<String, String> {
        rules.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn bodies_are_judged_by_every_rule() {
        let body =
            r#"{"status":"ok","vault":"missing","n":3,"up":true,"gone":null,"parts":[{"a.b":1},{"s":"x"}]}"#;
        let table: &[(Rules, Status, &str)] = &[
            (&[("status", "ok")], Status::Pass, r#"HTTP 200 in 3 ms, status "ok""#),
            (&[("n", "3"), ("up", "true")], Status::Pass, r#"HTTP 200 in 3 ms, n "3", up "true""#),
            (
                &[("gone", "null"), ("parts.1.s", "x")],
                Status::Pass,
                r#"HTTP 200 in 3 ms, gone "null", parts.1.s "x""#,
            ),
            (
                &[("status", "ok"), ("vault", "ok")],
                Status::Fail,
                r#"HTTP 200 in 3 ms, but vault is "missing" and not "ok""#,
            ),
            (&[("postgres", "ok")], Status::Fail, "HTTP 200 in 3 ms, but its body has no postgres"),
            (&[("parts.7.s", "x")], Status::Fail, "HTTP 200 in 3 ms, but its body has no parts.7.s"),
            (&[("status.deep", "x")], Status::Fail, "HTTP 200 in 3 ms, but its body has no status.deep"),
        ];
        for (predicates, status, evidence) in table {
            let seen = answer(200, body).judge(&[200], &rules(predicates));
            assert_eq!((seen.status, seen.evidence.as_str()), (*status, *evidence));
            assert!(!seen.fact, "one odd answer is no fact");
        }
    }

    #[test]
    fn a_rate_limiter_is_alive_but_does_not_make_a_body_rule_green() {
        let seen = answer(429, "").judge(&[200], &rules(&[]));
        assert_eq!(seen.status, Status::Pass, "{}", seen.evidence);
        let seen = answer(429, "").judge(&[200], &rules(&[("status", "ok")]));
        assert_eq!(seen.status, Status::Unknown);
    }
}
