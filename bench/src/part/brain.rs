//! The embedded backend: searches and captures at once over many notes, beside the same in plain Python.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Results, keep, milliseconds, p99};
use crate::archive::corpus::{Chance, words};
use crate::clock::{Moment, pause, wait_until};
use crate::load::{self, Load};
use crate::machine::Machine;
use crate::server::{Server, body, free_address};
use crate::summary::Summary;
use crate::workspace::{Workspace, scratch};
use crate::{processes, say};

pub const PART: &str = "brain";
pub const NOTES: u64 = 10_000;
pub const SEARCHERS: usize = 1000;
pub const CAPTURES: u32 = 100;
pub const SPAN: Duration = Duration::from_secs(60);
const NOTE_BYTES: u64 = 2000;
const CAPTURERS: usize = 100;
const QUERIES: usize = 1000;
const BOOTS: usize = 5;
/// Then nobody asks any more.
const AT_REST: Duration = Duration::from_secs(4);
/// Until all notes are in the index, and all captures.
const INDEXED: Duration = Duration::from_secs(120);

#[derive(Debug, Serialize, Deserialize)]
pub struct Row {
    pub brain: Side,
    /// kB, proportional: at rest, and after the load.
    pub resting: u32,
    pub loaded: u32,
    /// Milliseconds from the start to the first 200, with an index that is there.
    pub boot: Summary,
    pub peer: Option<Side>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Side {
    /// Searches a second.
    pub per_second: f64,
    /// Milliseconds, the 99th of a hundred.
    pub search_p99: f64,
    pub capture_p99: f64,
    /// Answers that were none.
    pub errors: usize,
    pub captured: usize,
    /// Captures that are not found.
    pub lost: usize,
}

pub fn run(workspace: &Workspace) -> anyhow::Result<()> {
    let machine = Machine::look();
    allow_connections()?;
    let dir = scratch()?;
    let vault = dir.path().join("vault");
    say(&format!("brain: writing {NOTES} notes"));
    let queries = write_notes(&vault)?;
    let start = |address: SocketAddr| {
        let program = workspace.steady.with_file_name("brain");
        let mut command = Command::new(program);
        command.arg("serve").arg("--vault").arg(&vault).arg("--data").arg(dir.path().join("data"));
        command.args(["--port", &address.port().to_string()]);
        command
    };
    let address = free_address()?;
    let server = Server::start(start(address), address)?;
    until_indexed(address)?;
    drop(server);
    let mut boots = Vec::new();
    for _ in 0..BOOTS {
        boots.push(boot(start(address), address)?);
    }
    let boot = Summary::of(boots).context("nothing was started")?;
    let server = Server::start(start(address), address)?;
    until_indexed(address)?;
    let resting = processes::pss(server.pid());
    let brain = burden(address, &queries)?;
    pause(AT_REST);
    let loaded = processes::pss(server.pid());
    drop(server);
    say(&format!(
        "brain: {brain:?}; {resting} kB at rest, {loaded} kB after it; {:.1} ms to boot",
        boot.median
    ));
    let peer = peer(workspace, &queries)?;
    keep(workspace, PART, &Results { machine, rows: vec![Row { brain, resting, loaded, boot, peer }] })
}

/// Each connection is an open file, here and in the server that inherits the limit.
fn allow_connections() -> anyhow::Result<()> {
    let wanted = u64::try_from(SEARCHERS)? * 2;
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let current = Some(maximum.map_or(wanted, |most| most.min(wanted)));
    setrlimit(Resource::Nofile, Rlimit { current, maximum }).context("cannot open so many connections")
}

/// Notes in which some words are said much more often than others, and what is looked for in them: one to three words,
/// any word alike, since what everybody says helps nobody to find a note.
fn write_notes(vault: &Path) -> anyhow::Result<Vec<String>> {
    let mut chance = Chance::new(0xb4a1);
    let words = words(&mut chance);
    fs::create_dir_all(vault)?;
    for number in 0..NOTES {
        let text = String::from_utf8(chance.text(&words, NOTE_BYTES))?;
        fs::write(vault.join(format!("note-{number:05}.md")), format!("# Note {number}\n\n{text}\n"))?;
    }
    let mut query = || {
        let count = 1 + usize::try_from(chance.below(3)).unwrap_or_default();
        let mut word = || words.get(usize::try_from(chance.below(words.len() as u64)).unwrap_or_default());
        (0..count).filter_map(|_| word().map(String::as_str)).collect::<Vec<_>>().join("+")
    };
    Ok((0..QUERIES).map(|_| query()).collect())
}

fn until_indexed(address: SocketAddr) -> anyhow::Result<()> {
    let all = || -> anyhow::Result<bool> {
        let stats: Value = serde_json::from_str(&body(address, "/api/v1/index/stats")?)?;
        Ok(stats.get("tracked_files").and_then(Value::as_u64) >= Some(NOTES))
    };
    ensure!(wait_until(INDEXED, || all().unwrap_or(false)), "the notes do not get into the index");
    Ok(())
}

fn boot(mut command: Command, address: SocketAddr) -> anyhow::Result<f64> {
    let begun = Moment::now();
    let server = Server::begin(command.stdout(Stdio::null()), address)?;
    while body(address, "/health").is_err() {
        ensure!(Moment::now().since(begun) < INDEXED, "it does not start");
    }
    let took = milliseconds(Moment::now().since(begun));
    drop(server);
    Ok(took)
}

/// Searches and captures at once; then each capture is looked for.
fn burden(address: SocketAddr, queries: &[String]) -> anyhow::Result<Side> {
    let pages: Vec<_> =
        queries.iter().map(|q| load::get(address, &format!("/api/v1/search?q={q}&limit=10"))).collect();
    let mut pages = pages.iter().cycle();
    let mut search = || pages.next().cloned().unwrap_or_default();
    let searching = Load {
        server: address,
        connections: SEARCHERS,
        rate: None,
        span: SPAN,
        rests: true,
        request: &mut search,
    };
    let capturing = thread::spawn(move || {
        let mut number = 0;
        let mut capture = || {
            number += 1;
            load::post(
                address,
                "/api/v1/capture",
                &format!("{{\"text\":\"{} was captured\"}}", token(number)),
            )
        };
        let rate = Some(CAPTURES);
        Load { server: address, connections: CAPTURERS, rate, span: SPAN, rests: true, request: &mut capture }
            .run()
    });
    let searched = searching.run()?;
    let captured = capturing.join().ok().context("the captures ended in a panic")??;
    let kept = captured.latencies.len();
    let mut missing: Vec<usize> = (1..=kept).collect();
    wait_until(INDEXED, || {
        missing.retain(|number| !is_found(address, &token(*number)).unwrap_or(false));
        missing.is_empty()
    });
    Ok(Side {
        per_second: searched.per_second,
        search_p99: p99(searched.latencies)?,
        capture_p99: p99(captured.latencies)?,
        errors: searched.refused + captured.refused,
        captured: kept,
        lost: missing.len(),
    })
}

fn token(number: usize) -> String {
    format!("capture{number:06}")
}

fn is_found(address: SocketAddr, token: &str) -> anyhow::Result<bool> {
    let found: Value = serde_json::from_str(&body(address, &format!("/api/v1/search?q={token}&limit=1"))?)?;
    Ok(found.get("count").and_then(Value::as_u64) == Some(1))
}

/// `None` when it is not installed.
fn peer(workspace: &Workspace, queries: &[String]) -> anyhow::Result<Option<Side>> {
    let program: PathBuf = workspace.peers.join("venv/bin/uvicorn");
    if !program.exists() {
        say("brain: FastAPI is not installed");
        return Ok(None);
    }
    let dir = scratch()?;
    let (vault, data) = (dir.path().join("vault"), dir.path().join("data"));
    write_notes(&vault)?;
    fs::create_dir(&data)?;
    let address = free_address()?;
    let mut command = Command::new(program);
    command
        .arg("--app-dir")
        .arg(workspace.root.join("bench"))
        .args(["search_peer:app", "--no-access-log", "--port", &address.port().to_string()])
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .envs([("VAULT", vault), ("DATA", data)]);
    let server = Server::start(command, address)?;
    let side = burden(server.address, queries)?;
    say(&format!("brain: in Python {side:?}"));
    Ok(Some(side))
}
