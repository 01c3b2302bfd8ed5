//! Waiting for what a manager does but tells nobody about.

use std::thread;
use std::time::Duration;

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

#[expect(clippy::disallowed_methods, reason = "neither launchctl nor systemctl can wait for this")]
fn pause() {
    thread::sleep(PAUSE);
}
