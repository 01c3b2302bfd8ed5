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
    now: Progress,
    said: Option<Stopwatch>,
}

impl Events {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `total` bytes; 0 when that is not known.
    pub(crate) fn phase(&self, phase: &str, total: u64) {
        self.phase_of(phase, total, 0);
    }

    /// `bytes` in `files`.
    pub(crate) fn phase_of(&self, phase: &str, bytes: u64, files: u64) {
        let mut state = self.lock();
        let now = Progress { total_bytes: bytes, total_files: files, ..Progress::of(phase) };
        *state = State { now, said: None };
        Self::say(&mut state);
    }

    pub(crate) fn advance(&self, bytes: u64) {
        self.count_in(bytes, 0);
    }

    /// One more file is done; its bytes were told already.
    pub(crate) fn file_done(&self) {
        self.count_in(0, 1);
    }

    fn count_in(&self, bytes: u64, files: u64) {
        let mut state = self.lock();
        state.now.done_bytes += bytes;
        state.now.done_files += files;
        if state.said.is_none_or(|said| said.elapsed() >= BETWEEN_LINES) {
            Self::say(&mut state);
        }
    }

    fn say(state: &mut State) {
        state.said = Some(Stopwatch::start());
        send(&Event::Progress(state.now.clone()));
    }

    /// Counts an entry's bytes while they are read.
    pub(crate) fn count(self: &Arc<Self>, mut entry: Entry) -> Entry {
        if let Content::File(open) = entry.content {
            let events = Arc::clone(self);
            entry.content = Content::File(Box::new(move || {
                Ok(Box::new(Counting { inner: open()?, events, over: false }))
            }));
        }
        entry
    }
}

struct Counting {
    inner: Box<dyn Read + Send>,
    events: Arc<Events>,
    /// Its end was read and counted.
    over: bool,
}

impl Read for Counting {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buf)?;
        self.events.advance(count as u64);
        if count == 0 && !buf.is_empty() && !std::mem::replace(&mut self.over, true) {
            self.events.file_done();
        }
        Ok(count)
    }
}
