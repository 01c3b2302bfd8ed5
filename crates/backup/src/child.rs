//! Runs the engine as a child process: ended with all that it started when it is cancelled, or when the future that
//! waits for it is dropped.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};

use command_fds::CommandFdExt;
use steady_launch::Secret;
use steady_model::config::IoClass;
use steady_model::process::SMALL_HEAP;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{ChildStderr, ChildStdin, ChildStdout};
use zeroize::Zeroizing;

use crate::cancel::Cancel;
use crate::error::BackupError;
use crate::group::{Group, Leaving, sign_of_life};
use crate::priority;
use crate::protocol::{Command, Done, Event, Progress, Request};
use crate::quiet::Hush;

/// How the engine is started: this program with `steady engine`'s arguments.
#[derive(Debug, Clone)]
pub struct EngineCommand {
    pub program: PathBuf,
    pub args: Vec<OsString>,
}

/// The last words of an engine that died; a panic's message is at the end.
const LAST_WORDS: usize = 2000;

/// Starts engines, each when those before it are gone.
pub(crate) struct Engines {
    command: EngineCommand,
    io: IoClass,
    leaving: Leaving,
}

type OnProgress<'a> = &'a (dyn Fn(Progress) + Send + Sync);

fn pipe(doing: &'static str) -> impl Fn(std::io::Error) -> BackupError {
    move |source| BackupError::EnginePipe { doing, source }
}

impl Engines {
    pub(crate) fn new(command: EngineCommand, io: IoClass) -> Self {
        Self { command, io, leaving: Leaving::default() }
    }

    /// `key` goes over the engine's input, which nobody else can read.
    pub(crate) async fn run(
        &self,
        request: &Request,
        key: &Secret,
        on_progress: OnProgress<'_>,
    ) -> Result<Done, BackupError> {
        self.run_hushing(request, key, on_progress, None).await
    }

    /// `hush` stops and starts the services when the engine asks for it.
    pub(crate) async fn run_hushing(
        &self,
        request: &Request,
        key: &Secret,
        on_progress: OnProgress<'_>,
        hush: Option<&Hush>,
    ) -> Result<Done, BackupError> {
        let cancel = Cancel::current();
        self.leaving.none().await;
        if cancel.is_asked() {
            return Err(BackupError::Cancelled);
        }
        let mut group = self.start(&request.command)?;
        let (stdin, stdout, words) = match group.child() {
            Some(child) => (child.stdin.take(), child.stdout.take(), child.stderr.take()),
            None => (None, None, None),
        };
        let words = tokio::spawn(last_words(words));
        let conversation = converse(request, key, stdin, stdout, on_progress, hush);
        let answer = tokio::select! {
            answer = conversation => answer,
            () = cancel.asked() => {
                group.end().await.map_err(pipe("cannot be waited for"))?;
                return Err(BackupError::Cancelled);
            }
        };
        let Some(answer) = answer? else {
            // What it had started may outlive it.
            let status = group.end().await.map_err(pipe("cannot be waited for"))?;
            return Err(died(status, words.await.unwrap_or_default()));
        };
        let status = group.exited().await.map_err(pipe("cannot be waited for"))?;
        // A process that died after its answer may not have done all of it.
        if status.code().is_some() { answer } else { Err(died(status, words.await.unwrap_or_default())) }
    }

    fn start(&self, command: &Command) -> Result<Group, BackupError> {
        let program = &self.command.program;
        let failed = |source| BackupError::EngineStart { program: program.clone(), source };
        let (life, sign) = sign_of_life().map_err(failed)?;
        let mut engine = self.as_asked(command);
        engine.preserved_fds(vec![sign]);
        let mut engine = tokio::process::Command::from(engine);
        let child = engine.kill_on_drop(true).spawn().map_err(failed)?;
        Ok(Group::new(child, life, &self.leaving))
    }

    fn as_asked(&self, command: &Command) -> std::process::Command {
        let mut engine = priority::command(&self.command.program, self.io);
        for (name, _) in SMALL_HEAP {
            // The agent's: an engine that returns each chunk's memory at once takes more than twice the time.
            engine.env_remove(name);
        }
        if matches!(command, Command::Prune { .. }) {
            // Each of the library's threads that writes anew holds a file of the repository in memory: 206 MB at
            // most with two of them, 145 MB with one, which takes as long.
            engine.env("RAYON_NUM_THREADS", "1");
        }
        engine
            .args(&self.command.args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        engine
    }
}

/// Asks the engine and hears it out; `None` when it ended without an answer.
async fn converse(
    request: &Request,
    key: &Secret,
    mut stdin: Option<ChildStdin>,
    stdout: Option<ChildStdout>,
    on_progress: OnProgress<'_>,
    hush: Option<&Hush>,
) -> Result<Option<Result<Done, BackupError>>, BackupError> {
    let mut line = serde_json::to_vec(request).map_err(|e| pipe("cannot be asked")(e.into()))?;
    line.push(b'\n');
    if let Some(stdin) = &mut stdin {
        // An engine that died at once says so by its exit.
        let _ = stdin.write_all(&line).await;
        let mut line = Zeroizing::new(key.expose().to_vec());
        line.push(b'\n');
        let _ = stdin.write_all(&line).await;
    }
    // Its end tells an engine that it has nobody to ask.
    let mut stdin = stdin.filter(|_| hush.is_some());
    let mut answer = None;
    let Some(stdout) = stdout else { return Ok(None) };
    let mut lines = BufReader::new(stdout).lines();
    while let Some(line) = lines.next_line().await.map_err(pipe("cannot be heard"))? {
        match serde_json::from_str(&line) {
            Ok(Event::Progress(progress)) => on_progress(progress),
            Ok(Event::Hush { restless }) => {
                if let (Some(hush), Some(stdin)) = (hush, &mut stdin) {
                    let quiet = hush.stop(&restless).await;
                    let mut line =
                        serde_json::to_vec(&quiet).map_err(|e| pipe("cannot be asked")(e.into()))?;
                    line.push(b'\n');
                    let _ = stdin.write_all(&line).await;
                }
            }
            Ok(Event::Resume) => {
                if let Some(hush) = hush {
                    hush.start().await;
                }
            }
            Ok(Event::Done(done)) => answer = Some(Ok(done)),
            Ok(Event::Failed { code, message }) => {
                answer = Some(Err(BackupError::Engine { code, message }));
            }
            Err(e) => return Err(pipe("gave an answer that cannot be understood")(e.into())),
        }
    }
    Ok(answer)
}

fn died(status: ExitStatus, said: String) -> BackupError {
    let said = if said.is_empty() { "it said nothing".to_owned() } else { said };
    BackupError::EngineDied { status: status.to_string(), said }
}

async fn last_words(stderr: Option<ChildStderr>) -> String {
    let Some(mut stderr) = stderr else { return String::new() };
    let mut kept = Vec::new();
    let mut buffer = [0; 1024];
    while let Ok(count @ 1..) = stderr.read(&mut buffer).await {
        kept.extend_from_slice(buffer.get(..count).unwrap_or_default());
        let excess = kept.len().saturating_sub(LAST_WORDS);
        kept.drain(..excess);
    }
    String::from_utf8_lossy(&kept).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_does_not_inherit_the_small_heap_of_its_agent() {
        let command = EngineCommand { program: "steady".into(), args: Vec::new() };
        let engine = Engines::new(command, IoClass::Normal).as_asked(&Command::List);
        for (name, _) in SMALL_HEAP {
            let removed = engine.get_envs().any(|(key, value)| key == name && value.is_none());
            assert!(removed, "{name} is handed down");
        }
    }
}
