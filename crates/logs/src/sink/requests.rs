use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use serde::Serialize;

/// A request longer than this is no request, bytes.
const LONGEST: usize = 64 << 10;

/// A client. It may stay without a word: the end of its connection tells it that the sink is gone.
pub struct Connection {
    stream: UnixStream,
    unread: Vec<u8>,
    /// It asked for events.
    pub listens: bool,
}

pub struct Heard {
    pub lines: Vec<Vec<u8>>,
    pub closed: bool,
}

impl Connection {
    pub fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self { stream, unread: Vec::new(), listens: false })
    }

    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    pub fn hear(&mut self) -> Heard {
        let mut chunk = [0; 4096];
        let mut closed = false;
        loop {
            match self.stream.read(&mut chunk) {
                Ok(0) => closed = true,
                Ok(n) => self.unread.extend(chunk.iter().take(n)),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => closed = true,
            }
            closed |= self.unread.len() > LONGEST;
            if closed {
                break;
            }
        }
        let mut lines = Vec::new();
        while let Some(end) = self.unread.iter().position(|b| *b == b'\n') {
            lines.push(self.unread.drain(..=end).take(end).collect());
        }
        Heard { lines, closed }
    }

    /// Says a reply or an event at once or not at all: a client that does not read must not hold up the
    /// others. The kernel holds some 200 KB for it, which is more than the figures of 1,000 services.
    pub fn say(&mut self, message: &impl Serialize) -> io::Result<()> {
        let mut line = serde_json::to_vec(message)?;
        line.push(b'\n');
        self.stream.write_all(&line)
    }
}
