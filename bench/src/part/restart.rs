//! From SIGKILL of a service to the first instruction of its successor.

use serde::{Deserialize, Serialize};

use super::{Results, SETTLED, keep, milliseconds};
use crate::clock::pause;
use crate::fleet::Fleet;
use crate::machine::Machine;
use crate::peer::Peer;
use crate::say;
use crate::summary::Summary;
use crate::workspace::Workspace;

pub const PART: &str = "restart";
/// The peers take turns, so that a change of the machine's speed meets all of them.
const ROUNDS: usize = 5;
/// Each is killed once: what comes after a second unexpected end is a policy, not a latency.
pub const KILLS: usize = 12;

#[derive(Debug, Serialize, Deserialize)]
pub struct Row {
    pub peer: Peer,
    pub version: String,
    /// Milliseconds, all rounds together.
    pub latency: Summary,
    /// Milliseconds, each round alone.
    pub medians: Vec<f64>,
    /// Services that were not back within 12 s.
    pub lost: usize,
}

pub fn run(workspace: &Workspace) -> anyhow::Result<()> {
    let machine = Machine::look();
    let peers: Vec<_> = Peer::ALL
        .into_iter()
        .chain([Peer::Loop])
        .filter_map(|peer| Some((peer, peer.version(workspace)?)))
        .collect();
    let mut taken: Vec<Vec<Vec<f64>>> = vec![Vec::new(); peers.len()];
    let mut lost = vec![0; peers.len()];
    for round in 1..=ROUNDS {
        for (((peer, _), taken), lost) in peers.iter().zip(&mut taken).zip(&mut lost) {
            let fleet = Fleet::start(*peer, KILLS, workspace)?;
            fleet.until_up()?;
            pause(SETTLED);
            let (took, missing) = fleet.kill_each(KILLS)?;
            let took: Vec<_> = took.into_iter().map(milliseconds).collect();
            if let Some(seen) = Summary::of(took.clone()) {
                say(&format!("restart, round {round}: {} {:.2} ms", peer.name(), seen.median));
            }
            taken.push(took);
            *lost += missing;
        }
    }
    let rows = peers.into_iter().zip(taken).zip(lost).filter_map(|(((peer, version), rounds), lost)| {
        let medians = rounds.iter().filter_map(|round| Some(Summary::of(round.clone())?.median)).collect();
        Some(Row { peer, version, latency: Summary::of(rounds.concat())?, medians, lost })
    });
    keep(workspace, PART, &Results { machine, rows: rows.collect() })
}
