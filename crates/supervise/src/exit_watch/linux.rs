use std::io;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A pidfd: readable once the process has ended, before anybody reaped it.
pub struct ExitWatch(AsyncFd<OwnedFd>);

impl ExitWatch {
    /// `None` when there is no such process.
    #[expect(deprecated, reason = "its successor is unsafe, for a promise about the fd that `OwnedFd` keeps")]
    pub fn open(pid: Pid) -> io::Result<Option<Self>> {
        match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(fd) => Ok(Some(Self(AsyncFd::with_interest(fd, Interest::READABLE)?))),
            Err(Errno::SRCH) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    pub async fn gone(&self) -> io::Result<()> {
        self.0.readable().await.map(drop)
    }

    /// Signals exactly the process that is watched.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        match pidfd_send_signal(self.0.get_ref(), signal) {
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }
}
