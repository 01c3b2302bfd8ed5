use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use nix::sys::stat::Mode;

use crate::SinkError;

/// Makes a FIFO that only this user can open; one that is there is kept.
pub fn make_fifo(path: &Path) -> Result<(), SinkError> {
    match nix::unistd::mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR) {
        Ok(()) => return Ok(()),
        Err(nix::errno::Errno::EEXIST) => {}
        Err(errno) => return Err(SinkError::at("make the FIFO", path)(errno.into())),
    }
    let kind = fs::symlink_metadata(path).map_err(SinkError::at("look at", path))?.file_type();
    if kind.is_fifo() { Ok(()) } else { Err(SinkError::NotAFifo { path: path.to_owned() }) }
}

/// Opens a FIFO read-write: POSIX leaves that open, Linux and macOS both allow it.
///
/// It never blocks in `open`, never breaks the pipe, and never reads an end of file. `nonblocking` is a
/// property of this opening alone: a service gets a blocking one.
pub fn open_fifo(path: &Path, nonblocking: bool) -> Result<File, SinkError> {
    let flags = if nonblocking { rustix::fs::OFlags::NONBLOCK } else { rustix::fs::OFlags::empty() };
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(flags)
        .open(path)
        .map_err(SinkError::at("open the FIFO", path))?;
    let kind = file.metadata().map_err(SinkError::at("look at", path))?.file_type();
    if kind.is_fifo() { Ok(file) } else { Err(SinkError::NotAFifo { path: path.to_owned() }) }
}
