//! A command that ends with 0 once the service serves.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Signal, kill_process_group};
use steady_launch::{Environment, find_program};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::exit_watch::pid_of;

/// How long one attempt may take; interpreters begin slowly.
const ATTEMPT: Duration = Duration::from_secs(10);

/// Runs it once, in a group of its own that does not outlive the answer.
pub async fn succeeds(command: &[String], cwd: &Path, environment: &Environment) -> bool {
    let Some((name, args)) = command.split_first() else { return false };
    let Some(program) = find_program(name, cwd, environment) else {
        tracing::warn!("the readiness command {name} is in no directory of PATH");
        return false;
    };
    let spawned = Command::new(&program)
        .args(args)
        .current_dir(cwd)
        .env_clear()
        .envs(environment.iter())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn();
    let mut asked = match spawned {
        Ok(child) => Asked(child),
        Err(e) => {
            tracing::warn!("cannot run the readiness command {}: {e}", program.display());
            return false;
        }
    };
    matches!(timeout(ATTEMPT, asked.0.wait()).await, Ok(Ok(status)) if status.success())
}

/// Kills its group when it goes before its end was seen.
struct Asked(Child);

impl Drop for Asked {
    fn drop(&mut self) {
        // `None` once it was reaped: then the number may be another's.
        if let Some(group) = self.0.id().and_then(pid_of) {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}
