//! How the agent answers `/health` under load, what thousands of checks cost it, and how soon a marker is seen.

use std::fs;
use std::hint::black_box;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use steady_model::check::Status;
use steady_model::project::metrics::{self, Format};
use steady_model::project::{health, ready, tray};
use steady_model::snapshot::Snapshot;

use super::{Results, keep, milliseconds, p99};
use crate::clock::{Moment, pause, wait_until};
use crate::load;
use crate::machine::Machine;
use crate::processes;
use crate::say;
use crate::server::{Server, free_address};
use crate::workspace::{Workspace, scratch};

pub const PART: &str = "health";
pub const RATE: u32 = 10_000;
pub const CHECKS: u32 = 5000;
pub const MARKERS: u32 = 100;
pub const SERVICES: u32 = 100;
const LOADED: Duration = Duration::from_secs(10);
const UP: Duration = Duration::from_secs(30);
const PROJECTED: usize = 200;
const WATCHED: Duration = Duration::from_secs(40);

#[derive(Debug, Serialize, Deserialize)]
pub struct Row {
    /// Milliseconds at `RATE`, the 99th of a hundred.
    pub p99: f64,
    /// Answers a second.
    pub most: f64,
    pub fastapi: Option<FastApi>,
    /// Of one core, with `CHECKS` at 10 s.
    pub checks_share: f64,
    /// Milliseconds from a marker's rename to the snapshot at a client, the 99th of a hundred.
    pub marker_p99: f64,
    /// Milliseconds for every page and view of one snapshot with `SERVICES`, the median.
    pub projections: f64,
}

/// Answers a second of `FastAPI` on uvicorn.
#[derive(Debug, Serialize, Deserialize)]
pub struct FastApi {
    /// With what uvicorn itself depends on (asyncio, h11), looking at what it tells.
    pub plain: f64,
    /// The same with uvicorn's extras (uvloop, httptools).
    pub extras: f64,
    /// A constant, with the extras and without a log of requests.
    pub constant: f64,
}

pub fn run(workspace: &Workspace) -> anyhow::Result<()> {
    let machine = Machine::look();
    ensure!(machine.processors > 1, "the server and its clients need a processor each");
    let checks_share = many_checks(workspace)?;
    say(&format!("health: {CHECKS} checks take {:.2} % of a core", checks_share * 100.0));
    let marker_p99 = markers(workspace)?;
    say(&format!("health: a marker is seen within {marker_p99:.2} ms (p99)"));
    let projections = projections(workspace)?;
    say(&format!("health: all views of {SERVICES} services take {projections:.3} ms"));
    // The clients' own; whatever is started by `on_first` has the first.
    keep_to(machine.processors - 1)?;
    let (p99, most) = loaded(workspace)?;
    say(&format!("health: p99 {p99:.3} ms at {RATE}/s, at most {most:.0}/s"));
    let fastapi = fastapi(workspace)?;
    let rows = vec![Row { p99, most, fastapi, checks_share, marker_p99, projections }];
    keep(workspace, PART, &Results { machine, rows })
}

#[cfg(target_os = "linux")]
fn keep_to(processor: usize) -> anyhow::Result<()> {
    use rustix::thread::{CpuSet, sched_setaffinity};

    let mut one = CpuSet::new();
    one.set(processor);
    sched_setaffinity(None, &one).context("cannot keep to one processor")
}

#[cfg(not(target_os = "linux"))]
fn keep_to(_processor: usize) -> anyhow::Result<()> {
    anyhow::bail!("this system keeps no program to one processor, and without that the rates do not compare")
}

/// An agent on the first processor, with a home of its own.
fn agent(workspace: &Workspace, home: &Path, configured: &str) -> anyhow::Result<Server> {
    let address = free_address()?;
    let text = format!("version = 1\n[agent]\nlisten = \"{address}\"\n{configured}");
    fs::create_dir_all(home)?;
    fs::write(home.join("steady.toml"), text)?;
    let mut command = on_first(&workspace.steady);
    command.args(["agent".as_ref(), "--home".as_ref(), home.as_os_str()]);
    Server::start(command, address)
}

/// With the first processor to itself and all it starts.
fn on_first(program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", "0"]).arg(program);
    command
}

fn checks_of_a_home(dir: &Path) -> String {
    let dir = dir.display();
    format!(
        "[check.vault]\nkind = \"path\"\npath = '{dir}'\n[check.disk]\nkind = \"disk\"\npath = '{dir}'\n\
             warn_below = \"1 MB\"\nfail_below = \"1 MB\"\n"
    )
}

fn loaded(workspace: &Workspace) -> anyhow::Result<(f64, f64)> {
    let dir = scratch()?;
    let agent = agent(workspace, &dir.path().join("home"), &checks_of_a_home(dir.path()))?;
    load::run(agent.address, "/health", Some(RATE / 2), Duration::from_secs(2))?;
    let steady = load::run(agent.address, "/health", Some(RATE), LOADED)?;
    let most = load::run(agent.address, "/health", None, LOADED)?;
    Ok((p99(steady.latencies)?, most.per_second))
}

/// `None` when it is not installed.
fn fastapi(workspace: &Workspace) -> anyhow::Result<Option<FastApi>> {
    let program: PathBuf = workspace.peers.join("venv/bin/uvicorn");
    if !program.exists() {
        say("health: FastAPI is not installed");
        return Ok(None);
    }
    let dir = scratch()?;
    fs::write(dir.path().join(".sync_completed"), "")?;
    let rate = |path: &str, options: &[&str]| -> anyhow::Result<f64> {
        let address = free_address()?;
        let mut command = on_first(&program);
        command
            .arg("--app-dir")
            .arg(workspace.root.join("bench"))
            .args(["health_peer:app", "--port", &address.port().to_string()])
            .args(options)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .envs([("VAULT", dir.path()), ("DATA", dir.path())]);
        let log = fs::File::create(dir.path().join("log"))?;
        let server = Server::start_logged(command, address, log.into())?;
        load::run(server.address, path, None, Duration::from_secs(2))?;
        Ok(load::run(server.address, path, None, LOADED)?.per_second)
    };
    // Installed here are the extras, which uvicorn takes unless it is told otherwise.
    let plain = rate("/health", &["--loop", "asyncio", "--http", "h11"])?;
    let extras = rate("/health", &[])?;
    let constant = rate("/known", &["--no-access-log"])?;
    say(&format!(
        "health: FastAPI at most {plain:.0}/s, with extras {extras:.0}/s, a constant {constant:.0}/s"
    ));
    Ok(Some(FastApi { plain, extras, constant }))
}

fn many_checks(workspace: &Workspace) -> anyhow::Result<f64> {
    let dir = scratch()?;
    let one =
        |n| format!("[check.c{n}]\nkind = \"path\"\npath = '{}'\ninterval = \"10s\"\n", dir.path().display());
    let checks: String = (0..CHECKS).map(one).collect::<Vec<_>>().concat();
    let agent = agent(workspace, &dir.path().join("home"), &checks)?;
    pause(Duration::from_secs(15));
    // `taskset` has become the agent.
    let pid = agent.pid();
    let (before, begun) = (processes::cpu_time(pid), Moment::now());
    pause(WATCHED);
    let spent = processes::cpu_time(pid).saturating_sub(before);
    Ok(spent.as_secs_f64() / Moment::now().since(begun).as_secs_f64())
}

fn markers(workspace: &Workspace) -> anyhow::Result<f64> {
    let dir = scratch()?;
    let (home, data) = (dir.path().join("home"), dir.path().join("data"));
    fs::create_dir_all(&data)?;
    let job = format!("[job.sync]\nmarkers = '{}'\nstale_after = \"1h\"\n", data.display());
    let _agent = agent(workspace, &home, &job)?;
    let mut events = Events::open(&home)?;
    let mut took = Vec::new();
    for number in 0..MARKERS {
        // A fraction of its own, without a zero at its end, is how the time is known again in the snapshot.
        let fraction = format!(".{number:04}01");
        let second = Timestamp::from_second(i64::try_from(now_in_seconds())?)?;
        let text = second.to_string().replace('Z', &format!("{fraction}Z"));
        fs::write(data.join("next"), &text)?;
        let at = Moment::now();
        fs::rename(data.join("next"), data.join(".sync_completed"))?;
        events.until(&text)?;
        took.push(milliseconds(Moment::now().since(at)));
        pause(Duration::from_millis(50));
    }
    p99(took)
}

fn projections(workspace: &Workspace) -> anyhow::Result<f64> {
    let dir = scratch()?;
    let home = dir.path().join("home");
    let one = |n| format!("[service.s{n}]\ncommand = ['sleep', 'infinity']\n");
    let services: String = (0..SERVICES).map(one).collect::<Vec<_>>().concat();
    let _agent = agent(workspace, &home, &services)?;
    let is_up = |s: &Snapshot| s.services.iter().all(|service| service.status == Status::Pass);
    ensure!(wait_until(UP, || snapshot(&home).is_ok_and(|s| is_up(&s))), "the services do not come up");
    let snapshot = snapshot(&home)?;
    let mut took = Vec::new();
    for _ in 0..PROJECTED {
        let begun = Moment::now();
        let pages =
            (health::health(&snapshot), ready::ready(&snapshot), tray::tray(Some(&snapshot), snapshot.at));
        let metrics = [Format::Prometheus, Format::OpenMetrics].map(|f| metrics::metrics(&snapshot, f));
        let panel = serde_json::to_string(&snapshot)?;
        took.push(milliseconds(Moment::now().since(begun)));
        black_box((pages, metrics, panel));
    }
    took.sort_by(f64::total_cmp);
    took.get(took.len() / 2).copied().context("nothing was measured")
}

fn snapshot(home: &Path) -> anyhow::Result<Snapshot> {
    let mut stream = UnixStream::connect(home.join("agent.sock")).context("no socket")?;
    stream.write_all(b"GET /api/v1/snapshot HTTP/1.1\r\nHost: steady\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (_, body) = answer.split_once("\r\n\r\n").context("no body")?;
    Ok(serde_json::from_str(body)?)
}

fn now_in_seconds() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    u64::try_from(now.tv_sec).unwrap_or_default()
}

/// The stream of snapshots.
struct Events {
    stream: UnixStream,
}

impl Events {
    fn open(home: &Path) -> anyhow::Result<Self> {
        let mut stream = UnixStream::connect(home.join("agent.sock")).context("no socket")?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"GET /api/v1/events?figures=false HTTP/1.1\r\nHost: steady\r\n\r\n")?;
        Ok(Self { stream })
    }

    fn until(&mut self, text: &str) -> anyhow::Result<()> {
        let (mut tail, mut buffer) = (Vec::new(), vec![0; 65_536]);
        while !String::from_utf8_lossy(&tail).contains(text) {
            // As much as the text may be torn apart by.
            let keep = tail.len().saturating_sub(text.len());
            tail.drain(..keep);
            let n = self.stream.read(&mut buffer).with_context(|| format!("{text} never came"))?;
            ensure!(n > 0, "the stream of snapshots ended");
            tail.extend_from_slice(buffer.get(..n).unwrap_or_default());
        }
        Ok(())
    }
}
