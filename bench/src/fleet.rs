//! One supervisor with its services, from start to end.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use tempfile::TempDir;

use crate::clock::{Moment, pause, wait_until};
use crate::peer::{Peer, Stand};
use crate::processes::{self, Process};
use crate::workspace::{Workspace, scratch};

/// How long a supervisor may take until all its services run.
const ALL_UP: Duration = Duration::from_secs(60);
/// How long a killed service may take to come back.
const BACK: Duration = Duration::from_secs(12);
/// For all kills of one fleet together.
const ALL_KILLS: Duration = Duration::from_secs(5);
/// Between two kills: a supervisor that reacts at all is at rest again. Different from kill to kill, so that one
/// that looks at intervals is met at every point of its interval.
const BETWEEN_KILLS: Duration = Duration::from_millis(57);
const STEP: Duration = Duration::from_millis(20);
const STEPS: u32 = 12;
const RECORD: usize = 16;

pub struct Fleet<'a> {
    stand: Stand,
    begun: Moment,
    workspace: &'a Workspace,
    _dir: TempDir,
}

/// When a service's process began, and its number.
#[derive(Debug, Clone, Copy)]
struct Stamp {
    at: Moment,
    pid: i32,
}

impl<'a> Fleet<'a> {
    pub fn start(peer: Peer, count: usize, workspace: &'a Workspace) -> anyhow::Result<Self> {
        let dir = scratch()?;
        let stand = Stand::new(dir.path(), count, &workspace.probe)?;
        let mut command = peer.prepare(&stand, workspace)?;
        let said = fs::File::create(dir.path().join("said"))?;
        let begun = Moment::now();
        spawn(command.stdin(Stdio::null()).stdout(said.try_clone()?).stderr(said))
            .with_context(|| format!("cannot start {}", peer.name()))?;
        Ok(Self { stand, begun, workspace, _dir: dir })
    }

    /// Waits until every service has begun; says how long after the start of the supervisor the last one did.
    pub fn until_up(&self) -> anyhow::Result<Duration> {
        let mut waiting: Vec<_> = self.stand.services.clone();
        let up = wait_until(ALL_UP, || {
            waiting.retain(|service| stamps(service).is_empty());
            waiting.is_empty()
        });
        if !up {
            let said = fs::read_to_string(self.stand.dir.join("said")).unwrap_or_default();
            let said: Vec<_> = said.lines().rev().take(3).collect();
            bail!(
                "{} of {} services never began; it said {said:?}",
                waiting.len(),
                self.stand.services.len()
            );
        }
        let last =
            self.stand.services.iter().filter_map(|service| stamps(service).first().map(|s| s.at)).max();
        Ok(last.context("there are no services")?.since(self.begun))
    }

    /// Kills services one after another, each once; says how long each successor took to begin.
    ///
    /// A slow supervisor gets fewer kills. The second number counts services that did not come back in time.
    pub fn kill_each(&self, count: usize) -> anyhow::Result<(Vec<Duration>, usize)> {
        let (mut took, mut lost) = (Vec::new(), 0);
        let begun = Moment::now();
        for (number, service) in self.stand.services.iter().take(count).enumerate() {
            if Moment::now().since(begun) > ALL_KILLS {
                break;
            }
            let pid = stamps(service).last().context("a service that is up has a stamp")?.pid;
            let at = Moment::now();
            processes::kill(pid)?;
            let successor = || stamps(service).into_iter().find(|stamp| stamp.at > at);
            wait_until(BACK, || {
                // A service that its supervisor put into the background is ours to reap.
                processes::reap();
                successor().is_some()
            });
            match successor() {
                Some(stamp) => took.push(stamp.at.since(at)),
                None => lost += 1,
            }
            pause(BETWEEN_KILLS + STEP * (u32::try_from(number)? * 7 % STEPS));
        }
        Ok((took, lost))
    }

    /// All processes of the supervisor: what is not a service.
    pub fn supervisors(&self) -> anyhow::Result<Vec<Process>> {
        processes::supervisors(&self.workspace.probe)
    }

    /// Processor time that the supervisor takes per second while nothing happens.
    pub fn idle(&self, span: Duration) -> anyhow::Result<Duration> {
        let processes = self.supervisors()?;
        let spent = || processes.iter().map(|process| processes::cpu_time(process.pid)).sum::<Duration>();
        let (before, begun) = (spent(), Moment::now());
        pause(span);
        let took = Moment::now().since(begun);
        Ok(spent().saturating_sub(before).div_f64(took.as_secs_f64()))
    }
}

impl Drop for Fleet<'_> {
    fn drop(&mut self) {
        if let Err(e) = processes::end_all(&self.workspace.probe) {
            crate::say(&format!("{e:#}"));
        }
    }
}

/// The child is nobody's: `end_all` reaps all descendants.
pub fn spawn(command: &mut Command) -> std::io::Result<()> {
    command.spawn().map(drop)
}

fn stamps(service: &std::path::Path) -> Vec<Stamp> {
    let bytes = fs::read(service.join("stamps")).unwrap_or_default();
    let number = |bytes: &[u8]| Some(u64::from_ne_bytes(bytes.try_into().ok()?));
    let records = bytes.chunks_exact(RECORD).filter_map(|record| {
        let (at, pid) = record.split_at_checked(RECORD / 2)?;
        Some(Stamp { at: Moment(number(at)?), pid: i32::try_from(number(pid)?).ok()? })
    });
    records.collect()
}
