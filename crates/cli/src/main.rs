//! `steady`: the agent, the log sink, the backup engine, and the command line, in one binary.
//!
//! Owns words and exit codes. Must never hold state: every command asks the agent or tells it.

mod args;
mod commands;
mod demo;
mod detached;
mod exit;
mod link;
mod live;
mod style;
mod table;

use std::process::ExitCode;

use args::{Args, Command};
use clap::Parser;

fn main() -> ExitCode {
    let args = Args::parse();
    if matches!(args.command, Command::Engine) {
        return steady_backup::engine_main();
    }
    exit::report(run(args))
}

fn run(args: Args) -> anyhow::Result<ExitCode> {
    let home = match args.home {
        Some(home) => std::path::absolute(home)?,
        None => steady_client::home()?,
    };
    match args.command {
        Command::Agent { config } => commands::agent::run(home, config),
        Command::Sink => commands::agent::sink(&home),
        Command::Openapi => commands::agent::openapi(),
        Command::Schema => commands::agent::schema(),
        Command::Completions { shell } => {
            commands::shell::completions(shell);
            Ok(ExitCode::SUCCESS)
        }
        Command::Man { dir } => commands::shell::man(&dir),
        command => commands::client::run(&home, command, args.json),
    }
}
