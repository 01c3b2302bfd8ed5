use std::io;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A timer of the wall clock that is never due. The kernel cancels it when the clock makes a jump, and a resume
/// is one.
pub struct Jumps(AsyncFd<OwnedFd>);

impl Jumps {
    #[expect(deprecated, reason = "its successor is unsafe, for a promise about the fd that `OwnedFd` keeps")]
    pub fn new() -> io::Result<Self> {
        let fd = timerfd_create(TimerfdClockId::Realtime, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
        let jumps = Self(AsyncFd::with_interest(fd, Interest::READABLE)?);
        jumps.arm()?;
        Ok(jumps)
    }

    /// The clock made a jump; a short sleep looks like a clock that was set.
    pub async fn next(&mut self) -> io::Result<bool> {
        loop {
            let mut ready = self.0.readable().await?;
            let mut count = [0; 8];
            match ready.try_io(|fd| Ok(rustix::io::read(fd.get_ref(), &mut count)?)) {
                Ok(Err(e)) if e.raw_os_error() == Some(Errno::CANCELED.raw_os_error()) => {
                    self.arm()?;
                    return Ok(true);
                }
                Ok(Err(e)) => return Err(e),
                // Due after all, at the end of time.
                Ok(Ok(_)) => self.arm()?,
                Err(_) => {}
            }
        }
    }

    fn arm(&self) -> io::Result<()> {
        let flags = TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET;
        let never = Itimerspec {
            it_interval: Timespec { tv_sec: 0, tv_nsec: 0 },
            it_value: Timespec { tv_sec: i64::MAX, tv_nsec: 0 },
        };
        match timerfd_settime(&self.0, flags, &never) {
            // Another jump since the last one was told. It is armed all the same, and the caller is about to look.
            Ok(_) | Err(Errno::CANCELED) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }
}
