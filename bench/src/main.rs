//! Steady beside its peers, on this machine: `make bench`, or `make bench PART=restart`.
//!
//! Owns the measurements and `docs/benchmarks.md`. Must never measure two things at once, treat a peer
//! differently from Steady without saying so in the page, or leave a process behind.

mod archive;
mod clock;
mod fleet;
mod lines;
mod load;
mod logfiles;
mod logger;
mod machine;
mod part;
mod peer;
mod processes;
mod report;
mod server;
mod summary;
mod workspace;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use workspace::Workspace;

#[derive(Debug, Parser)]
#[command(name = "steady-bench", about = "Measures Steady beside its peers and writes docs/benchmarks.md")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure, then write the page
    Run {
        /// Default: all
        part: Option<Part>,
        /// The program to measure [default: target/release/steady]
        #[arg(long, value_name = "FILE")]
        steady: Option<PathBuf>,
        /// Size of the data that is backed up; over 4,000 only Steady is measured
        #[arg(long, default_value_t = 1000)]
        megabytes: u64,
    },
    /// Write the page from the results that are there
    Page,
    /// Write numbered lines to standard output, then stay; for the log measurements
    #[command(hide = true)]
    Lines { count: u64, batch: u64, begun: PathBuf },
    /// Run a command and write down what it cost; for the backup measurements
    #[command(hide = true)]
    Weigh {
        result: PathBuf,
        volume: PathBuf,
        #[arg(last = true)]
        command: Vec<OsString>,
    },
    /// Commit to databases for ever; for the backup measurements
    #[command(hide = true)]
    Commits { folder: PathBuf, notes: PathBuf },
    /// Keep a process in each folder, and nothing else; for the restart measurements
    #[command(hide = true)]
    Loop { probe: PathBuf, services: Vec<PathBuf> },
    /// Be a service that writes down when it was there; for the restore measurements
    #[command(hide = true)]
    Beat { file: PathBuf },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    Restart,
    Hundred,
    Growth,
    Logs,
    Health,
    Backup,
    Cut,
    Downtime,
    Brain,
}

fn main() -> anyhow::Result<()> {
    match Args::parse().command {
        Command::Lines { count, batch, begun } => lines::write(count, batch, &begun),
        Command::Weigh { result, volume, command } => archive::cost::weigh(&result, &volume, &command),
        Command::Commits { folder, notes } => archive::commits::commit_for_ever(&folder, &notes),
        Command::Loop { probe, services } => peer::keeper::run(&probe, &services),
        Command::Beat { file } => part::backup::downtime::beat(&file),
        Command::Page => report::write(&Workspace::prepare(None)?),
        Command::Run { part, steady, megabytes } => {
            let workspace = Workspace::prepare(steady)?;
            processes::adopt_orphans()?;
            let parts = part.map_or_else(|| Part::value_variants().to_vec(), |part| vec![part]);
            for part in parts {
                match part {
                    Part::Restart => part::restart::run(&workspace)?,
                    Part::Hundred => part::scale::hundred(&workspace)?,
                    Part::Growth => part::scale::growth(&workspace)?,
                    Part::Logs => part::logs::run(&workspace)?,
                    Part::Health => part::health::run(&workspace)?,
                    Part::Backup => part::backup::cost::run(&workspace, megabytes)?,
                    Part::Cut => part::backup::cut::run(&workspace)?,
                    Part::Downtime => part::backup::downtime::run(&workspace, megabytes)?,
                    Part::Brain => part::brain::run(&workspace)?,
                }
            }
            report::write(&workspace)
        }
    }
}

/// What a person at the terminal sees while it runs.
#[expect(clippy::print_stderr, reason = "progress of a command line tool")]
pub fn say(line: &str) {
    eprintln!("{line}");
}
