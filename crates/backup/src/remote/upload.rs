//! What is sent, piece by piece, no faster than it may.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame, SizeHint};

use super::pace::{Pace, wait};

/// With a limit, no more goes at once.
const PIECE: usize = 16 << 10;

/// How much was sent, so that what is slow is told from what stands still.
#[derive(Clone, Default)]
pub(super) struct Moved(Arc<AtomicU64>);

impl Moved {
    /// Waits for `work`; `None` when nothing was sent for as long as `patience`.
    pub(super) async fn patiently<T>(&self, patience: Duration, work: impl Future<Output = T>) -> Option<T> {
        let mut work = std::pin::pin!(work);
        let mut before = self.0.load(Ordering::Relaxed);
        loop {
            if let Ok(done) = tokio::time::timeout(patience, work.as_mut()).await {
                return Some(done);
            }
            let now = self.0.load(Ordering::Relaxed);
            if now == before {
                return None;
            }
            before = now;
        }
    }
}

/// The body of a request.
pub(super) struct Upload {
    parts: VecDeque<Bytes>,
    left: u64,
    pace: Option<Arc<Pace>>,
    waiting: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    /// Let through, and to be sent when the waiting is over.
    next: Option<Bytes>,
    moved: Moved,
}

impl Upload {
    pub(super) fn new(parts: Vec<Bytes>, pace: Option<Arc<Pace>>, moved: Moved) -> Self {
        let parts: VecDeque<Bytes> = parts.into_iter().filter(|p| !p.is_empty()).collect();
        let left = parts.iter().map(|p| p.len() as u64).sum();
        Self { parts, left, pace, waiting: None, next: None, moved }
    }

    fn piece(&mut self) -> Option<Bytes> {
        let mut part = self.parts.pop_front()?;
        if self.pace.is_some() && part.len() > PIECE {
            let piece = part.split_to(PIECE);
            self.parts.push_front(part);
            return Some(piece);
        }
        Some(part)
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.next.is_none() {
            self.next = self.piece();
            if let (Some(next), Some(pace)) = (&self.next, &self.pace) {
                let delay = pace.admit(next.len() as u64);
                self.waiting = (!delay.is_zero()).then(|| Box::pin(wait(delay)) as _);
            }
        }
        if let Some(waiting) = &mut self.waiting {
            ready!(waiting.as_mut().poll(cx));
            self.waiting = None;
        }
        let Some(next) = self.next.take() else { return Poll::Ready(None) };
        self.left = self.left.saturating_sub(next.len() as u64);
        self.moved.0.fetch_add(next.len() as u64, Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(next))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
