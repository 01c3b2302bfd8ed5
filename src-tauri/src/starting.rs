//! Starting other programs of Steady.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use steady_model::api::Problem;
use tokio::process::{Child, Command};

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot start {}: {source}; install `steady` beside the app or in the PATH", program.display())]
    Spawn { program: PathBuf, source: io::Error },
    #[error("cannot open the log {}: {source}", log.display())]
    Log { log: PathBuf, source: io::Error },
    #[error("the agent was not started: {why}")]
    Refused { why: String },
    #[error("cannot tell where this program is: {0}")]
    Nowhere(io::Error),
}

impl StartError {
    pub fn problem(&self) -> Problem {
        Problem { code: "refused".to_owned(), detail: self.to_string() }
    }
}

/// Brings an agent up and returns when it answers; it outlives the app. `config` is what it last ran with.
pub async fn agent(home: &Path, config: Option<&str>) -> Result<(), StartError> {
    let beside = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join("steady")));
    let program = beside.filter(|p| p.is_file()).unwrap_or_else(|| PathBuf::from("steady"));
    // A file, not a pipe: the agent would inherit the pipe and hold it open for ever.
    let log = home.join("start-agent.log");
    let out = OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(&log)
        .map_err(|source| StartError::Log { log: log.clone(), source })?;
    let mut command = Command::new(&program);
    command.arg("--home").arg(home).args(["up", "--agent-only"]);
    if let Some(config) = config {
        command.arg("--config").arg(config);
    }
    let status = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(out)
        .process_group(0)
        .status()
        .await
        .map_err(|source| StartError::Spawn { program, source })?;
    if status.success() {
        return Ok(());
    }
    let said = std::fs::read_to_string(&log).unwrap_or_default();
    let last = said.lines().rev().find(|l| !l.trim().is_empty());
    Err(StartError::Refused { why: last.map_or_else(|| status.to_string(), |l| l.trim().to_owned()) })
}

/// Opens the panel in a process of its own; when there is one already, it comes to the front.
pub fn panel(home: &Path, page: &str) -> Result<Child, StartError> {
    let program = std::env::current_exe().map_err(StartError::Nowhere)?;
    Command::new(&program)
        .arg("--home")
        .arg(home)
        .args(["panel", "--page", page])
        .stdin(Stdio::null())
        .spawn()
        .map_err(|source| StartError::Spawn { program, source })
}
