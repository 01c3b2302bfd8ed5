use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::io::Errno;
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice, tee};

use super::LOOK;
use crate::SinkError;

/// What all pipes of a sink share: a private pipe that `tee` copies into, and the buffer it is read to.
pub struct Scratch {
    reader: File,
    writer: OwnedFd,
    bytes: Vec<u8>,
}

impl Scratch {
    pub fn new() -> io::Result<Self> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        Ok(Self { reader: reader.into(), writer, bytes: vec![0; LOOK] })
    }
}

/// Of the FIFO of a service that writes faster than the sink looks, bytes. Only for those: what one user's pipes may
/// hold together is bounded, and beyond it the kernel gives every new one a page or two.
const WIDE: usize = 256 << 10;

pub struct Pipe {
    fifo: File,
    /// Tried, with whatever success.
    widened: bool,
}

impl Pipe {
    pub fn open(path: &Path) -> Result<Self, SinkError> {
        Ok(Self { fifo: crate::open_fifo(path, true)?, widened: false })
    }

    /// It was found full: the service has been waiting for the sink.
    pub fn was_full(&mut self) {
        if !self.widened {
            self.widened = true;
            // Refused, it stays as it is.
            let _ = fcntl_setpipe_size(&self.fifo, WIDE);
        }
    }

    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.fifo.as_fd()
    }

    /// The bytes that wait, oldest first. They stay where they are.
    pub fn peek<'a>(&mut self, scratch: &'a mut Scratch) -> io::Result<&'a [u8]> {
        let seen = match tee(&self.fifo, &scratch.writer, LOOK, SpliceFlags::NONBLOCK) {
            Ok(seen) => seen,
            Err(Errno::AGAIN) => 0,
            Err(e) => return Err(e.into()),
        };
        let room = scratch.bytes.get_mut(..seen).unwrap_or_default();
        scratch.reader.read_exact(room)?;
        Ok(room)
    }

    /// Moves up to `count` waiting bytes to `file` at `at`, and says how many it moved.
    ///
    /// A byte leaves the FIFO when it is in the file, also when this process is killed meanwhile.
    pub fn move_to(&mut self, file: &File, at: u64, count: usize) -> io::Result<usize> {
        let mut at = at;
        Ok(splice(&self.fifo, None, file, Some(&mut at), count, SpliceFlags::NONBLOCK)?)
    }

    /// Takes what waits out of the FIFO, at most one look's worth.
    pub fn take<'a>(&mut self, scratch: &'a mut Scratch) -> io::Result<&'a [u8]> {
        self.discard(scratch, LOOK)
    }

    /// Takes up to `count` waiting bytes out of the FIFO.
    pub fn discard<'a>(&mut self, scratch: &'a mut Scratch, count: usize) -> io::Result<&'a [u8]> {
        let room = scratch.bytes.get_mut(..count.min(LOOK)).unwrap_or_default();
        match self.fifo.read(room) {
            Ok(read) => Ok(room.get(..read).unwrap_or_default()),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(&[]),
            Err(e) => Err(e),
        }
    }
}
