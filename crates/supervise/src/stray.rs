//! Processes of a service that left its group: told by the mark in their environment, ended one by one.
//!
//! Each is signalled only after its pid, its start time and its mark were seen together, and by a handle of the
//! kernel's where there is one, so that no process that got the pid meanwhile is met.

use std::time::Duration;

use rustix::process::Signal;

use crate::census::Census;
use crate::environment::Mark;
use crate::exit_watch::watch;
use crate::port::{Listeners, listeners};
use crate::process_info::{self, Seen};
use crate::stop::gone;

/// How long a killed process may take until it is gone; one that sleeps in the kernel takes longer.
const GONE: Duration = Duration::from_secs(5);

/// All that live of one run, oldest first. Looks at every process. Blocking.
pub fn of_run(mark: &Mark, run: u64) -> Vec<Seen> {
    let all = Census::default().of(mark);
    all.into_iter().filter(|(_, of)| *of == run).map(|(seen, _)| seen).collect()
}

/// Who among the listeners of a port carries the mark. Blocking.
pub fn on_port(port: u16, mark: &Mark) -> Vec<Seen> {
    match listeners(port) {
        Listeners::Nobody => Vec::new(),
        Listeners::Taken(pids) => marked(pids, mark),
    }
}

/// Those of `pids` that live and carry the mark. Blocking.
pub fn marked(pids: impl IntoIterator<Item = u32>, mark: &Mark) -> Vec<Seen> {
    let look = |pid| process_info::look(pid).filter(|seen| seen.alive && mark.run_of(pid).is_some());
    pids.into_iter().filter_map(look).collect()
}

/// Signals each and returns when all are gone, or after `limit`.
pub async fn end(strays: &[Seen], signal: Signal, limit: Duration) {
    for stray in strays {
        let done = match watch(&stray.id) {
            Ok(Some(watch)) => watch.signal(signal),
            Ok(None) => Ok(()),
            Err(e) => Err(e),
        };
        match done {
            Ok(()) => tracing::warn!(pid = stray.id.pid, ?signal, "signalled what had left its group"),
            Err(e) => tracing::warn!(pid = stray.id.pid, "cannot signal what had left its group: {e}"),
        }
    }
    let all = async {
        for stray in strays {
            gone(&stray.id).await;
        }
    };
    let _ = tokio::time::timeout(limit, all).await;
}

/// KILL to each.
pub async fn kill(strays: &[Seen]) {
    end(strays, Signal::KILL, GONE).await;
}
