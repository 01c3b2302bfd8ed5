//! What a supervisor costs: with a hundred services, and with ten, a hundred and a thousand.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Results, SETTLED, keep, milliseconds};
use crate::clock::pause;
use crate::fleet::Fleet;
use crate::machine::Machine;
use crate::peer::Peer;
use crate::processes;
use crate::say;
use crate::summary::Summary;
use crate::workspace::Workspace;

pub const HUNDRED: &str = "hundred";
pub const GROWTH: &str = "growth";
const SIZES: [usize; 3] = [10, 100, 1000];
/// Those that start a thousand services within a minute.
const GROWN: [Peer; 4] = [Peer::Steady, Peer::Runit, Peer::S6, Peer::Supervisord];
const IDLE: Duration = Duration::from_secs(20);
const IDLE_BRIEFLY: Duration = Duration::from_secs(5);
/// Steady's idle threads and the page cache of the start are gone by then; the same wait for all.
const AT_REST: Duration = Duration::from_secs(3);
const KILLS: usize = 8;

#[derive(Debug, Serialize, Deserialize)]
pub struct Row {
    pub peer: Peer,
    pub version: String,
    pub services: usize,
    /// From the start of the supervisor to the begin of the last service, milliseconds.
    pub all_up: f64,
    /// Processes that are not services, and their proportional set size in kB by name.
    pub processes: usize,
    pub pss: BTreeMap<String, u32>,
    /// Processor time, milliseconds per second.
    pub idle: f64,
    /// From a SIGKILL to the successor, milliseconds.
    pub restart: Option<Summary>,
    pub lost: usize,
}

impl Row {
    pub fn pss_total(&self) -> u32 {
        self.pss.values().sum()
    }
}

/// Everybody with a hundred services.
pub fn hundred(workspace: &Workspace) -> anyhow::Result<()> {
    let machine = Machine::look();
    let mut rows = Vec::new();
    for peer in Peer::ALL {
        rows.extend(measure(workspace, peer, 100, IDLE)?);
    }
    keep(workspace, HUNDRED, &Results { machine, rows })
}

/// The quick ones at three sizes.
pub fn growth(workspace: &Workspace) -> anyhow::Result<()> {
    let machine = Machine::look();
    let mut rows = Vec::new();
    for count in SIZES {
        for peer in GROWN {
            rows.extend(measure(workspace, peer, count, IDLE_BRIEFLY)?);
        }
    }
    keep(workspace, GROWTH, &Results { machine, rows })
}

/// `None` when the peer is not installed.
fn measure(
    workspace: &Workspace,
    peer: Peer,
    services: usize,
    idle: Duration,
) -> anyhow::Result<Option<Row>> {
    let Some(version) = peer.version(workspace) else { return Ok(None) };
    let fleet = Fleet::start(peer, services, workspace)?;
    let all_up = match fleet.until_up() {
        Ok(took) => took,
        Err(e) => {
            say(&format!("{} with {services} services: {e:#}", peer.name()));
            return Ok(None);
        }
    };
    pause(AT_REST.max(SETTLED));
    let idle = fleet.idle(idle)?;
    let supervisors = fleet.supervisors()?;
    let mut pss = BTreeMap::new();
    for process in &supervisors {
        *pss.entry(role(process, workspace)).or_insert(0) += processes::pss(process.pid);
    }
    let (took, lost) = fleet.kill_each(KILLS)?;
    let row = Row {
        peer,
        version,
        services,
        all_up: milliseconds(all_up),
        processes: supervisors.len(),
        pss,
        idle: milliseconds(idle),
        restart: Summary::of(took.into_iter().map(milliseconds).collect()),
        lost,
    };
    say(&format!(
        "{services} services: {} up in {:.0} ms, PSS {} kB, idle {:.3} ms/s",
        peer.name(),
        row.all_up,
        row.pss_total(),
        row.idle
    ));
    Ok(Some(row))
}

/// Steady's processes are told by their roles, others by their names.
fn role(process: &processes::Process, workspace: &Workspace) -> String {
    if process.program.as_ref() != Some(&workspace.steady) {
        return process.name.clone();
    }
    let line = std::fs::read_to_string(format!("/proc/{}/cmdline", process.pid)).unwrap_or_default();
    line.split('\0').nth(1).unwrap_or_default().to_owned()
}
