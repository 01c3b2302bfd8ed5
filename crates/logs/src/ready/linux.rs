use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;

use super::Token;

/// As many as one wait reports; the others are reported by the next.
const AT_ONCE: usize = 64;
/// The system's own limit is 24 days.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// epoll, level-triggered: a wait costs by what is ready, not by what is watched.
pub struct Ready {
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
}

impl Ready {
    pub fn new() -> io::Result<Self> {
        Ok(Self { epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?, events: Vec::with_capacity(AT_ONCE) })
    }

    pub fn watch(&mut self, fd: BorrowedFd<'_>, token: Token) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, fd, epoll::EventData::new_u64(token), epoll::EventFlags::IN)?)
    }

    /// Call it before `fd` is closed.
    pub fn forget(&mut self, fd: BorrowedFd<'_>, _token: Token) {
        // One that is not watched is what is wanted.
        let _ = epoll::delete(&self.epoll, fd);
    }

    /// Waits until something is ready, or for `timeout`; for ever without one.
    pub fn wait(&mut self, timeout: Option<Duration>, ready: &mut Vec<Token>) -> io::Result<()> {
        ready.clear();
        let timeout = timeout.map(|t| t.min(LONGEST)).map(Timespec::try_from).transpose().unwrap_or_default();
        self.events.clear();
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
        ready.extend(self.events.iter().map(|e| e.data.u64()));
        Ok(())
    }
}
