use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::LOOK;
use crate::SinkError;

/// Nothing is shared here: what was read is kept per pipe until it is in a file.
pub struct Scratch;

impl Scratch {
    #[expect(clippy::unnecessary_wraps, reason = "the same name on every system")]
    pub fn new() -> io::Result<Self> {
        Ok(Self)
    }
}

pub struct Pipe {
    fifo: File,
    /// Read, and not yet moved.
    held: Vec<u8>,
    /// What was discarded last.
    gone: Vec<u8>,
}

impl Pipe {
    pub fn open(path: &Path) -> Result<Self, SinkError> {
        Ok(Self { fifo: crate::open_fifo(path, true)?, held: Vec::new(), gone: Vec::new() })
    }

    /// The system widens a pipe that is full by itself.
    #[expect(clippy::unused_self, reason = "elsewhere it is the sink's business")]
    pub fn was_full(&mut self) {}

    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.fifo.as_fd()
    }

    /// The bytes that wait, oldest first: read here, and held until they are moved or discarded.
    ///
    /// A FIFO cannot be looked into without reading on this system.
    pub fn peek<'a>(&'a mut self, _scratch: &'a mut Scratch) -> io::Result<&'a [u8]> {
        if self.held.is_empty() {
            self.held.resize(LOOK, 0);
            let read = match self.fifo.read(&mut self.held) {
                Ok(read) => read,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => 0,
                Err(e) => {
                    self.held.clear();
                    return Err(e);
                }
            };
            self.held.truncate(read);
        }
        Ok(&self.held)
    }

    /// Moves up to `count` waiting bytes to `file` at `at`, and says how many it moved.
    pub fn move_to(&mut self, file: &File, at: u64, count: usize) -> io::Result<usize> {
        let bytes = self.held.get(..count).unwrap_or(&self.held);
        let moved = file.write_at(bytes, at)?;
        self.held.drain(..moved);
        Ok(moved)
    }

    /// Takes what waits out of the FIFO, at most one look's worth.
    pub fn take<'a>(&'a mut self, scratch: &'a mut Scratch) -> io::Result<&'a [u8]> {
        self.peek(scratch)?;
        self.discard(scratch, LOOK)
    }

    /// Takes up to `count` waiting bytes out of the FIFO.
    #[expect(clippy::unnecessary_wraps, reason = "the same signature on every system")]
    pub fn discard<'a>(&'a mut self, _scratch: &'a mut Scratch, count: usize) -> io::Result<&'a [u8]> {
        let count = count.min(self.held.len());
        self.gone.clear();
        self.gone.extend(self.held.drain(..count));
        Ok(&self.gone)
    }
}
