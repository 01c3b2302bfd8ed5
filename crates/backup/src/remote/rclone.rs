//! The user's own rclone as a server on its standard input and output: it listens nowhere, and when this process is
//! gone, however hard, its input ends and so does it.

use std::collections::VecDeque;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use steady_model::config::CopyPlace;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStderr, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::Login;
use super::error::{RemoteError, deepest, is_of_the_network};
use super::upload::Upload;
use crate::error::BackupError;

/// It never asks anybody, tells only what is wrong, and gives up soon: what failed is tried again by the agent.
const ARGUMENTS: [&str; 8] = [
    "serve",
    "restic",
    "--stdio",
    "--ask-password=false",
    "--log-level=ERROR",
    "--contimeout=20s",
    "--low-level-retries=3",
    "--retries=1",
];
/// The name of the remote that is made of an `s3:` place, in its environment.
const S3: &str = "steady";
/// A program whose input ended is gone at once, or it does not heed that.
const ENDING: Duration = Duration::from_secs(3);
const LINES: usize = 20;

/// The last lines it wrote.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<VecDeque<String>>>);

pub(super) struct Rclone {
    place: String,
    send: SendRequest<Upload>,
    connection: JoinHandle<()>,
    child: Child,
    said: Said,
    listening: JoinHandle<()>,
}

impl Rclone {
    pub(super) async fn start(to: &CopyPlace, login: Option<&Login>) -> Result<Self, BackupError> {
        let (mut command, program) = command(to, login)?;
        let spawned = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn();
        let failed = |why: String| RemoteError::Program { program: program.clone(), why };
        let mut child = spawned.map_err(|e| failed(e.to_string()))?;
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(failed("it has no pipes".to_owned()).into());
        };
        let said = Said::default();
        let listening = tokio::spawn(said.clone().listen(stderr));
        let pipes = TokioIo::new(tokio::io::join(stdout, stdin));
        let place = to.to_string();
        let (send, connection) = match handshake(TokioExecutor::new(), pipes).await {
            Ok(connected) => connected,
            Err(e) => {
                let _ = timeout(ENDING, child.wait()).await;
                let _ = timeout(ENDING, listening).await;
                return Err(said.ended(&place, &deepest(&e)).into());
            }
        };
        let connection = tokio::spawn(async move {
            // Why it ended is told by what was under way.
            let _ = connection.await;
        });
        Ok(Self { place, send, connection, child, said, listening })
    }

    pub(super) async fn send(&self, request: Request<Upload>) -> Result<Response<Incoming>, RemoteError> {
        let sent = self.send.clone().send_request(request).await;
        match sent {
            Ok(response) => Ok(response),
            Err(e) => {
                // Its last words are worth a moment.
                let over = async {
                    while !self.listening.is_finished() {
                        super::pace::wait(Duration::from_millis(20)).await;
                    }
                };
                let _ = timeout(ENDING, over).await;
                Err(self.said.ended(&self.place, &deepest(&e)))
            }
        }
    }

    /// What it wrote last of what went wrong.
    pub(super) fn said(&self) -> Option<String> {
        self.said.last()
    }

    /// Ends it by the end of its input; what does not heed that is killed.
    pub(super) async fn end(&mut self) {
        self.connection.abort();
        if timeout(ENDING, self.child.wait()).await.is_err() {
            let _ = self.child.kill().await;
        }
    }
}

fn command(to: &CopyPlace, login: Option<&Login>) -> Result<(Command, String), BackupError> {
    let strange = || BackupError::Worker { why: format!("{to} is not reached by rclone") };
    let (CopyPlace::Rclone { program: words, .. } | CopyPlace::S3 { program: words, .. }) = to else {
        return Err(strange());
    };
    let (program, before) = words.split_first().ok_or_else(strange)?;
    let mut command = Command::new(program);
    command.args(before).args(ARGUMENTS);
    match to {
        CopyPlace::Rclone { remote, .. } => {
            command.args(["--", remote]);
        }
        CopyPlace::S3 { endpoint, path, region, .. } => {
            let login = login.ok_or_else(|| RemoteError::Login {
                place: to.to_string(),
                why: "there is none".to_owned(),
            })?;
            // What the agent's environment says of Amazon is meant for others, and its library heeds it.
            for (name, _) in std::env::vars_os() {
                if name.as_encoded_bytes().starts_with(b"AWS_") {
                    command.env_remove(name);
                }
            }
            // Without a configuration file: the remote is in the environment, which others cannot read.
            command.args(["--config=", "--", &format!("{S3}:{path}")]);
            let set = [
                ("TYPE", "s3"),
                ("PROVIDER", "Other"),
                ("ENV_AUTH", "false"),
                // A bucket is made by who pays for it.
                ("NO_CHECK_BUCKET", "true"),
                ("ENDPOINT", endpoint),
                ("REGION", region.as_deref().unwrap_or_default()),
                ("ACCESS_KEY_ID", &login.user),
                ("SECRET_ACCESS_KEY", &login.password),
            ];
            for (name, value) in set {
                command.env(format!("RCLONE_CONFIG_{}_{name}", S3.to_uppercase()), value);
            }
        }
        CopyPlace::Folder { .. } | CopyPlace::Rest { .. } => return Err(strange()),
    }
    Ok((command, program.clone()))
}

impl Said {
    async fn listen(self, stderr: ChildStderr) {
        let mut lines = BufReader::new(stderr).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            if let Ok(mut kept) = self.0.lock() {
                kept.push_back(line);
                let excess = kept.len().saturating_sub(LINES);
                kept.drain(..excess);
            }
        }
    }

    fn last(&self) -> Option<String> {
        let kept = self.0.lock().ok()?;
        kept.iter().rev().find_map(|line| words_of(line)).map(str::to_owned)
    }

    /// The error of a connection that ended.
    fn ended(&self, place: &str, otherwise: &str) -> RemoteError {
        let place = place.to_owned();
        match self.last() {
            Some(why) if is_of_the_network(&why) => RemoteError::Unreachable { place, why },
            Some(why) => RemoteError::Refused { place, why: format!("rclone: {why}") },
            None => RemoteError::Unreachable { place, why: format!("rclone ended ({otherwise})") },
        }
    }
}

/// What a line of its log says, without its time and its level; what goes on from the line before is left out.
fn words_of(line: &str) -> Option<&str> {
    if line.starts_with(char::is_whitespace) || line.starts_with("caused by") {
        return None;
    }
    let is_time = |word: &str| word.starts_with(|c: char| c.is_ascii_digit());
    let mut rest = line.trim();
    for _ in 0..2 {
        rest = rest
            .split_once(' ')
            .filter(|(word, _)| is_time(word))
            .map_or(rest, |(_, rest)| rest.trim_start());
    }
    for level in ["ERROR", "CRITICAL"] {
        let said = rest.strip_prefix(level).map(str::trim_start).and_then(|r| r.strip_prefix(':'));
        rest = said.map_or(rest, str::trim_start);
    }
    Some(rest).filter(|words| !words.is_empty() && !words.starts_with("NOTICE"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_its_log_is_told_without_time_and_level() {
        let failed = "Failed to create file system for \"nas:x\": didn't find section in config file";
        assert_eq!(words_of(&format!("2026/11/23 20:00:00 {failed}")), Some(failed));
        assert_eq!(
            words_of("2026/11/23 20:00:00 ERROR : data/ab: no space left"),
            Some("data/ab: no space left")
        );
        assert_eq!(words_of("2026/11/23 20:00:00 NOTICE: Config file not found"), None);
        assert_eq!(words_of("\tstatus code: 404, request id: x, host id: "), None);
        assert_eq!(words_of(""), None);
    }
}
