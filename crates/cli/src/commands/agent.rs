use std::io::IsTerminal;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::Context;
use steady_agent::{MilestoneFile, Options};
use steady_model::crash::CrashSubject;
use steady_model::milestone;
use steady_model::process::SMALL_HEAP;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets, filter_fn};
use tracing_subscriber::fmt::writer::MakeWriterExt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Runs the agent in the foreground until it is told to end.
pub fn run(home: PathBuf, config: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    keep_heap_small();
    log_to_stderr(&home);
    steady_crash::install_panic_hook(&home, CrashSubject::Agent);
    let config = config.unwrap_or_else(|| home.join("steady.toml"));
    let program = std::env::current_exe().context("cannot tell where this program is")?;
    runtime()?.block_on(steady_agent::run(Options { home, config, program }))?;
    Ok(ExitCode::SUCCESS)
}

/// glibc gives each thread a heap of its own, which costs an agent of a few threads half a megabyte and brings it
/// nothing. It is told at a process's start only, so this program starts again as itself.
fn keep_heap_small() {
    if cfg!(target_env = "gnu")
        && SMALL_HEAP.iter().all(|(name, _)| std::env::var_os(name).is_none())
        && let Ok(program) = std::env::current_exe()
    {
        // Returns only when it could not, and then all is as well as before.
        let _ = Command::new(program).args(std::env::args_os().skip(1)).envs(SMALL_HEAP).exec();
    }
}

/// Two workers are enough for probes and the API, and keep the idle agent small.
pub fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        // Blocking work here is short; a crowd of services that start at once must not become a crowd of threads.
        .max_blocking_threads(8)
        .thread_keep_alive(Duration::from_secs(1))
        .enable_all()
        .build()
        .context("cannot start the async runtime")
}

pub fn sink(home: &Path) -> anyhow::Result<ExitCode> {
    log_to_stderr(home);
    steady_logs::sink_main(home)?;
    Ok(ExitCode::SUCCESS)
}

pub fn openapi() -> anyhow::Result<ExitCode> {
    crate::style::json(&steady_agent::openapi())?;
    Ok(ExitCode::SUCCESS)
}

pub fn schema() -> anyhow::Result<ExitCode> {
    crate::style::json(&steady_model::config::json_schema())?;
    Ok(ExitCode::SUCCESS)
}

/// Words for people, and milestones as bare JSON lines, which are also kept in the home.
fn log_to_stderr(home: &Path) {
    let asked = std::env::var("STEADY_LOG").ok().and_then(|text| text.parse::<Targets>().ok());
    let filter = asked.unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO));
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        // A log that cannot be written (a full disk, a closed pipe) must not take the agent with it.
        .log_internal_errors(false)
        .with_filter(filter_fn(|event| event.target() != milestone::TARGET))
        .with_filter(filter);
    let kept = MilestoneFile::new(home);
    let milestones = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr.and(move || kept.clone()))
        .with_ansi(false)
        .with_target(false)
        .with_level(false)
        .without_time()
        .log_internal_errors(false)
        .with_filter(filter_fn(|event| event.target() == milestone::TARGET));
    tracing_subscriber::registry().with(lines).with(milestones).init();
}
