//! Redis and FalkorDB: it answers, it saves, it keeps its files where they outlive it, and its graphs are not empty.
//!
//! A connection of its own for each look: one that is kept would tell a server that was restarted between two
//! looks as down. All commands are reads; graphs are counted by `GRAPH.RO_QUERY`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, IntoConnectionInfo, RedisConnectionInfo, RedisError, Value};
use steady_launch::EnvError;
use steady_model::check::{Sample, Status};
use steady_model::config::{Env, RedisServer, SecretRef};
use steady_model::words;

use crate::probe::{Probe, Seen, one_line};
use crate::worker::Aside;

const SHOWN_CHARS: usize = 120;
const PASSWORD: &str = "password";
const NO_GRAPH: &str =
    "See whether the server reads the right files; else build the graph anew or restore a backup";

pub struct RedisProbe {
    server: RedisServer,
    rules: Rules,
    /// Secrets and directories are looked up beside the runtime's threads: a keychain or a volume may hang.
    password: Aside<Result<Option<String>, EnvError>>,
    directory: Aside<bool>,
    phase: Phase,
}

pub struct Rules {
    pub graphs: Vec<String>,
    pub data_dir: Option<PathBuf>,
    pub max_save_age: Option<Duration>,
}

/// How far a look has come, to be told when it takes too long.
#[derive(Debug, Clone)]
enum Phase {
    Password,
    Answer,
    Command(String),
    Directory(PathBuf),
}

/// What a part of a look found.
type Found = Result<String, Seen>;

impl RedisProbe {
    pub fn new(server: RedisServer, rules: Rules) -> Self {
        Self { server, rules, password: Aside::new(), directory: Aside::new(), phase: Phase::Answer }
    }

    async fn connect(&mut self) -> Result<MultiplexedConnection, Seen> {
        self.phase = Phase::Password;
        let place = self.server.password.clone();
        let password = match self.password.run(move || password(place)).await {
            Ok(Ok(password)) => password,
            Ok(Err(e)) => return Err(Seen::new(Status::Unknown, format!("it cannot be asked: {e}"))),
            Err(e) => return Err(Seen::new(Status::Unknown, format!("its password could not be read: {e}"))),
        };
        self.phase = Phase::Answer;
        let address = &self.server.address;
        let cannot = |e: RedisError| Seen::new(Status::Unknown, format!("{address} cannot be asked: {e}"));
        let settings = RedisConnectionInfo::default().set_skip_set_lib_name();
        let info = format!("redis://{address}").into_connection_info().map_err(cannot)?;
        let client = Client::open(info.set_redis_settings(settings)).map_err(cannot)?;
        // The check's own timeout is the limit.
        let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let mut connection = client
            .get_multiplexed_async_connection_with_config(&config)
            .await
            .map_err(|e| refused(address, &e))?;
        // Not by the client's settings: it keeps the server's reason for a refusal to itself.
        if let Some(password) = password {
            let mut auth = redis::cmd("AUTH");
            auth.arg(password);
            auth.query_async::<()>(&mut connection).await.map_err(|e| refused(address, &e))?;
        }
        Ok(connection)
    }

    async fn ask(
        &mut self,
        connection: &mut MultiplexedConnection,
        words: &[&str],
    ) -> Result<Value, RedisError> {
        self.phase = Phase::Command(words.iter().take(2).copied().collect::<Vec<_>>().join(" "));
        let mut command = redis::Cmd::new();
        for word in words {
            command.arg(*word);
        }
        command.query_async(connection).await
    }

    async fn whole(&mut self) -> Seen {
        match self.parts().await {
            Ok(seen) | Err(seen) => seen,
        }
    }

    async fn parts(&mut self) -> Result<Seen, Seen> {
        let begun = steady_clock::now();
        let mut connection = self.connect().await?;
        let address = self.server.address.clone();
        self.ask(&mut connection, &["PING"]).await.map_err(|e| refused(&address, &e))?;
        let took = steady_clock::now().awake.since(begun.awake);
        let mut parts = vec![format!("PING answered in {}", words::span(took))];
        let mut samples = Vec::new();
        // A failure further on is worse than what is not told.
        let mut doubt = None;
        match self.ask(&mut connection, &["INFO", "persistence"]).await {
            Ok(info) => {
                let info = text(&info).unwrap_or_default();
                parts.push(Persistence::read(&info).judge(self.rules.max_save_age)?);
            }
            Err(e) => {
                let evidence = format!("whether it saves is not known: {}", said(&e));
                doubt = self.rules.max_save_age.map(|_| untold(evidence.clone()));
                parts.push(evidence);
            }
        }
        if let Some(wanted) = self.rules.data_dir.clone() {
            match self.data_dir(&mut connection, wanted).await {
                Err(seen) if seen.status == Status::Unknown => doubt = Some(seen),
                found => parts.push(found?),
            }
        }
        for graph in self.rules.graphs.clone() {
            let nodes = self.nodes(&mut connection, &graph).await?;
            samples.push(sample(&graph, nodes));
            parts.push(format!("graph {graph} has {nodes} nodes"));
        }
        let seen = doubt.unwrap_or_else(|| Seen::new(Status::Pass, parts.join(", ")));
        let seen = seen.measuring(took.as_secs_f64(), "seconds");
        Ok(Seen { samples, ..seen })
    }

    /// A container whose server writes beside its mount answers everything, and loses all of it with the container.
    async fn data_dir(&mut self, connection: &mut MultiplexedConnection, wanted: PathBuf) -> Found {
        let told = match self.ask(connection, &["CONFIG", "GET", "dir"]).await {
            Ok(told) => pair(told),
            Err(e) => {
                return Err(untold(format!("where it keeps its files may not be asked ({})", said(&e))));
            }
        };
        let Some(told) = told.map(PathBuf::from) else {
            return Err(untold("it does not say where it keeps its files".to_owned()));
        };
        self.phase = Phase::Directory(wanted.clone());
        let (one, other) = (wanted.clone(), told.clone());
        match self.directory.run(move || same(&one, &other)).await {
            Ok(true) => Ok(format!("files in {}", told.display())),
            Ok(false) => Err(Seen::new(
                Status::Fail,
                format!(
                    "it keeps its files in {} and not in {}: what it saves is lost with its container or its next \
                     start",
                    told.display(),
                    wanted.display()
                ),
            )
            .so("Set the server's `dir`, or mount the volume where it writes, before it is restarted")),
            Err(e) => Err(Seen::new(Status::Unknown, format!("its directory could not be looked at: {e}"))),
        }
    }

    async fn nodes(&mut self, connection: &mut MultiplexedConnection, graph: &str) -> Result<i64, Seen> {
        let fail = |what: String| Seen::new(Status::Fail, what);
        let listed = match self.ask(connection, &["GRAPH.LIST"]).await {
            Ok(Value::Array(names)) => names.iter().filter_map(text).collect::<Vec<_>>(),
            Ok(other) => return Err(fail(format!("GRAPH.LIST answered {other:?}"))),
            Err(e) if said(&e).contains("unknown command") => {
                return Err(fail(format!(
                    "it answers, but it is plain Redis without FalkorDB's module, so graph {graph} is not there"
                ))
                .so("Start FalkorDB there instead, or leave `graphs` out"));
            }
            Err(e) => return Err(fail(format!("graphs cannot be listed: {}", said(&e)))),
        };
        // Asking a graph that is not there could make an empty one.
        if !listed.iter().any(|name| name == graph) {
            return Err(fail(format!("it answers, but graph {graph} is not there")).so(NO_GRAPH));
        }
        let query = ["GRAPH.RO_QUERY", graph, "MATCH (n) RETURN count(n)"];
        let answer =
            self.ask(connection, &query).await.map_err(|e| fail(format!("graph {graph}: {}", said(&e))))?;
        match first_number(&answer) {
            Some(0) => Err(Seen {
                samples: vec![sample(graph, 0)],
                ..fail(format!("graph {graph} is empty")).so(NO_GRAPH)
            }),
            Some(nodes) => Ok(nodes),
            None => Err(fail(format!("graph {graph} answered without a number"))),
        }
    }
}

impl Probe for RedisProbe {
    async fn look(&mut self) -> Seen {
        self.whole().await
    }

    fn overdue(&self, timeout: Duration) -> Seen {
        let (within, address) = (words::span(timeout), &self.server.address);
        match &self.phase {
            Phase::Password => {
                Seen::new(Status::Unknown, format!("its password was not found within {within}"))
            }
            Phase::Answer => Seen::new(Status::Fail, format!("no answer from {address} within {within}")),
            Phase::Command(words) => {
                Seen::new(Status::Fail, format!("{address} did not answer {words} within {within}"))
            }
            Phase::Directory(path) => Seen::new(
                Status::Unknown,
                format!("{} could not be looked at within {within}", path.display()),
            ),
        }
    }
}

fn sample(graph: &str, nodes: i64) -> Sample {
    #[expect(clippy::cast_precision_loss, reason = "no graph has 2^53 nodes")]
    let value = nodes as f64;
    Sample {
        metric: "steady_graph_nodes".to_owned(),
        labels: [("graph".to_owned(), graph.to_owned())].into(),
        value,
    }
}

/// Blocks.
fn password(place: Option<SecretRef>) -> Result<Option<String>, EnvError> {
    let Some(place) = place else { return Ok(None) };
    let wanted = Env { secrets: [(PASSWORD.to_owned(), place)].into(), ..Env::default() };
    let found = steady_launch::environment(&wanted, [])?;
    Ok(found.get(PASSWORD).map(|value| value.to_string_lossy().into_owned()))
}

/// Links and `..` count for nothing. A directory that is not there is not the same as any other.
fn same(one: &Path, other: &Path) -> bool {
    matches!((fs::canonicalize(one), fs::canonicalize(other)), (Ok(one), Ok(other)) if one == other)
}

/// What `INFO persistence` says.
#[derive(Debug, Default)]
struct Persistence {
    loading: bool,
    failed: Vec<&'static str>,
    saved: Option<i64>,
}

impl Persistence {
    fn read(info: &str) -> Self {
        let field =
            |name: &str| info.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(':'));
        let mut failed = Vec::new();
        for (name, what) in [
            ("rdb_last_bgsave_status", "its last save failed"),
            ("aof_last_write_status", "its last write to the append-only file failed"),
        ] {
            if field(name).is_some_and(|status| status != "ok") {
                failed.push(what);
            }
        }
        Self {
            loading: field("loading") == Some("1"),
            failed,
            saved: field("rdb_last_save_time").and_then(|time| time.parse().ok()),
        }
    }

    fn judge(&self, max_age: Option<Duration>) -> Found {
        if self.loading {
            return Err(loading(""));
        }
        if !self.failed.is_empty() {
            let why = self.failed.join(" and ");
            return Err(Seen::new(Status::Fail, why).so("Look at its log and at the space on its volume"));
        }
        let now = steady_clock::now().wall.0.as_second();
        let odd = |told: &str| match max_age {
            Some(_) => Err(untold(told.to_owned())),
            None => Ok(told.to_owned()),
        };
        let Some(saved) = self.saved else { return odd("when it saved last is not known") };
        let Ok(age) = u64::try_from(now.saturating_sub(saved)).map(Duration::from_secs) else {
            return odd("its last save lies in the future");
        };
        match max_age.filter(|max| age > *max) {
            Some(max) => Err(Seen::new(
                Status::Warn,
                format!("saved {}, which is more than {}", words::ago(age), words::span(max)),
            )),
            None => Ok(format!("saved {}", words::ago(age))),
        }
    }
}

fn refused(address: &str, e: &RedisError) -> Seen {
    let what = said(e);
    let fail = |why: &str| Seen::new(Status::Fail, format!("{address}: {why}"));
    if e.is_connection_refusal() {
        fail("connection refused: nothing listens there").so("Start the server, then read its log")
    } else if what.contains("max number of clients") {
        fail("it has as many clients as it takes (maxclients)").so("See who keeps its connections open")
    } else if what.contains("WRONGPASS") || what.contains("invalid password") {
        fail("it refuses the password").so("Put the right one where `password` in steady.toml points")
    } else if what.contains("NOAUTH") {
        fail("it wants a password, and none is configured").so("Set `password` in steady.toml")
    } else if what.contains("LOADING") {
        loading(&format!("{address}: "))
    } else if what.contains("MASTERDOWN") {
        fail("it is a replica whose master does not answer").so("See to its master")
    } else if e.is_connection_dropped() {
        fail("the connection was closed before an answer")
    } else {
        fail(&what)
    }
}

fn loading(whose: &str) -> Seen {
    Seen::new(Status::Warn, format!("{whose}it is still loading its data")).so("Wait until it has")
}

/// What the configuration asks for and the server does not tell is not green.
fn untold(evidence: String) -> Seen {
    Seen::new(Status::Unknown, evidence)
        .so("Let the check's user run INFO and CONFIG GET, or leave `max_age` and `data_dir` out")
}

/// The server's own words.
fn said(e: &RedisError) -> String {
    one_line(&e.to_string(), SHOWN_CHARS)
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Some(text.clone()),
        _ => None,
    }
}

/// The value of an answer of one key and its value.
fn pair(value: Value) -> Option<String> {
    match value {
        Value::Array(items) => items.get(1).and_then(text),
        Value::Map(pairs) => pairs.first().and_then(|(_, value)| text(value)),
        _ => None,
    }
}

/// An answer is a header, rows and statistics; the number is in the first row.
fn first_number(answer: &Value) -> Option<i64> {
    let Value::Array(parts) = answer else { return None };
    let Some(Value::Array(rows)) = parts.get(1) else { return None };
    let Some(Value::Array(row)) = rows.first() else { return None };
    match row.first() {
        Some(Value::Int(n)) => Some(*n),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_cannot_save_or_is_loading_is_not_green() {
        let judge = |info: &str| match Persistence::read(info).judge(None) {
            Ok(_) => (Status::Pass, String::new()),
            Err(seen) => (seen.status, seen.evidence),
        };
        let good =
            "loading:0\r\nrdb_last_bgsave_status:ok\r\nrdb_last_save_time:1\r\naof_last_write_status:ok\r\n";
        assert_eq!(judge(good).0, Status::Pass);
        assert_eq!(judge(&good.replace("loading:0", "loading:1")).0, Status::Warn);
        let (status, why) = judge(&good.replace("bgsave_status:ok", "bgsave_status:err"));
        assert!(status == Status::Fail && why.contains("its last save failed"), "{why}");
        let (status, why) = judge(&good.replace("write_status:ok", "write_status:err"));
        assert!(status == Status::Fail && why.contains("append-only"), "{why}");
        let old = Persistence::read(good).judge(Some(Duration::from_secs(60))).unwrap_err();
        assert!(old.status == Status::Warn && old.evidence.contains("more than"), "{}", old.evidence);
    }

    #[test]
    fn the_number_of_nodes_is_read_from_the_answer_of_a_graph() {
        let row = |n| Value::Array(vec![Value::Int(n)]);
        let answer =
            Value::Array(vec![Value::Array(vec![]), Value::Array(vec![row(7)]), Value::Array(vec![])]);
        assert_eq!(first_number(&answer), Some(7));
        assert_eq!(first_number(&Value::Array(vec![])), None);
    }
}
