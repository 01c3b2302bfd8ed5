//! A line of this run's output.

use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use regex::Regex;
use rustix::io::ioctl_fionread;
use steady_logs::{Follower, Position, Stopper};
use steady_model::config::Readiness;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

use crate::timer::pause;

/// How long a run waits for the sink to take what the run before left in the FIFO: with a sink that does not
/// answer, an old line may be taken for a new one.
const DRAIN: Duration = Duration::from_millis(500);
const LOOK: Duration = Duration::from_millis(1);
/// Writing wakes the reader; this only bounds how long it waits for that.
const PATIENCE: Duration = Duration::from_hours(1);

/// The log from the moment before a start. The lock only lets it be held where others may look.
pub struct LogWatch(Mutex<Follower>);

impl LogWatch {
    /// `None` when nobody will ask for a line, or the log cannot be followed. Blocking.
    pub fn open(readiness: &Readiness, dir: &Path) -> Option<Self> {
        let Readiness::Log { .. } = readiness else { return None };
        follow(dir, None)
    }

    /// Where in the log it begins.
    pub fn position(&self) -> String {
        let follower = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Of a log without a file, its first line.
        follower.position().map_or_else(|| "0:0".to_owned(), |at| at.to_string())
    }
}

/// From a position on, or from now on. Blocking.
fn follow(dir: &Path, from: Option<Position>) -> Option<LogWatch> {
    let made = steady_disk::create_private_dir(dir).map_err(|e| e.to_string());
    let open = |()| match from {
        Some(position) => Follower::resume(dir, position),
        None => Follower::new(dir, 0),
    };
    match made.and_then(|done| open(done).map_err(|e| e.to_string())) {
        Ok(follower) => Some(LogWatch(Mutex::new(follower))),
        Err(e) => {
            tracing::error!("cannot follow the log in {}: {e}", dir.display());
            None
        }
    }
}

/// Returns when nothing waits in the FIFO, or after a while. No kernel tells a writer when a pipe is empty.
pub async fn drained(output: &File) {
    let empty = async {
        while ioctl_fionread(output).is_ok_and(|waiting| waiting > 0) {
            pause(LOOK).await;
        }
    };
    if tokio::time::timeout(DRAIN, empty).await.is_err() {
        tracing::warn!("the log sink is behind: an old line may be taken for the one that says ready");
    }
}

/// Returns when a line matches. Without a watch from the start of the run, from where it began, if that is known.
pub async fn until_line(pattern: &str, log: Option<LogWatch>, dir: &Path, began: Option<&str>) {
    let pattern = match Regex::new(pattern) {
        Ok(pattern) => pattern,
        // The configuration was refused for it already.
        Err(e) => {
            tracing::error!("the readiness pattern is no regular expression: {e}");
            return std::future::pending().await;
        }
    };
    let (dir, began) = (dir.to_owned(), began.and_then(|text| text.parse().ok()));
    let log = match log {
        Some(log) => Some(log),
        None => spawn_blocking(move || follow(&dir, began)).await.ok().flatten(),
    };
    let Some(LogWatch(follower)) = log else { return std::future::pending().await };
    let follower = follower.into_inner().unwrap_or_else(PoisonError::into_inner);
    let ended = Ended { flag: Arc::default(), _stopper: follower.stopper() };
    let flag = ended.flag.clone();
    let (say, said) = oneshot::channel();
    // A thread of its own: it may wait for long, and the runtime's are few.
    let thread = thread::Builder::new().name("log-readiness".to_owned()).spawn(move || {
        if has_line(follower, &pattern, &flag) {
            let _ = say.send(());
        }
    });
    if let Err(e) = thread {
        tracing::error!("cannot start a thread: {e}");
    }
    if said.await.is_err() {
        std::future::pending::<()>().await;
    }
    drop(ended);
}

/// Tells the thread that nobody waits for it any more.
struct Ended {
    flag: Arc<AtomicBool>,
    /// Dropped after the flag was set.
    _stopper: Stopper,
}

impl Drop for Ended {
    fn drop(&mut self) {
        self.flag.store(true, Ordering::Release);
    }
}

fn has_line(mut follower: Follower, pattern: &Regex, ended: &AtomicBool) -> bool {
    while !ended.load(Ordering::Acquire) {
        match follower.next_lines(PATIENCE) {
            Ok(lines) if lines.iter().any(|line| pattern.is_match(line)) => return true,
            Ok(_) => {}
            Err(e) => {
                tracing::error!("cannot follow the log: {e}");
                return false;
            }
        }
    }
    false
}
