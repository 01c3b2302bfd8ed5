//! Costly looks at the whole system, shared by all checks that want one.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

use crate::schedule::now;
use crate::worker::Aside;

/// From the start of one to the start of the next: thousands of checks cost no more than this many a second.
const APART: Duration = Duration::from_millis(250);

/// The newest of its kind, and the one thread that takes it.
pub struct Census<T: 'static> {
    take: fn() -> io::Result<T>,
    state: Mutex<State<T>>,
}

struct State<T> {
    aside: Aside<io::Result<T>>,
    newest: Option<(Instant, Arc<T>)>,
}

impl<T: Send + Sync> Census<T> {
    pub const fn new(take: fn() -> io::Result<T>) -> Self {
        Self { take, state: Mutex::const_new(State { aside: Aside::new(), newest: None }) }
    }

    /// The system as it was at some moment after this was called. Who asks alone gets it at once; a crowd shares.
    pub async fn taken(&self) -> io::Result<Arc<T>> {
        let asked = now();
        let mut state = self.state.lock().await;
        if let Some((began, found)) = &state.newest {
            if *began >= asked {
                return Ok(Arc::clone(found));
            }
            sleep_until(*began + APART).await;
        }
        let began = now();
        let found = Arc::new(state.aside.run(self.take).await??);
        state.newest = Some((began, Arc::clone(&found)));
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_crowd_shares_one_and_nobody_gets_one_from_before_the_question() {
        static TAKEN: AtomicUsize = AtomicUsize::new(0);
        static CENSUS: Census<usize> = Census::new(|| Ok(TAKEN.fetch_add(1, Ordering::SeqCst) + 1));
        let begun = now();
        assert_eq!(*CENSUS.taken().await.unwrap(), 1);
        let crowd: Vec<_> =
            (0..500).map(|_| tokio::spawn(async { *CENSUS.taken().await.unwrap() })).collect();
        let mut newest = 0;
        for one in crowd {
            let found = one.await.unwrap();
            assert!(found > 1, "it is older than the question");
            newest = newest.max(found);
        }
        assert!(newest < 20, "{newest} looks for one crowd");
        assert!(now() - begun >= APART);
        assert_eq!(*CENSUS.taken().await.unwrap(), newest + 1);
    }
}
