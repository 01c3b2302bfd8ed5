//! Threads for blocking work: as many as hang at the same time, and no more for long.
//!
//! A thread that has nothing to do waits a moment for more: with thousands of looks, to start one for each would be
//! most of what they cost.

use std::io;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

pub type Work = Box<dyn FnOnce() + Send>;

/// How long a thread waits for more.
const IDLE: Duration = Duration::from_secs(1);
/// Only what is touched of it is memory.
const STACK: usize = 1 << 20;

/// Those that wait, the last to have worked last: it is taken first, so that the others can end.
static WAITING: Mutex<Waiting> = Mutex::new(Waiting { threads: Vec::new(), last: 0 });

struct Waiting {
    threads: Vec<(u64, Sender<Work>)>,
    /// The newest thread's number.
    last: u64,
}

/// Begins the work at once, on a thread of its own.
pub fn run(work: Work) -> io::Result<()> {
    let (waiting, number) = {
        let mut all = WAITING.lock().unwrap_or_else(PoisonError::into_inner);
        all.last += 1;
        (all.threads.pop(), all.last)
    };
    // Who waits in the list takes what it is sent.
    let work = match waiting {
        Some((_, thread)) => match thread.send(work) {
            Ok(()) => return Ok(()),
            Err(mpsc::SendError(work)) => work,
        },
        None => work,
    };
    thread::Builder::new().name("check".to_owned()).stack_size(STACK).spawn(move || serve(number, work))?;
    Ok(())
}

fn serve(number: u64, first: Work) {
    let (send, receive) = mpsc::channel();
    first();
    loop {
        let list = || WAITING.lock().unwrap_or_else(PoisonError::into_inner);
        list().threads.push((number, send.clone()));
        let Some(work) = next(number, &receive) else { return };
        work();
    }
}

/// The next piece, or none when it is no longer in the list.
fn next(number: u64, receive: &Receiver<Work>) -> Option<Work> {
    match receive.recv_timeout(IDLE) {
        Ok(work) => Some(work),
        Err(RecvTimeoutError::Disconnected) => None,
        Err(RecvTimeoutError::Timeout) => {
            let mut all = WAITING.lock().unwrap_or_else(PoisonError::into_inner);
            let place = all.threads.iter().position(|(waiting, _)| *waiting == number);
            match place {
                Some(place) => {
                    all.threads.remove(place);
                    None
                }
                // Taken from the list just now: the work is on its way.
                None => {
                    drop(all);
                    receive.recv().ok()
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Runs so many at the same time, and says on which threads.
    fn together(many: usize) -> BTreeSet<String> {
        let (told, ids) = mpsc::channel();
        let gates: Vec<Sender<()>> = (0..many)
            .map(|_| {
                let (open, gate) = mpsc::channel::<()>();
                let told = told.clone();
                run(Box::new(move || {
                    told.send(format!("{:?}", thread::current().id())).unwrap();
                    let _ = gate.recv();
                }))
                .unwrap();
                open
            })
            .collect();
        let ids = ids.iter().take(many).collect();
        drop(gates);
        ids
    }

    #[test]
    fn work_that_hangs_has_threads_of_its_own_and_what_follows_takes_one_that_waits() {
        assert_eq!(together(50).len(), 50);
        let waiting = || WAITING.lock().unwrap().threads.len();
        while waiting() < 50 {
            thread::yield_now();
        }
        let before = WAITING.lock().unwrap().last;
        let reused: BTreeSet<_> = (0..20).flat_map(|_| together(1)).collect();
        assert!(reused.len() < 20, "a new thread for each: {reused:?}");
        assert_eq!(WAITING.lock().unwrap().last, before + 20);
        // And none stays for long.
        while waiting() > 0 {
            thread::yield_now();
        }
        assert_eq!(together(1).len(), 1, "an empty list begins anew");
    }
}
