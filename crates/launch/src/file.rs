//! Reading a small file whole, without ever waiting on it.

use std::fs::{Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;
use zeroize::Zeroizing;

/// The largest file that is read, bytes.
pub const LIMIT: u64 = 1_000_000;

/// `None` when it is no regular file or too large. Links are followed; what is told is of the file read.
pub fn read(path: &Path) -> io::Result<Option<(Metadata, Zeroizing<Vec<u8>>)>> {
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    // Opening a FIFO would wait for its writer otherwise.
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len() > LIMIT {
        return Ok(None);
    }
    // Room for all, so that growth leaves no copies behind.
    let room = usize::try_from(metadata.len()).unwrap_or_default().saturating_add(1);
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    file.take(LIMIT.saturating_add(1)).read_to_end(&mut bytes)?;
    let fits = u64::try_from(bytes.len()).is_ok_and(|len| len <= LIMIT);
    Ok(fits.then_some((metadata, bytes)))
}
