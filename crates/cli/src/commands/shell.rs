use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Args;

pub fn completions(shell: Shell) {
    clap_complete::generate(shell, &mut Args::command(), "steady", &mut std::io::stdout());
}

/// One page for `steady` and one for each subcommand.
pub fn man(dir: &Path) -> anyhow::Result<ExitCode> {
    std::fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    clap_mangen::generate_to(Args::command(), dir)
        .with_context(|| format!("cannot write man pages to {}", dir.display()))?;
    Ok(ExitCode::SUCCESS)
}
