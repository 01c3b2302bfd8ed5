//! What an earlier agent left running. Blocking.

use crate::census::Census;
use crate::environment::Mark;
use crate::journal::Entry;
use crate::process_info::{self, Seen};
use crate::stop::Group;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Earlier {
    Nothing,
    /// The service itself, as it was; `unwritten` is its run when the journal does not have it.
    Running {
        process: Seen,
        unwritten: Option<u64>,
    },
    /// Its leader is dead, its group is not: to be swept before a new start.
    Orphans(Group),
}

/// Looks for the service in its journal, then by its mark among all processes.
pub fn find(entry: Option<&Entry>, mark: &Mark, census: &Census) -> Earlier {
    let earlier = entry.map_or(Earlier::Nothing, |entry| from_journal(entry, mark));
    if earlier != Earlier::Nothing {
        return earlier;
    }
    let last_run = entry.map_or(0, |entry| entry.run);
    by_mark(census, mark, last_run)
        .map_or(Earlier::Nothing, |(process, run)| Earlier::Running { process, unwritten: Some(run) })
}

fn from_journal(entry: &Entry, mark: &Mark) -> Earlier {
    let Some(process) = entry.process.as_ref().filter(|_| of_this_boot(entry)) else {
        return Earlier::Nothing;
    };
    if let Some(seen) = leader_of(entry) {
        return Earlier::Running { process: seen, unwritten: None };
    }
    let group = Group::of(process.clone());
    // The group's number may have been given away twice since: only the mark proves that these are ours.
    match group.members() {
        Ok(left) if !left.is_empty() && left.iter().all(|seen| mark.run_of(seen.id.pid).is_some()) => {
            Earlier::Orphans(group)
        }
        Ok(left) => {
            if !left.is_empty() {
                tracing::warn!(group = process.pid, "processes that cannot be proved ours are left alone");
            }
            Earlier::Nothing
        }
        Err(_) => Earlier::Nothing,
    }
}

/// The process of an entry, if it lives.
pub fn leader_of(entry: &Entry) -> Option<Seen> {
    let process = entry.process.as_ref().filter(|_| of_this_boot(entry))?;
    let seen = process_info::look(process.pid)?;
    (seen.id == *process && seen.alive && seen.group == seen.id.pid).then_some(seen)
}

fn of_this_boot(entry: &Entry) -> bool {
    process_info::boot_id().is_ok_and(|boot| boot == entry.boot_id)
}

/// The child of an agent that was killed between the spawn and the journal, and its run.
///
/// Descendants carry the mark too, and may lead groups of their own. Those of a journalled run are told by
/// its number; within a newer run the service is the oldest.
fn by_mark(census: &Census, mark: &Mark, last_run: u64) -> Option<(Seen, u64)> {
    let ours = census.of(mark);
    ours.into_iter().find(|(seen, run)| seen.group == seen.id.pid && *run > last_run)
}
