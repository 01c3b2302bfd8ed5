//! What services take: memory and CPU of all their processes, in one pass over the system's.
//!
//! Owns reading the kernel's figures and adding them up. Must never signal a process, nor sample by itself: it
//! looks when it is asked, which is the caller's to decide (somebody watches, or once a minute).

mod group;
mod limit;
#[cfg_attr(target_os = "linux", path = "processes/linux.rs")]
#[cfg_attr(target_os = "macos", path = "processes/macos.rs")]
mod processes;
mod spent;

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

pub use limit::over_limit;
use steady_model::process::ProcessId;
use steady_model::time::{AwakeInstant, Now};
use steady_model::usage::Usage;

use crate::spent::Counted;

/// How memory is counted.
///
/// CPU time of a sample as measured on Linux: 15 µs for each process of the machine; for each of a service, 31 µs
/// more with `Cheap`, and with `Exact` 58 µs and 15 µs per MB. 100 services of two small processes on a machine with
/// 314: 11 ms and 16 ms. Once a minute that is 0.2 and 0.3 ms per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// Linux: its share of what it has in memory and in swap (PSS). macOS: its footprint.
    Exact,
    /// Linux: what is no file's and not declared as shared, and swap. Too much where forks still share pages, too
    /// little for shared memory and mapped files. macOS: as `Exact`, which costs nothing there.
    Cheap,
}

/// A service to look at.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    pub name: &'a str,
    /// The process that was started; the number of its group is its pid.
    pub leader: &'a ProcessId,
    pub memory: Memory,
}

/// Looks at processes, and remembers the last look for the CPU rate.
pub struct Sampler {
    processes: processes::Processes,
    last: BTreeMap<String, Look>,
}

struct Look {
    leader: ProcessId,
    at: AwakeInstant,
    counted: Counted,
}

impl Sampler {
    pub fn new() -> io::Result<Self> {
        Ok(Self { processes: processes::Processes::new()?, last: BTreeMap::new() })
    }

    /// The figures of every subject that has a living process: the members of its group, and their descendants
    /// also when they left the group. A descendant that left it *and* lost its parent is not found.
    ///
    /// The rate is that since the last sample with the same leader. Blocking, for a few milliseconds; a process
    /// whose figures the system hides counts without them.
    pub fn sample<'a>(
        &mut self,
        subjects: impl IntoIterator<Item = Subject<'a>>,
        now: Now,
    ) -> io::Result<BTreeMap<String, Usage>> {
        let all = self.processes.all()?;
        let subjects: Vec<_> = subjects.into_iter().collect();
        let leaders: Vec<_> = subjects.iter().map(|subject| subject.leader).collect();
        let mut last = std::mem::take(&mut self.last);
        let mut usages = BTreeMap::new();
        for (subject, members) in subjects.iter().zip(group::members(&all, &leaders)) {
            let living: Vec<_> = members.iter().filter(|process| process.alive).collect();
            if living.is_empty() {
                continue;
            }
            let memory = |pid| self.processes.memory(pid, subject.memory).unwrap_or(0);
            let counted = Counted::of(members.iter().copied());
            let before = last.remove(subject.name).filter(|look| look.leader == *subject.leader);
            let usage = Usage {
                at: now.wall,
                processes: u32::try_from(living.len()).unwrap_or(u32::MAX),
                memory_bytes: living.iter().map(|process| memory(process.id.pid)).sum(),
                cpu_ms: milliseconds(counted.total()),
                cpu_permille: before
                    .and_then(|look| spent::permille(counted.since(&look.counted), now.awake.since(look.at))),
            };
            usages.insert(subject.name.to_owned(), usage);
            let look = Look { leader: subject.leader.clone(), at: now.awake, counted };
            self.last.insert(subject.name.to_owned(), look);
        }
        Ok(usages)
    }

    /// The figures of this process alone, without its children. Blocking, for a few milliseconds.
    pub fn own(&mut self, now: Now) -> io::Result<Usage> {
        let pid = std::process::id();
        let all = self.processes.all()?;
        let me = all.iter().find(|process| process.id.pid == pid);
        Ok(Usage {
            at: now.wall,
            processes: 1,
            memory_bytes: self.processes.memory(pid, Memory::Exact)?,
            cpu_ms: milliseconds(me.map_or(Duration::ZERO, |process| process.own)),
            cpu_permille: None,
        })
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A process as one look at the system shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Process {
    id: ProcessId,
    parent: u32,
    group: u32,
    /// Not a zombie.
    alive: bool,
    /// CPU time of its own.
    own: Duration,
    /// CPU time of those of its children that it has seen the end of. Zero where the system does not tell.
    children: Duration,
}
