//! A service's process: program, directory, environment, output, group of its own.

use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use steady_launch::{Environment, find_program};
use steady_model::config::Service;

use crate::error::{SpawnError, SuperviseError};

/// Between its fork and its exec a process is there, and carries no mark yet: an agent that comes in this moment,
/// because the one before was killed, would not find it, and start a second copy.
///
/// So a start holds a lock of the kernel. Its descriptor is closed by the exec, and the lock is gone with its last
/// copy: a fork of a killed agent keeps it until it has become the service.
#[derive(Debug, Clone)]
pub struct Gate(PathBuf);

impl Gate {
    pub fn of(home: &Path, service: &str) -> Self {
        Self(home.join("journal").join(format!("{service}.start")))
    }

    /// Waits until no start of an earlier agent is half done; nobody else starts this service meanwhile. Blocking.
    pub fn enter(&self) -> Result<File, SuperviseError> {
        let io = |source| SuperviseError::Io { action: "lock", path: self.0.clone(), source };
        let open = || File::options().create(true).append(true).mode(0o600).open(&self.0);
        let file = match open() {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                self.0.parent().map(steady_disk::create_private_dir).transpose()?;
                open()
            }
            opened => opened,
        };
        let file = file.map_err(io)?;
        file.lock().map_err(io)?;
        Ok(file)
    }
}

/// Spawns the service with its output going to `fifo`, and says which program it was. Blocking.
pub fn spawn(
    spec: &Service,
    environment: &Environment,
    fifo: &Path,
    gate: &Gate,
) -> Result<(Child, PathBuf), SpawnError> {
    let program = Program::find(spec, environment)?;
    let mut command = program.command(fifo)?;
    let _start = gate.enter()?;
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

    pub fn not_run(&self, source: io::Error) -> SpawnError {
        SpawnError::Exec { program: self.path.clone(), source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_is_under_way_until_the_last_copy_of_its_descriptor_is_closed() {
        let home = tempfile::tempdir().unwrap();
        let gate = Gate::of(home.path(), "brain");
        let agents = gate.enter().unwrap();
        // What a fork has until its exec.
        let forks = agents.try_clone().unwrap();
        drop(agents);
        let next = File::open(home.path().join("journal/brain.start")).unwrap();
        assert!(matches!(next.try_lock(), Err(std::fs::TryLockError::WouldBlock)), "half done, and not seen");
        drop(forks);
        drop(gate.enter().unwrap());
    }
}
