use std::io;
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::libc::timespec;
use nix::sys::event::{EvFlags, EventFilter, FilterFlag, KEvent, Kqueue};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A kqueue of its own with one `EVFILT_PROC`: readable once the process has ended.
pub struct ExitWatch(AsyncFd<OwnedFd>, Pid);

impl ExitWatch {
    /// `None` when there is no such process.
    #[expect(deprecated, reason = "its successor is unsafe, for a promise about the fd that `OwnedFd` keeps")]
    pub fn open(pid: Pid) -> io::Result<Option<Self>> {
        let queue = Kqueue::new()?;
        let ident = usize::try_from(pid.as_raw_nonzero().get()).map_err(io::Error::other)?;
        let exit = KEvent::new(ident, EventFilter::EVFILT_PROC, EvFlags::EV_ADD, FilterFlag::NOTE_EXIT, 0, 0);
        match queue.kevent(&[exit], &mut [], Some(timespec { tv_sec: 0, tv_nsec: 0 })) {
            Ok(_) => Ok(Some(Self(AsyncFd::with_interest(queue.into(), Interest::READABLE)?, pid))),
            Err(Errno::ESRCH) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    pub async fn gone(&self) -> io::Result<()> {
        self.0.readable().await.map(drop)
    }

    /// Signals the process that is watched; the caller has just seen that it is still the same.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        match kill_process(self.1, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }
}
