//! Supervisors of a directory of services, whose `run` is the program itself: no shell is in the measure.

use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;

use super::Stand;

pub fn runit(stand: &Stand) -> anyhow::Result<Command> {
    let mut command = Command::new("runsvdir");
    command.arg(linked(stand)?);
    Ok(command)
}

pub fn s6(stand: &Stand) -> anyhow::Result<Command> {
    let mut command = Command::new("s6-svscan");
    command.args(["-c", "2000"]).arg(linked(stand)?);
    Ok(command)
}

fn linked(stand: &Stand) -> anyhow::Result<PathBuf> {
    for service in &stand.services {
        symlink(&stand.probe, service.join("run"))?;
    }
    Ok(stand.dir.join("services"))
}
