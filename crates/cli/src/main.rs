//! `steady`: the agent, the log sink, the backup engine, and the command line, in one binary.
//!
//! Owns words and exit codes. Must never hold state: every command asks the agent or tells it.

mod args;
mod commands;
mod contents;
mod demo;
mod detached;
mod exit;
mod link;
mod live;
mod log_printer;
mod plan;
mod point;
mod progress;
mod retention;
mod sheet;
mod style;
mod table;

use std::ffi::OsString;
use std::process::ExitCode;

use args::{Args, Command};
use clap::Parser;
use steady_model::crash::CrashSubject;

fn main() -> ExitCode {
    // Before the tree of commands is built, which would be a part of the memory of a small process.
    let typed: Vec<OsString> = std::env::args_os().skip(1).collect();
    let words: Vec<&str> = typed.iter().map(|word| word.to_str().unwrap_or_default()).collect();
    if let (["sink", "--home", _], Some(home)) = (words.as_slice(), typed.get(2)) {
        return exit::report(commands::agent::sink(home.as_ref()));
    }
    let args = Args::parse();
    if matches!(args.command, Command::Engine) {
        if let Some(home) = &args.home {
            steady_crash::install_panic_hook(home, CrashSubject::Engine);
        }
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
        Command::Exec { service: Some(name), config, .. } => commands::exec::service(&home, config, &name),
        Command::Exec { service: None, .. } => commands::exec::sink(&home),
        Command::Openapi => commands::agent::openapi(),
        Command::Config { action } => commands::config::run(&home, &action, args.json),
        Command::Init { dir, dry_run } => commands::init::run(dir, dry_run, args.json),
        Command::Schema => commands::agent::schema(),
        Command::Completions { shell } => {
            commands::shell::completions(shell);
            Ok(ExitCode::SUCCESS)
        }
        Command::Man { dir } => commands::shell::man(&dir),
        command => commands::client::run(&home, command, args.json),
    }
}
