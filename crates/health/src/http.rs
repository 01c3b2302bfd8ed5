//! Http: a GET whose status and body say that a service does its work.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::sync::LazyLock;
use std::time::Duration;

use reqwest::{Client, Response};
use serde_json::Value;
use steady_model::check::Status;
use steady_model::config::Predicate;
use steady_model::latency::Latency;
use steady_model::words;

use crate::http_client::{self, cause, io_error};
use crate::probe::{Probe, Seen};

const BODY_LIMIT: usize = 1 << 20;
/// A rate limiter answers instead of the service: alive, but the body says nothing about it.
const TOO_MANY_REQUESTS: u16 = 429;
const SHOWN_CHARS: usize = 80;
const ASKED_WRONGLY: &str = "Correct its url or status in steady.toml, or what answers there";
const NAMED_WRONGLY: &str = "Correct its url in steady.toml, or see whether this machine resolves names";
const SAYS_SO: &str = "Open that address in a browser and mend what it tells of";

pub struct HttpProbe {
    url: String,
    rules: Rules,
    latency: Latency,
    phase: Phase,
}

/// One for all checks, which share nothing but its settings.
static CLIENT: LazyLock<Result<Client, String>> = LazyLock::new(|| http_client::build(Client::builder()));

/// What an answer must be like.
pub struct Rules {
    pub status: Vec<u16>,
    /// Dotted path into the JSON body → what the string form of its value must be, else it fails.
    pub body: BTreeMap<String, Predicate>,
    /// Likewise, else it warns.
    pub warn_body: BTreeMap<String, Predicate>,
    /// An answer that takes longer is a warning.
    pub slow: Option<Duration>,
}

impl Rules {
    fn ask_for_body(&self) -> bool {
        !self.body.is_empty() || !self.warn_body.is_empty()
    }
}

/// How far a look has come, to be told when it takes too long.
#[derive(Debug, Clone, Copy)]
enum Phase {
    Answer,
    Body,
}

impl HttpProbe {
    pub fn new(url: String, rules: Rules) -> Self {
        Self { url, rules, latency: Latency::default(), phase: Phase::Answer }
    }

    async fn get(&mut self) -> Result<Answer, Seen> {
        let client =
            CLIENT.as_ref().map_err(|e| Seen::new(Status::Unknown, format!("no HTTP client: {e}")))?;
        self.phase = Phase::Answer;
        let begun = steady_clock::now();
        // Never HEAD: the first users' services refuse it.
        let response = client.get(&self.url).send().await.map_err(|e| unreachable(&self.url, &e))?;
        let took = steady_clock::now().awake.since(begun.awake);
        let code = response.status().as_u16();
        self.phase = Phase::Body;
        let body = if !self.rules.ask_for_body() || code == TOO_MANY_REQUESTS {
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
                let seen = answer.judge(&self.rules);
                // How long a refusal takes says nothing of the work.
                let is_answer = matches!(seen.status, Status::Pass | Status::Warn);
                let slower = if is_answer { self.latency.note(answer.took) } else { None };
                seen.or_slower(slower).measuring(answer.took.as_secs_f64(), "seconds")
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
    fn judge(&self, rules: &Rules) -> Seen {
        let head = format!("HTTP {} in {}", self.code, words::span(self.took));
        if self.code == TOO_MANY_REQUESTS {
            // Green needs what the rules ask for, and the limiter did not show it.
            let status = if rules.ask_for_body() { Status::Unknown } else { Status::Pass };
            return Seen::new(status, format!("{head}: alive, but it limits the rate of requests"))
                .so("Give the check a longer interval, or lift the limit for it");
        }
        if !rules.status.contains(&self.code) {
            let expected: Vec<String> = rules.status.iter().map(u16::to_string).collect();
            let told = self.complaints(rules).map(|why| format!(": {why}")).unwrap_or_default();
            let seen = Seen::new(Status::Fail, format!("{head}, expected {}{told}", expected.join(" or ")));
            return match self.code {
                // It answers, and says that it was asked for the wrong thing.
                300..=399 | 400..=405 | 410 => seen.so(ASKED_WRONGLY),
                _ => seen,
            };
        }
        let passed = match self.judge_body(rules) {
            Ok(passed) => passed,
            Err((Status::Warn, why)) => {
                return Seen::new(Status::Warn, format!("{head}, but {why}")).so(SAYS_SO);
            }
            Err((status, why)) => return Seen::new(status, format!("{head}, but {why}")),
        };
        let evidence = [head].into_iter().chain(passed).collect::<Vec<_>>().join(", ");
        match rules.slow.filter(|slow| self.took > *slow) {
            Some(slow) => {
                Seen::new(Status::Warn, format!("{evidence}; more than {} is slow", words::span(slow)))
            }
            None => Seen::new(Status::Pass, evidence),
        }
    }

    /// What a refusal says of the rules, where it says anything.
    fn complaints(&self, rules: &Rules) -> Option<String> {
        let json = self.body.as_ref().ok().and_then(|body| serde_json::from_slice::<Value>(body).ok())?;
        let spoken = |(path, _): &(&String, &Predicate)| find(&json, path).is_some();
        judge_rules(&json, rules.body.iter().filter(spoken), Status::Fail).err().map(|(_, why)| why)
    }

    /// What it says of each rule, or of those that do not hold: the ones that fail, else the ones that warn.
    fn judge_body(&self, rules: &Rules) -> Result<Vec<String>, (Status, String)> {
        if !rules.ask_for_body() {
            return Ok(Vec::new());
        }
        let json = match self.body.as_ref().map(|b| serde_json::from_slice::<Value>(b)) {
            Ok(Ok(json)) => json,
            Ok(Err(e)) => return Err((Status::Fail, format!("its body is not JSON: {e}"))),
            Err(why) => return Err((Status::Fail, why.clone())),
        };
        let mut passed = judge_rules(&json, rules.body.iter(), Status::Fail)?;
        passed.extend(judge_rules(&json, rules.warn_body.iter(), Status::Warn)?);
        Ok(passed)
    }
}

fn judge_rules<'r>(
    json: &Value,
    rules: impl Iterator<Item = (&'r String, &'r Predicate)>,
    else_status: Status,
) -> Result<Vec<String>, (Status, String)> {
    let (mut passed, mut broken) = (Vec::new(), Vec::new());
    for (path, rule) in rules {
        let got = find(json, path).map(string_form);
        match (rule.holds(got.as_deref()), got) {
            (true, Some(got)) => passed.push(format!("{path} \"{}\"", clip(&got))),
            (true, None) => {}
            (false, Some(got)) if rule.not => broken.push(format!("{path} is \"{}\"", clip(&got))),
            (false, Some(got)) => broken.push(format!("{path} is \"{}\" and not \"{rule}\"", clip(&got))),
            (false, None) => broken.push(format!("its body has no {path}")),
        }
    }
    if broken.is_empty() { Ok(passed) } else { Err((else_status, broken.join(", "))) }
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
        return Seen::new(Status::Unknown, format!("{url} cannot be asked: {}", cause(e))).so(NAMED_WRONGLY);
    } else if e.is_dns() {
        let evidence = format!("{url}: its host name cannot be resolved");
        return Seen::new(Status::Fail, evidence).so(NAMED_WRONGLY);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(code: u16, body: &str) -> Answer {
        Answer { code, took: Duration::from_millis(3), body: Ok(body.as_bytes().to_vec()) }
    }

    type Typed = &'static [(&'static str, &'static str)];

    fn map(typed: &[(&str, &str)]) -> BTreeMap<String, Predicate> {
        let predicate = |text: &str| match text.strip_prefix('!') {
            Some(text) => Predicate { not: true, alternatives: vec![text.to_owned()] },
            None => Predicate { not: false, alternatives: vec![text.to_owned()] },
        };
        typed.iter().map(|(path, text)| ((*path).to_owned(), predicate(text))).collect()
    }

    fn rules(body: &[(&str, &str)]) -> Rules {
        Rules { status: vec![200], body: map(body), warn_body: BTreeMap::new(), slow: None }
    }

    #[test]
    fn bodies_are_judged_by_every_rule() {
        let body =
            r#"{"status":"ok","vault":"missing","n":3,"up":true,"gone":null,"parts":[{"a.b":1},{"s":"x"}]}"#;
        let table: &[(Typed, Status, &str)] = &[
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
            (&[("vault", "!missing")], Status::Fail, r#"HTTP 200 in 3 ms, but vault is "missing""#),
            (&[("sync", "!stale")], Status::Pass, "HTTP 200 in 3 ms"),
            (&[("postgres", "ok")], Status::Fail, "HTTP 200 in 3 ms, but its body has no postgres"),
            (
                &[("status", "!ok"), ("vault", "ok")],
                Status::Fail,
                r#"HTTP 200 in 3 ms, but status is "ok", vault is "missing" and not "ok""#,
            ),
            (&[("parts.7.s", "x")], Status::Fail, "HTTP 200 in 3 ms, but its body has no parts.7.s"),
            (&[("status.deep", "x")], Status::Fail, "HTTP 200 in 3 ms, but its body has no status.deep"),
        ];
        for (predicates, status, evidence) in table {
            let seen = answer(200, body).judge(&rules(predicates));
            assert_eq!((seen.status, seen.evidence.as_str()), (*status, *evidence));
            assert!(!seen.fact, "one odd answer is no fact");
        }
    }

    #[test]
    fn a_refusal_names_the_part_that_its_body_blames() {
        let soft = rules(&[("status", "healthy"), ("postgres", "ok"), ("graph", "ok")]);
        let evidence = |body: &str| answer(503, body).judge(&soft).evidence;
        assert_eq!(
            evidence(r#"{"status":"healthy","postgres":"error: PoolTimeout"}"#),
            r#"HTTP 503 in 3 ms, expected 200: postgres is "error: PoolTimeout" and not "ok""#
        );
        assert_eq!(evidence("<html>"), "HTTP 503 in 3 ms, expected 200");
        assert_eq!(evidence("{}"), "HTTP 503 in 3 ms, expected 200");
    }

    #[test]
    fn softer_rules_and_slow_answers_warn() {
        let soft = Rules { warn_body: map(&[("disk", "!low"), ("n", "3")]), ..rules(&[("status", "ok")]) };
        let seen = |body: &str| answer(200, body).judge(&soft);
        assert_eq!(seen(r#"{"status":"ok","n":3}"#).status, Status::Pass);
        assert_eq!(seen(r#"{"status":"ok","n":3,"disk":"low"}"#).status, Status::Warn);
        assert_eq!(seen(r#"{"status":"ok"}"#).evidence, "HTTP 200 in 3 ms, but its body has no n");
        assert_eq!(seen(r#"{"status":"no","disk":"low"}"#).status, Status::Fail, "the worse rule counts");
        let strict = Rules { slow: Some(Duration::from_millis(2)), ..rules(&[]) };
        let slow = answer(200, "").judge(&strict);
        assert_eq!(
            (slow.status, slow.evidence.as_str()),
            (Status::Warn, "HTTP 200 in 3 ms; more than 2 ms is slow")
        );
    }

    #[test]
    fn a_rate_limiter_is_alive_but_does_not_make_a_body_rule_green() {
        let seen = answer(429, "").judge(&rules(&[]));
        assert_eq!(seen.status, Status::Pass, "{}", seen.evidence);
        let seen = answer(429, "").judge(&rules(&[("status", "ok")]));
        assert_eq!(seen.status, Status::Unknown);
    }
}
