use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Stopwatch;
use crate::protocol::{Event, Progress};
use crate::repository::{Content, Entry};

/// Five lines a second are enough for eyes.
const BETWEEN_LINES: Duration = Duration::from_millis(200);

/// Tells the parent. Without a reader the work has no owner any more: it ends, as if it had been cancelled.
pub(crate) fn send(event: &Event) {
    let Ok(mut line) = serde_json::to_vec(event) else { return };
    line.push(b'\n');
    let mut out = io::stdout().lock();
    if out.write_all(&line).and_then(|()| out.flush()).is_err() {
        std::process::exit(1);
    }
}

/// How far the engine is, told to its parent now and then.
#[derive(Debug, Default)]
pub(crate) struct Events {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    phase: String,
    done: u64,
    total: u64,
    said: Option<Stopwatch>,
}

impl Events {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn phase(&self, phase: &str, total: u64) {
        let mut state = self.lock();
        *state = State { phase: phase.to_owned(), done: 0, total, said: None };
        Self::say(&mut state);
    }

    pub(crate) fn advance(&self, bytes: u64) {
        let mut state = self.lock();
        state.done += bytes;
        if state.said.is_none_or(|said| said.elapsed() >= BETWEEN_LINES) {
            Self::say(&mut state);
        }
    }

    fn say(state: &mut State) {
        state.said = Some(Stopwatch::start());
        send(&Event::Progress(Progress {
            phase: state.phase.clone(),
            done_bytes: state.done,
            total_bytes: state.total,
        }));
    }

    /// Counts an entry's bytes while they are read.
    pub(crate) fn count(self: &Arc<Self>, mut entry: Entry) -> Entry {
        if let Content::File(open) = entry.content {
            let events = Arc::clone(self);
            entry.content =
                Content::File(Box::new(move || Ok(Box::new(Counting { inner: open()?, events }))));
        }
        entry
    }
}

struct Counting {
    inner: Box<dyn Read + Send>,
    events: Arc<Events>,
}

impl Read for Counting {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buf)?;
        self.events.advance(count as u64);
        Ok(count)
    }
}
