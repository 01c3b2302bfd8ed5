//! When a crowd of requests is over, the memory that it took goes back to the system.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

use crate::clock;

/// So many requests are a crowd: for a single one, such as a look at the health, it is not worth a millisecond.
const CROWD: u32 = 200;
/// Without a request; then the crowd has gone.
pub const QUIET: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Default)]
pub struct Rest(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    answered: AtomicU32,
    news: Notify,
}

impl Rest {
    /// A request was answered.
    pub fn answered(&self) {
        self.0.answered.fetch_add(1, Ordering::Relaxed);
        self.0.news.notify_one();
    }

    /// Follows the requests until it is dropped.
    pub async fn keep(self, quiet: Duration, give_back: impl Fn()) {
        loop {
            self.0.news.notified().await;
            while self.has_news(quiet).await {}
            if self.0.answered.load(Ordering::Relaxed) >= CROWD {
                self.0.answered.store(0, Ordering::Relaxed);
                give_back();
            }
        }
    }

    /// Whether there is another within that time.
    async fn has_news(&self, quiet: Duration) -> bool {
        tokio::select! {
            () = self.0.news.notified() => true,
            () = clock::pause(quiet) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: Duration = Duration::from_millis(10);

    #[tokio::test]
    async fn memory_goes_back_once_after_a_crowd_and_not_after_a_few() {
        let rest = Rest::default();
        let given = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&given);
        tokio::spawn(rest.clone().keep(QUIET, move || {
            count.fetch_add(1, Ordering::Relaxed);
        }));
        let after = async |requests: u32| {
            for _ in 0..requests {
                rest.answered();
            }
            clock::pause(QUIET * 10).await;
            given.load(Ordering::Relaxed)
        };
        assert_eq!(after(CROWD - 1).await, 0);
        rest.answered();
        while given.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(after(CROWD - 1).await, 1);
    }
}
