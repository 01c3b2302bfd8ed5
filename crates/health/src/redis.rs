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
        match self.ask(&mut connection, &["INFO", "persistence"]).await {
            Ok(info) => {
                let info = text(&info).unwrap_or_default();
                parts.push(Persistence::read(&info).judge(self.rules.max_save_age)?);
            }
            Err(e) => parts.push(format!("whether it saves is not known: {}", said(&e))),
        }
        if let Some(wanted) = self.rules.data_dir.clone() {
            parts.push(self.data_dir(&mut connection, wanted).await?);
        }
        for graph in self.rules.graphs.clone() {
            let nodes = self.nodes(&mut connection, &graph).await?;
            samples.push(sample(&graph, nodes));
            parts.push(format!("graph {graph} has {nodes} nodes"));
        }
        let seen = Seen::new(Status::Pass, parts.join(", ")).measuring(took.as_secs_f64(), "seconds");
        Ok(Seen { samples, ..seen })
    }

    /// A container whose server writes beside its mount answers everything, and loses all of it with the container.
    async fn data_dir(&mut self, connection: &mut MultiplexedConnection, wanted: PathBuf) -> Found {
        let told = match self.ask(connection, &["CONFIG", "GET", "dir"]).await {
            Ok(told) => pair(told),
            Err(e) => return Ok(format!("where it keeps its files may not be asked ({})", said(&e))),
        };
        let Some(told) = told.map(PathBuf::from) else {
            return Ok("it does not say where it keeps its files".to_owned());
        };
        self.phase = Phase::Directory(wanted.clone());
        let (one, other) = (wanted.clone(), told.clone());
        match self.directory.run(move || same(&one, &other)).await {
            Ok(true) => Ok(format!("files in {}", told.display())),
            Ok(false) => Err(Seen::new(
                Status::Fail,
                format!(
                    "it keeps its files in {} and not in {}: what it saves is lost with its container or its next \
                     start; set `dir`",
                    told.display(),
                    wanted.display()
                ),
            )),
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
                )));
            }
            Err(e) => return Err(fail(format!("graphs cannot be listed: {}", said(&e)))),
        };
        // Asking a graph that is not there could make an empty one.
        if !listed.iter().any(|name| name == graph) {
            return Err(fail(format!("it answers, but graph {graph} is not there")));
        }
        let query = ["GRAPH.RO_QUERY", graph, "MATCH (n) RETURN count(n)"];
        let answer =
            self.ask(connection, &query).await.map_err(|e| fail(format!("graph {graph}: {}", said(&e))))?;
        match first_number(&answer) {
            Some(0) => {
                Err(Seen { samples: vec![sample(graph, 0)], ..fail(format!("graph {graph} is empty")) })
            }
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
            return Err(Seen::new(Status::Warn, "it is still loading its data"));
        }
        if !self.failed.is_empty() {
            let why = self.failed.join(" and ");
            return Err(Seen::new(
                Status::Fail,
                format!("{why}; look at its log and at the space on its volume"),
            ));
        }
        let now = steady_clock::now().wall.0.as_second();
        let Some(saved) = self.saved else { return Ok("when it saved last is not known".to_owned()) };
        let Ok(age) = u64::try_from(now.saturating_sub(saved)).map(Duration::from_secs) else {
            return Ok("its last save lies in the future".to_owned());
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
    let why = if e.is_connection_refusal() {
        "connection refused: nothing listens there".to_owned()
    } else if what.contains("max number of clients") {
        "it has as many clients as it takes (maxclients)".to_owned()
    } else if what.contains("WRONGPASS") || what.contains("invalid password") {
        "it refuses the password".to_owned()
    } else if what.contains("NOAUTH") {
        "it wants a password, and none is configured; set `password`".to_owned()
    } else if what.contains("LOADING") {
        return Seen::new(Status::Warn, format!("{address}: it is still loading its data"));
    } else if what.contains("MASTERDOWN") {
        "it is a replica whose master does not answer".to_owned()
    } else if e.is_connection_dropped() {
        "the connection was closed before an answer".to_owned()
    } else {
        what
    };
    Seen::new(Status::Fail, format!("{address}: {why}"))
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
