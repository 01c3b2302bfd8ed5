//! Ends the run that a dead agent left, when its time is up and its processes are provably its own.
//!
//! The note in the lock file names a process group, and proves nothing. A process of that group whose environment
//! names the run does: only what we started has it, and the group's number cannot be given to somebody else while
//! one of its processes lives.

#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(target_os = "macos", path = "macos.rs")]
mod system;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::{Pid, Signal, kill_process_group};
use steady_disk::{FileLock, Holder, LockError};
use steady_model::config::Job;
use tokio::task::spawn_blocking;
use tracing::warn;

use crate::clock;
use crate::process::{GRACE, RUN};

/// TERM to its group, and KILL after the grace. What is not proved is left alone, and said.
pub async fn end(job: Arc<Job>, run: String, timed_out: Arc<AtomicBool>) {
    for signal in [Signal::TERM, Signal::KILL] {
        let (spec, id) = (Arc::clone(&job), run.clone());
        let Ok(group) = spawn_blocking(move || proved(&spec, &id)).await else { return };
        let Some(group) = group else {
            if signal == Signal::TERM {
                warn!(
                    job = job.name,
                    run,
                    "its time is up, but whoever holds {} is not provably its process; \
                      look at it, and end it by hand",
                    job.lock.display()
                );
            }
            return;
        };
        timed_out.store(true, Ordering::Release);
        // An error says that nobody is left to signal.
        let _ = kill_process_group(group, signal);
        clock::pause(GRACE).await;
    }
}

/// The run's group, while its lock is held and one of its processes lives. Blocks.
fn proved(job: &Job, run: &str) -> Option<Pid> {
    let ask = Holder { pid: std::process::id(), what: job.name.clone(), since: String::new() };
    let Err(LockError::Held { holder: Some(holder), .. }) = FileLock::try_acquire(&job.lock, &ask) else {
        return None;
    };
    let group = Pid::from_raw(i32::try_from(holder.pid).ok()?)?;
    system::has_member(group, &format!("{RUN}={run}")).then_some(group)
}
