//! The bound of all supervisors: a loop that waits for an end and spawns a successor.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use anyhow::Context;
use rustix::process::{WaitOptions, wait};

use super::Stand;

pub fn prepare(stand: &Stand) -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("loop").arg(&stand.probe).args(&stand.services);
    Ok(command)
}

/// The hidden command: keeps one process in each folder, for ever.
pub fn run(probe: &Path, services: &[PathBuf]) -> anyhow::Result<()> {
    let mut kept = HashMap::new();
    for service in services {
        kept.insert(spawn(probe, service)?.id(), service);
    }
    loop {
        let Some((ended, _)) = wait(WaitOptions::empty()).context("cannot wait for services")? else {
            continue;
        };
        let Some(service) = kept.remove(&ended.as_raw_nonzero().get().unsigned_abs()) else { continue };
        kept.insert(spawn(probe, service)?.id(), service);
    }
}

fn spawn(probe: &Path, service: &Path) -> anyhow::Result<Child> {
    Command::new(probe)
        .current_dir(service)
        .spawn()
        .with_context(|| format!("cannot start {}", probe.display()))
}
