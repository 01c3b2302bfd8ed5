//! Runs the engine as a child process: ended when the future that waits for it is dropped.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStderr};

use crate::error::BackupError;
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

impl EngineCommand {
    pub(crate) async fn run(
        &self,
        request: &Request,
        on_progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<Done, BackupError> {
        self.run_hushing(request, on_progress, None).await
    }

    /// `hush` stops and starts the services when the engine asks for it.
    pub(crate) async fn run_hushing(
        &self,
        request: &Request,
        on_progress: &(dyn Fn(Progress) + Send + Sync),
        hush: Option<&Hush>,
    ) -> Result<Done, BackupError> {
        let pipe = |doing| move |source| BackupError::EnginePipe { doing, source };
        let mut child = self.start(&request.command)?;
        let mut line = serde_json::to_vec(request).map_err(|e| pipe("cannot be asked")(e.into()))?;
        line.push(b'\n');
        let mut stdin = child.stdin.take();
        let stdout = child.stdout.take();
        let words = tokio::spawn(last_words(child.stderr.take()));
        if let Some(stdin) = &mut stdin {
            // An engine that died at once says so by its exit.
            let _ = stdin.write_all(&line).await;
        }
        // Its end tells an engine that it has nobody to ask.
        let mut stdin = stdin.filter(|_| hush.is_some());
        let mut answer = None;
        if let Some(stdout) = stdout {
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
        }
        let status = child.wait().await.map_err(pipe("cannot be waited for"))?;
        match answer {
            // A process that died after its answer may not have done all of it.
            Some(answer) if status.code().is_some() => answer,
            _ => Err(died(status, words.await.unwrap_or_default())),
        }
    }

    fn start(&self, command: &Command) -> Result<Child, BackupError> {
        let mut engine = tokio::process::Command::new(&self.program);
        if matches!(command, Command::Prune { .. }) {
            // Each of the library's threads that writes anew holds a file of the repository in memory: 206 MB at
            // most with two of them, 145 MB with one, which takes as long.
            engine.env("RAYON_NUM_THREADS", "1");
        }
        engine
            .args(&self.args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| BackupError::EngineStart { program: self.program.clone(), source })
    }
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
