use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::FileExt;

use crate::SinkError;
use crate::current::Current;
use crate::cut::cut;
use crate::pipe::{Pipe, Scratch};
use crate::protocol::Attachment;

/// How much one stream may move before the others get their turn, bytes.
const TURN: usize = 256 << 10;

/// One service's output on its way from the FIFO to its files.
pub struct Stream {
    at: Attachment,
    pipe: Pipe,
    current: Current,
    /// Lines that found no room, since the last one that did.
    dropped: u64,
    /// The tail of a dropped line may still be to come.
    dropping_line: bool,
}

impl Stream {
    pub fn open(at: Attachment) -> Result<Self, SinkError> {
        steady_disk::create_private_dir(&at.dir)?;
        let current = Current::open(&at.dir).map_err(SinkError::at("open the log in", &at.dir))?;
        current.prune(at.keep).map_err(SinkError::at("remove old logs in", &at.dir))?;
        let pipe = Pipe::open(&at.fifo)?;
        Ok(Self { at, pipe, current, dropped: 0, dropping_line: false })
    }

    pub fn service(&self) -> &str {
        &self.at.service
    }

    pub fn same_place(&self, other: &Attachment) -> bool {
        self.at.fifo == other.fifo && self.at.dir == other.dir
    }

    pub fn limit(&mut self, by: &Attachment) {
        self.at = by.clone();
    }

    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }

    /// Moves what waits, up to one turn. Never fails: what cannot be written is dropped and counted, since
    /// a FIFO that nobody drains would stop the service.
    pub fn pump(&mut self, scratch: &mut Scratch) {
        let mut moved = 0;
        while moved < TURN {
            match self.pump_once(scratch) {
                Ok(0) => return,
                Ok(n) => moved += n,
                Err(_) => match self.drop_waiting(scratch) {
                    Ok(n) if n > 0 => moved += n,
                    _ => return,
                },
            }
        }
    }

    /// Moves one look's worth of bytes; 0 when nothing waits.
    fn pump_once(&mut self, scratch: &mut Scratch) -> io::Result<usize> {
        let seen = self.pipe.peek(scratch)?;
        if seen.is_empty() {
            return Ok(0);
        }
        let Some(size) = self.current.size()? else {
            self.current = Current::open(&self.at.dir)?;
            return self.pump_once(scratch);
        };
        if self.dropped > 0 {
            // The rest of a line that was dropped is dropped with it.
            if self.dropping_line {
                let rest = seen.iter().position(|b| *b == b'\n').map_or(seen.len(), |end| end + 1);
                self.dropping_line = seen.get(rest.saturating_sub(1)) != Some(&b'\n');
                return self.pipe.discard(rest);
            }
            self.note_dropped(size)?;
            return self.pump_once(scratch);
        }
        let cut = cut(seen, size, self.current.at_line_start, self.at.max_bytes);
        let last = cut.take.checked_sub(1).and_then(|last| seen.get(last)).copied();
        let mut moved = 0;
        while moved < cut.take {
            let n = self.pipe.move_to(&self.current.file, size + moved as u64, cut.take - moved)?;
            if n == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            moved += n;
            self.current.at_line_start = false;
        }
        if let Some(last) = last {
            self.current.at_line_start = last == b'\n';
        }
        if cut.then_rotate {
            self.current.rotate(self.at.keep)?;
        }
        // A rotation alone is progress too.
        Ok(moved.max(1))
    }

    fn drop_waiting(&mut self, scratch: &mut Scratch) -> io::Result<usize> {
        let seen = self.pipe.peek(scratch)?;
        let Some(last) = seen.last() else { return Ok(0) };
        let ends = memchr::memchr_iter(b'\n', seen).count() as u64;
        let open = *last != b'\n';
        let all = seen.len();
        self.dropped += ends + u64::from(open) - u64::from(self.dropping_line);
        self.dropping_line = open;
        self.pipe.discard(all)
    }

    fn note_dropped(&mut self, size: u64) -> io::Result<()> {
        let tear = if self.current.at_line_start { "" } else { "\n" };
        let lines = if self.dropped == 1 { "line" } else { "lines" };
        let note = format!("{tear}steady: {} {lines} dropped, the log could not be written\n", self.dropped);
        if let Err(e) = self.current.file.write_all_at(note.as_bytes(), size) {
            // Half a note would be half a line.
            self.current.file.set_len(size)?;
            return Err(e);
        }
        self.current.at_line_start = true;
        self.dropped = 0;
        Ok(())
    }
}
