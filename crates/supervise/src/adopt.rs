//! What an earlier agent left running. Blocking.

use std::ffi::OsString;

use steady_model::config::Service;

use crate::environment::Mark;
use crate::error::SuperviseError;
use crate::journal::{Entry, Journal};
use crate::process_info::{self, Seen};
use crate::stop::Group;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Earlier {
    Nothing,
    /// The service itself, as it was.
    Running(Seen),
    /// Its leader is dead, its group is not: to be swept before a new start.
    Orphans(Group),
}

/// Looks for the service in its journal, then by its mark among all processes.
pub fn find(spec: &Service, mark: &Mark, journal: &Journal) -> Earlier {
    let earlier = match journal.read() {
        Ok(Some(entry)) => from_journal(&entry, mark),
        Ok(None) => Earlier::Nothing,
        Err(e) => {
            // The mark finds what it would have named.
            tracing::warn!(service = spec.name, "{e}");
            Earlier::Nothing
        }
    };
    match earlier {
        Earlier::Nothing => by_mark(spec, mark).map_or(Earlier::Nothing, Earlier::Running),
        found => found,
    }
}

fn from_journal(entry: &Entry, mark: &Mark) -> Earlier {
    if !process_info::boot_id().is_ok_and(|boot| boot == entry.boot_id) {
        return Earlier::Nothing;
    }
    if let Some(seen) = process_info::look(entry.process.pid)
        && seen.id == entry.process
        && seen.alive
        && seen.group == seen.id.pid
    {
        return Earlier::Running(seen);
    }
    let group = Group::of(entry.process.clone());
    // The group's number may have been given away twice since: only the mark proves that these are ours.
    match group.members() {
        Ok(left) if !left.is_empty() && left.iter().all(|seen| mark.is_on(seen.id.pid)) => {
            Earlier::Orphans(group)
        }
        Ok(left) => {
            if !left.is_empty() {
                tracing::warn!(
                    group = entry.process.pid,
                    "processes that cannot be proved ours are left alone"
                );
            }
            Earlier::Nothing
        }
        Err(_) => Earlier::Nothing,
    }
}

/// The child of an agent that was killed between the spawn and the journal.
///
/// Descendants carry the mark too: the service is the oldest that leads a group and runs its command.
fn by_mark(spec: &Service, mark: &Mark) -> Option<Seen> {
    let mut leaders = process_info::all().ok()?;
    leaders.retain(|seen| seen.alive && seen.group == seen.id.pid);
    leaders.sort_by_key(|seen| seen.id.started);
    leaders.into_iter().find(|seen| runs(&spec.command, seen.id.pid) && mark.is_on(seen.id.pid))
}

/// A script's interpreter comes before its path, so the end of the arguments decides.
fn runs(command: &[String], pid: u32) -> bool {
    let (Some(argv), Some((program, args))) = (process_info::argv(pid), command.split_first()) else {
        return false;
    };
    let args: Vec<OsString> = args.iter().map(OsString::from).collect();
    let Some(start) = argv.strip_suffix(args.as_slice()) else { return false };
    start.last().is_some_and(|last| last.to_string_lossy().ends_with(program.trim_start_matches("./")))
}

/// Makes the errors of a journal known without stopping for them.
pub fn noted(service: &str, done: Result<(), SuperviseError>) {
    if let Err(e) = done {
        tracing::warn!(service, "{e}");
    }
}
