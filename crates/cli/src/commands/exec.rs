use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use steady_agent::config_file;

/// Becomes the service, for launchd and systemd; returns only when that failed.
pub fn service(home: &Path, config: Option<PathBuf>, name: &str) -> anyhow::Result<ExitCode> {
    let file = config.unwrap_or_else(|| home.join("steady.toml"));
    let config = config_file::load(&file)?;
    let Some(spec) = config.services.iter().find(|s| s.name == name) else {
        let known: Vec<&str> = config.services.iter().map(|s| s.name.as_str()).collect();
        bail!("{} has no service \"{name}\"; configured: {}", file.display(), known.join(", "));
    };
    Err(steady_supervise::exec_service(spec, home)).with_context(|| format!("cannot become {name}"))
}

/// Sees to it that a sink runs, and ends.
pub fn sink(home: &Path) -> anyhow::Result<ExitCode> {
    steady_supervise::start_sink(home)?;
    Ok(ExitCode::SUCCESS)
}
