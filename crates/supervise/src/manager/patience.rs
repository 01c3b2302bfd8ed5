//! Waiting for what a manager does but tells nobody about.

use std::thread;
use std::time::Duration;

use steady_model::process::ProcessId;

use super::{Manager, ManagerError};
use crate::process_info;

/// From a signal to the end of whoever heeds it.
const MOMENT: Duration = Duration::from_secs(2);
/// Between two questions to a manager.
const PAUSE: Duration = Duration::from_millis(25);

/// Asks until there is an answer; `None` when there was none within `limit`. Blocking.
pub fn until<T, E>(limit: Duration, mut ask: impl FnMut() -> Result<Option<T>, E>) -> Result<Option<T>, E> {
    let began = steady_clock::now().awake;
    loop {
        if let Some(answer) = ask()? {
            return Ok(Some(answer));
        }
        if steady_clock::now().awake.since(began) >= limit {
            return Ok(None);
        }
        pause();
    }
}

/// Returns once a process that was asked to end has ended; by force after its grace. Blocking.
pub fn ended(manager: &dyn Manager, process: &ProcessId, grace: Duration) -> Result<(), ManagerError> {
    let gone = || {
        let lives = process_info::look(process.pid).is_some_and(|seen| seen.alive && seen.id == *process);
        Ok::<_, ManagerError>((!lives).then_some(()))
    };
    if until(grace + MOMENT, gone)?.is_none() {
        manager.kill(process)?;
        until(MOMENT, gone)?;
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "neither launchctl nor systemctl can wait for this")]
fn pause() {
    thread::sleep(PAUSE);
}
