//! A service's process: program, directory, environment, output, group of its own.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use steady_launch::{Environment, find_program};
use steady_model::config::Service;

use crate::error::{SpawnError, SuperviseError};

/// Spawns the service with its output going to `fifo`, and says which program it was. Blocking.
pub fn spawn(spec: &Service, environment: &Environment, fifo: &Path) -> Result<(Child, PathBuf), SpawnError> {
    let Some((name, args)) = spec.command.split_first() else { return Err(SpawnError::EmptyCommand) };
    if !spec.cwd.is_dir() {
        return Err(SpawnError::NoDirectory { path: spec.cwd.clone() });
    }
    let program = find_program(name, &spec.cwd, environment).ok_or_else(|| {
        let path = environment.get("PATH").unwrap_or_default();
        SpawnError::NotFound { program: name.clone(), path: path.to_string_lossy().into_owned() }
    })?;
    // Blocking for the service, and one opening for both, so that lines keep their order.
    let output = steady_logs::open_fifo(fifo, false).map_err(SuperviseError::from)?;
    let errors = share(&output, fifo)?;
    let child = Command::new(&program)
        .arg0(name)
        .args(args)
        .current_dir(&spec.cwd)
        .env_clear()
        .envs(environment.iter())
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .process_group(0)
        .spawn()
        .map_err(|source| SpawnError::Exec { program: program.clone(), source })?;
    Ok((child, program))
}

fn share(output: &File, fifo: &Path) -> Result<File, SuperviseError> {
    let path = fifo.to_owned();
    output.try_clone().map_err(|source| SuperviseError::Io { action: "share the FIFO", path, source })
}
