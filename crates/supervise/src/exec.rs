//! What `steady exec` does: becomes a service, for a manager that starts it without the agent.
//!
//! The process that the manager knows is the service's own: this one turns into it. Its output goes the way of a
//! child's: into its FIFO, to the sink, into its log.

use std::env;
use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use steady_logs::{Attachment, SinkClient, make_fifo};
use steady_model::config::Service;
use steady_model::process::SMALL_HEAP;

use crate::environment::{Mark, environment};
use crate::error::{SpawnError, SuperviseError};
use crate::manager::{home_mark, until};
use crate::spawn::Program;
use crate::{fifo_of, log_dir_of};

/// The spawn count of a process that no agent counted.
const UNCOUNTED: u64 = 0;
/// How long a sink of systemd's may take until it answers.
const SINK: Duration = Duration::from_secs(5);

/// What may stand in the file of complaints, bytes.
const COMPLAINTS: u64 = 1 << 20;

/// Turns this process into the service: its output to its log, its environment with files and secrets, its directory,
/// its program. Returns only when that failed.
///
/// A sink runs and drains the service's FIFO before the service gets it, for nobody else would while no agent runs:
/// after 64 KiB the service would stand still. Without a sink the service does not start, and the manager tries again.
pub fn exec_service(spec: &Service, home: &Path) -> SpawnError {
    bound(&complaints_of(home, &spec.name));
    match become_service(spec, home) {
        Ok(never) => match never {},
        Err(e) => e,
    }
}

/// Starts a sink unless one runs: the body of a short-lived process that leaves it to the system.
pub fn start_sink(home: &Path) -> Result<(), SuperviseError> {
    Ok(sink(home)?.ensure_running()?)
}

fn become_service(spec: &Service, home: &Path) -> Result<std::convert::Infallible, SpawnError> {
    let environment = environment(&spec.env, &Mark::new(&spec.name, home), UNCOUNTED)?;
    let program = Program::find(spec, &environment)?;
    let fifo = fifo_of(home, &spec.name);
    if let Some(dir) = fifo.parent() {
        steady_disk::create_private_dir(dir).map_err(SuperviseError::from)?;
    }
    make_fifo(&fifo).map_err(SuperviseError::from)?;
    drain(spec, home)?;
    // No group of its own: the manager gave it one, and a leader cannot make another.
    let source = program.command(&fifo)?.exec();
    Err(program.not_run(source))
}

/// Where a generated launchd job says what `steady exec` has to say.
pub fn complaints_of(home: &Path, service: &str) -> PathBuf {
    home.join("launchd").join(format!("{service}.log"))
}

/// launchd never rotates it, and a service that cannot start complains every ten seconds. Only where this process
/// writes there itself.
fn bound(path: &Path) {
    use std::os::unix::fs::MetadataExt;

    let (Ok(file), Ok(mine)) = (fs::metadata(path), rustix::fs::fstat(io::stderr())) else { return };
    if file.is_file() && file.len() > COMPLAINTS && file.ino() == mine.st_ino {
        let _ = File::options().write(true).truncate(true).open(path);
    }
}

fn sink(home: &Path) -> Result<SinkClient, SuperviseError> {
    let me = env::current_exe().map_err(|source| SuperviseError::Io {
        action: "find the program of this process,",
        path: "/proc/self/exe".into(),
        source,
    })?;
    Ok(SinkClient::new(me, home))
}

/// Has a sink drain the service's FIFO.
fn drain(spec: &Service, home: &Path) -> Result<(), SuperviseError> {
    let sink = sink(home)?;
    if sink.stats().is_err() {
        // As a child of this process the sink would become one of the service's, and end with its control group.
        let started = if env::var_os("INVOCATION_ID").is_some() {
            by_systemd(home).and_then(|()| answers(&sink))
        } else {
            beside(home)
        };
        if let Err(e) = started {
            tracing::warn!("the sink becomes a child of the service: {e}");
        }
    }
    let attachment = Attachment {
        service: spec.name.clone(),
        fifo: fifo_of(home, &spec.name),
        dir: log_dir_of(home, &spec.name),
        rotation: spec.log,
    };
    Ok(sink.attach(&attachment)?)
}

/// In a unit of its own, which outlives the service's.
fn by_systemd(home: &Path) -> io::Result<()> {
    let me = env::current_exe()?;
    let unit = format!("--unit=steady-sink-{}", home_mark(home));
    let mut command = Command::new("systemd-run");
    command.args(["--user", "--quiet", "--collect", "--property=Restart=on-failure", &unit]);
    command.args(SMALL_HEAP.map(|(name, value)| format!("--setenv={name}={value}")));
    let status =
        command.arg("--").arg(me).args(["sink", "--home"]).arg(home).stdin(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("systemd-run ended with {status}"))) }
}

fn answers(sink: &SinkClient) -> io::Result<()> {
    let asked = until(SINK, || Ok::<_, io::Error>(sink.stats().ok()))?;
    asked.map(drop).ok_or_else(|| io::Error::other("the sink that systemd started does not answer"))
}

/// By a process that ends at once, so that the system adopts the sink.
fn beside(home: &Path) -> io::Result<()> {
    let me = env::current_exe()?;
    let status = Command::new(me)
        .args(["exec", "--sink", "--home"])
        .arg(home)
        .stdin(Stdio::null())
        .process_group(0)
        .status()?;
    if status.success() {
        Ok(())
    } else {
        Err(io::Error::other(format!("steady exec --sink ended with {status}")))
    }
}
