//! Work that is done side by side.

use std::num::NonZero;
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::error::BackupError;

/// More would wait for the same disk, and each holds a part of a file in memory.
const MOST: usize = 4;

/// Hands `items` out in their order to a few workers; each of them works until none is left, and its end is one of the
/// results. After a failure no more items are handed out.
pub(crate) fn share<T: Send, R: Send>(
    items: Vec<T>,
    work: impl Fn(&mut dyn Iterator<Item = T>) -> Result<R, BackupError> + Sync,
) -> Vec<Result<R, BackupError>> {
    let count = thread::available_parallelism().map_or(1, NonZero::get).clamp(1, MOST).min(items.len());
    let queue = Mutex::new(items.into_iter());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let worker = || {
        let done = work(&mut std::iter::from_fn(next));
        if done.is_err() {
            while next().is_some() {}
        }
        done
    };
    let panicked = |_| Err(BackupError::Worker { why: "a thread of the engine panicked".to_owned() });
    thread::scope(|scope| {
        let workers: Vec<_> = (0..count).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().map(|worker| worker.join().unwrap_or_else(panicked)).collect()
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn every_item_is_worked_on_once() {
        let sums = share((1..=100_u64).collect(), |items| Ok(items.sum::<u64>()));
        assert_eq!(sums.into_iter().sum::<Result<u64, _>>().unwrap(), 5050);
        assert!(share(Vec::<u8>::new(), |_| Ok(())).is_empty());
    }

    #[test]
    fn after_a_failure_nothing_new_is_begun() {
        let begun = AtomicUsize::new(0);
        let results = share((0..10_000).collect(), |items| {
            for item in items {
                begun.fetch_add(1, Ordering::SeqCst);
                if item == 0 {
                    return Err(BackupError::Worker { why: "full".to_owned() });
                }
                thread::yield_now();
            }
            Ok(())
        });
        assert_eq!(results.iter().filter(|r| r.is_err()).count(), 1);
        assert!(begun.load(Ordering::SeqCst) < 10_000);
    }
}
