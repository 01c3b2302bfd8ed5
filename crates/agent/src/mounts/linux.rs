use std::fs::File;
use std::io::{self, Read, Seek};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// The table of mounts, whose change the kernel tells as urgent data.
pub struct Mounts(AsyncFd<File>);

impl Mounts {
    #[expect(deprecated, reason = "its successor is unsafe, for a promise about the fd that `File` keeps")]
    pub fn watch() -> io::Result<Self> {
        let file = File::open("/proc/self/mountinfo")?;
        Ok(Self(AsyncFd::with_interest(file, Interest::PRIORITY)?))
    }

    /// Something was mounted or unmounted.
    pub async fn changed(&mut self) -> io::Result<()> {
        self.0.ready_mut(Interest::PRIORITY).await?.clear_ready();
        // Read to its end, so that the next change is told.
        let file = self.0.get_mut();
        file.rewind()?;
        io::copy(&mut file.take(u64::MAX), &mut io::sink())?;
        Ok(())
    }
}
