//! A service's process: program, directory, environment, output, group of its own.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use steady_launch::{Environment, find_program};
use steady_model::config::Service;

use crate::error::{SpawnError, SuperviseError};

/// Spawns the service with its output going to `fifo`, and says which program it was. Blocking.
pub fn spawn(spec: &Service, environment: &Environment, fifo: &Path) -> Result<(Child, PathBuf), SpawnError> {
    let program = Program::find(spec, environment)?;
    let mut command = program.command(fifo)?;
    let spawned = command.process_group(0).spawn();
    let child = spawned.map_err(|source| program.not_run(source))?;
    Ok((child, program.path))
}

/// What a service is about to become.
pub struct Program<'a> {
    spec: &'a Service,
    /// As typed, and as the program itself sees it.
    name: &'a str,
    args: &'a [String],
    path: PathBuf,
    environment: &'a Environment,
}

impl<'a> Program<'a> {
    pub fn find(spec: &'a Service, environment: &'a Environment) -> Result<Self, SpawnError> {
        let Some((name, args)) = spec.command.split_first() else { return Err(SpawnError::EmptyCommand) };
        if !spec.cwd.is_dir() {
            return Err(SpawnError::NoDirectory { path: spec.cwd.clone() });
        }
        let path = find_program(name, &spec.cwd, environment).ok_or_else(|| {
            let path = environment.get("PATH").unwrap_or_default();
            SpawnError::NotFound { program: name.clone(), path: path.to_string_lossy().into_owned() }
        })?;
        Ok(Self { spec, name, args, path, environment })
    }

    pub fn command(&self, fifo: &Path) -> Result<Command, SuperviseError> {
        // Blocking for the service, and one opening for both, so that lines keep their order.
        let output = steady_logs::open_fifo(fifo, false)?;
        let errors = output.try_clone().map_err(|source| SuperviseError::Io {
            action: "share the FIFO",
            path: fifo.to_owned(),
            source,
        })?;
        let mut command = Command::new(&self.path);
        command
            .arg0(self.name)
            .args(self.args)
            .current_dir(&self.spec.cwd)
            .env_clear()
            .envs(self.environment.iter())
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors);
        Ok(command)
    }

    pub fn not_run(&self, source: std::io::Error) -> SpawnError {
        SpawnError::Exec { program: self.path.clone(), source }
    }
}
