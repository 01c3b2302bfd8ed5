use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::Token;

/// The system's own limit is 24 days.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// poll: kqueue cannot be asked without unsafe code, and a Mac runs few services.
pub struct Ready {
    /// Duplicates, so that this owns what it waits for.
    watched: Vec<(Token, OwnedFd)>,
}

impl Ready {
    #[expect(clippy::unnecessary_wraps, reason = "the same name on every system")]
    pub fn new() -> io::Result<Self> {
        Ok(Self { watched: Vec::new() })
    }

    pub fn watch(&mut self, fd: BorrowedFd<'_>, token: Token) -> io::Result<()> {
        self.watched.push((token, fd.try_clone_to_owned()?));
        Ok(())
    }

    /// Call it before `fd` is closed.
    pub fn forget(&mut self, _fd: BorrowedFd<'_>, token: Token) {
        self.watched.retain(|(t, _)| *t != token);
    }

    /// Waits until something is ready, or for `timeout`; for ever without one.
    pub fn wait(&mut self, timeout: Option<Duration>, ready: &mut Vec<Token>) -> io::Result<()> {
        ready.clear();
        let timeout = timeout.map(|t| t.min(LONGEST)).map(Timespec::try_from).transpose().unwrap_or_default();
        let mut fds: Vec<PollFd<'_>> =
            self.watched.iter().map(|(_, fd)| PollFd::new(fd, PollFlags::IN)).collect();
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
        let ready_ones = self.watched.iter().zip(&fds).filter(|(_, fd)| !fd.revents().is_empty());
        ready.extend(ready_ones.map(|((token, _), _)| *token));
        Ok(())
    }
}
