//! Keeping the machine awake.
//!
//! The system's own tool holds the assertion while a program that it started runs: `caffeinate` (macOS) and
//! `systemd-inhibit` (Linux). That program is `cat` on a pipe of ours: its echo proves that the assertion is held,
//! and it ends with us however we end, SIGKILL included, because the pipe closes. The two processes take 4.6 MB
//! (Linux, PSS) while it is held; a D-Bus connection in the agent would cost its memory all day.
//!
//! Only sleep for idleness and on request is held off; a lid that is closed or an empty battery wins.

#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(target_os = "macos", path = "macos.rs")]
mod system;

mod follow;

use std::ffi::OsString;
use std::io;
use std::process::Stdio;
use std::time::Duration;

pub use follow::{Awake, follow, follow_with};
use steady_model::words;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::timeout;

/// How long the system may take to grant it.
const PATIENCE: Duration = Duration::from_secs(10);
const ECHO: &[u8] = b"held\n";
/// What of the tool's complaint is shown, bytes.
const SHOWN: u64 = 300;

#[derive(Debug, thiserror::Error)]
pub enum KeepAwakeError {
    #[error("cannot run {program}, which keeps the machine awake: {source}; {}", system::INSTALL)]
    NoTool { program: &'static str, source: io::Error },
    #[error(
        "the system does not let the machine be kept awake: {program} said \"{said}\"; {}",
        system::REMEDY
    )]
    Refused { program: &'static str, said: String },
    #[error(
        "the system did not say within {} whether the machine is kept awake; {}",
        words::span(PATIENCE),
        system::REMEDY
    )]
    Overdue { program: &'static str },
}

/// The machine does not go to sleep by itself until this is dropped.
#[derive(Debug)]
pub struct Guard {
    tool: Child,
    /// Its end is the end of the tool.
    _pipe: ChildStdin,
}

impl Guard {
    /// Of the tool; `None` once it is known to have ended.
    pub fn pid(&self) -> Option<u32> {
        self.tool.id()
    }

    /// Waits until the assertion is lost, because somebody ended the tool. May be cancelled.
    pub async fn lost(&mut self) {
        let _ = self.tool.wait().await;
    }
}

/// Keeps the machine awake; `why` is shown to people who ask the system. Must be called within a tokio runtime.
///
/// One guard is enough for many who want it: each costs two small processes.
pub async fn hold(why: &str) -> Result<Guard, KeepAwakeError> {
    hold_with(why, []).await
}

/// As [`hold`], with more in the tool's environment (the address of a bus).
pub async fn hold_with(
    why: &str,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Guard, KeepAwakeError> {
    let program = system::PROGRAM;
    let mut tool = Command::new(program)
        .args(system::arguments(why))
        .envs(environment)
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A ^C at the terminal is not meant for it.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|source| KeepAwakeError::NoTool { program, source })?;
    match timeout(PATIENCE, echoed(&mut tool)).await {
        Ok(Some(pipe)) => Ok(Guard { tool, _pipe: pipe }),
        Ok(None) => Err(KeepAwakeError::Refused { program, said: complaint(&mut tool).await }),
        Err(_) => Err(KeepAwakeError::Overdue { program }),
    }
}

/// `None` when the tool ended instead.
async fn echoed(tool: &mut Child) -> Option<ChildStdin> {
    let (mut pipe, mut out) = (tool.stdin.take()?, tool.stdout.take()?);
    // A tool that is gone already is seen by what it does not say.
    let _ = pipe.write_all(ECHO).await;
    let mut echo = vec![0; ECHO.len()];
    out.read_exact(&mut echo).await.ok().filter(|_| echo == ECHO)?;
    Some(pipe)
}

async fn complaint(tool: &mut Child) -> String {
    let mut said = Vec::new();
    if let Some(err) = tool.stderr.take() {
        let _ = timeout(PATIENCE, err.take(SHOWN).read_to_end(&mut said)).await;
    }
    String::from_utf8_lossy(&said).lines().next().unwrap_or_default().trim().to_owned()
}
