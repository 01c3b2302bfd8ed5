use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use jiff::Timestamp;
use steady_model::time::{AwakeInstant, Now};

use super::breath::LITTLE;
use super::drops::{Drops, Loss};
use super::ledger::Ledger;
use super::worker::{Job, Worker};
use crate::SinkError;
use crate::bounds::file_limit;
use crate::current::Current;
use crate::cut::cut;
use crate::pipe::{LOOK, Pipe, Scratch};
use crate::protocol::{Attachment, ServiceStats, SinkEvent};
use crate::repeats::{Flood, Repeats};

/// How much one stream may move before the others get their turn, bytes.
const TURN: usize = 256 << 10;
/// How often a log that could not be written is tried while its service is silent: no kernel tells when a
/// disk has room again.
const RETRY: Duration = Duration::from_secs(5);
/// How much of a line an event carries, characters.
const SHOWN: usize = 200;

/// What a stream works with, and does not own.
pub struct Bench<'a> {
    pub scratch: &'a mut Scratch,
    pub worker: &'a Worker,
    pub now: Now,
}

/// One service's output on its way from the FIFO to its files.
pub struct Stream {
    at: Attachment,
    pipe: Pipe,
    /// `None` while it cannot be opened; what comes is dropped and counted.
    current: Option<Current>,
    /// The file should have ended here, but no new one could be made.
    rotation_owed: bool,
    drops: Drops,
    ledger: Ledger,
    retry: AwakeInstant,
    repeats: Repeats,
    stats: ServiceStats,
    news: Vec<SinkEvent>,
}

impl Stream {
    /// With `forgiving`, a log that cannot be opened is no failure: draining goes before writing.
    pub fn open(at: Attachment, forgiving: bool, worker: &Worker) -> Result<Self, SinkError> {
        let pipe = Pipe::open(&at.fifo)?;
        let current = match open_log(&at) {
            Ok(current) => Some(current),
            Err(_) if forgiving => None,
            Err(e) => return Err(e),
        };
        if at.rotation.compress {
            // What a sink before left half done.
            worker.submit(Job::Compress(at.dir.clone()));
        }
        let mut ledger = Ledger::of(&at.dir);
        let drops = left_by_the_sink_before(&mut ledger, current.as_ref());
        let stats = ServiceStats { service: at.service.clone(), ..ServiceStats::default() };
        Ok(Self {
            at,
            pipe,
            current,
            rotation_owed: false,
            drops,
            ledger,
            retry: AwakeInstant::default(),
            repeats: Repeats::default(),
            stats,
            news: Vec::new(),
        })
    }

    pub fn service(&self) -> &str {
        &self.at.service
    }

    pub fn same_place(&self, other: &Attachment) -> bool {
        self.at.fifo == other.fifo && self.at.dir == other.dir
    }

    pub fn limit(&mut self, by: &Attachment, worker: &Worker) {
        self.at = by.clone();
        if let Some(current) = &self.current {
            // What cannot be removed now is tried again with the next rotation.
            let _ = current.prune(&self.at.rotation);
        }
        if self.at.rotation.compress {
            worker.submit(Job::Compress(self.at.dir.clone()));
        }
    }

    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }

    pub fn stats(&self) -> ServiceStats {
        let Loss { lines, bytes } = self.drops.total();
        ServiceStats { dropped_lines: lines, dropped_bytes: bytes, ..self.stats.clone() }
    }

    /// What happened since it was asked last.
    pub fn take_news(&mut self) -> Vec<SinkEvent> {
        std::mem::take(&mut self.news)
    }

    /// What goes on now, for somebody who begins to listen.
    pub fn present(&self) -> Vec<SinkEvent> {
        let dropping = self.drops.open().map(|loss| self.dropped(loss, false));
        let flood = self.repeats.flood().map(|flood| self.flood(flood, false));
        dropping.into_iter().chain(flood).collect()
    }

    /// When [`tick`](Self::tick) has something to do, even if nothing is written until then.
    pub fn due(&self, now: Now) -> Option<AwakeInstant> {
        let rotation = self.too_old_at().map(|at| {
            let left = Duration::try_from(at.duration_since(now.wall.0)).unwrap_or_default();
            now.awake.after(left)
        });
        let retry = self.can_retry().then_some(self.retry);
        [rotation, retry, self.repeats.due()].into_iter().flatten().min()
    }

    pub fn tick(&mut self, bench: &Bench<'_>) {
        let now = bench.now;
        if let Some(flood) = self.repeats.tick(now.awake) {
            self.news.push(self.flood(&flood, true));
        }
        if self.can_retry() && self.retry <= now.awake && self.recover(bench).is_err() {
            self.retry = now.awake.after(RETRY);
        }
        if self.too_old_at().is_some_and(|at| at <= now.wall.0) && self.rotate(bench).is_err() {
            // It is tried again with the next line, and dropped if it fails then.
            self.rotation_owed = true;
        }
    }

    /// Nothing but time keeps a file from being rotated: not a line that is growing, not a failure.
    fn too_old_at(&self) -> Option<Timestamp> {
        let current = self.current.as_ref().filter(|c| c.at_line_start && !self.rotation_owed)?;
        current.too_old_at(self.at.rotation.max_age)
    }

    fn can_retry(&self) -> bool {
        self.drops.open().is_some() && !self.drops.in_line()
    }

    /// Moves what waits, up to one turn, and says how many bytes. Never fails: what cannot be written is dropped and counted, since
    /// a FIFO that nobody drains would stop the service.
    pub fn pump(&mut self, bench: &mut Bench<'_>) -> usize {
        let mut moved = 0;
        while moved < TURN {
            match self.pump_once(bench) {
                // What came meanwhile waits for the next round: to follow on the heels of a writer costs more for
                // every byte, and keeps it from its pipe.
                Ok(n @ ..LITTLE) => {
                    moved += n;
                    break;
                }
                Ok(n) => moved += n,
                Err(e) => match self.drop_waiting(bench, &e) {
                    Ok(n) if n > 0 => moved += n,
                    _ => break,
                },
            }
        }
        if moved >= LOOK {
            self.pipe.was_full();
        }
        moved
    }

    /// Moves one look's worth of bytes; 0 when nothing waits.
    fn pump_once(&mut self, bench: &mut Bench<'_>) -> io::Result<usize> {
        let seen = self.pipe.peek(bench.scratch)?;
        if seen.is_empty() {
            return Ok(0);
        }
        let rest = self.drops.rest_of_line(seen);
        if rest > 0 {
            return self.discard(rest, bench);
        }
        if self.drops.open().is_some() {
            self.recover(bench)?;
            return Ok(1);
        }
        let (current, size) = writable(&mut self.current, &self.at)?;
        self.rotation_owed &= size > 0;
        let wall = bench.now.wall.0;
        let too_old = size > 0 && current.too_old_at(self.at.rotation.max_age).is_some_and(|at| at <= wall);
        let limit = if too_old || self.rotation_owed { 0 } else { file_limit(&self.at.rotation) };
        let cut = cut(seen, size, current.at_line_start, limit);
        let (taken, _) = seen.split_at_checked(cut.take).unwrap_or((seen, &[]));
        if let Some(last) = taken.last() {
            let began =
                if current.at_line_start { Some(0) } else { memchr::memchr(b'\n', taken).map(|n| n + 1) };
            if let Some(began) = began.filter(|b| *b < taken.len()) {
                current.mark(size + began as u64, wall);
            }
            let ends_line = *last == b'\n';
            if let Some(flood) = self.repeats.feed(taken, bench.now.awake) {
                self.news.push(flood_event(&self.at.service, &flood, false));
            }
            let mut moved = 0;
            while moved < cut.take {
                let n = self.pipe.move_to(&current.file, size + moved as u64, cut.take - moved)?;
                if n == 0 {
                    return Err(io::ErrorKind::WriteZero.into());
                }
                moved += n;
                self.stats.bytes += n as u64;
                current.at_line_start = false;
            }
            current.at_line_start = ends_line;
        }
        if cut.then_rotate {
            self.rotation_owed = true;
            self.rotate(bench)?;
        }
        // A rotation alone is progress too.
        Ok(cut.take.max(1))
    }

    fn rotate(&mut self, bench: &Bench<'_>) -> io::Result<()> {
        let Some(current) = &mut self.current else { return Ok(()) };
        let full = match current.rotate(bench.now.wall.0) {
            Ok(full) => full,
            Err(e) => {
                // Between its steps `current` is not what is open here; opening it again ends the rotation.
                self.current = None;
                return Err(e);
            }
        };
        self.rotation_owed = false;
        self.stats.rotations += 1;
        let bytes = full.metadata().map_or(0, |meta| meta.len());
        self.news.push(SinkEvent::Rotated { service: self.at.service.clone(), bytes });
        let dir = self.at.dir.clone();
        let compress = self.at.rotation.compress;
        bench.worker.submit(if compress { Job::Compress(dir) } else { Job::Flush(full, dir) });
        if let Some(current) = &self.current {
            // An old file that cannot be removed is no reason to lose a new line; the next rotation tries again.
            let _ = current.prune(&self.at.rotation);
        }
        Ok(())
    }

    /// Takes what waits for nothing. The first time, the half line in the file goes too, so that what is in
    /// the log is whole and what is not is counted.
    fn drop_waiting(&mut self, bench: &mut Bench<'_>, why: &io::Error) -> io::Result<usize> {
        let reason = why.to_string();
        let mut first = false;
        if let Some(current) = self.current.as_mut().filter(|c| !c.at_line_start)
            && let Ok(Some(size)) = current.size()
            && let Ok(half @ 1..) = current.cut_half_line(size)
        {
            self.stats.bytes -= half.min(self.stats.bytes);
            first = self.drops.count_half_line(half, &reason);
        }
        let taken = self.pipe.take(bench.scratch)?;
        first |= self.drops.count(taken, &reason);
        let count = taken.len();
        self.begin_dropping(first, bench.now);
        Ok(count)
    }

    fn discard(&mut self, rest: usize, bench: &mut Bench<'_>) -> io::Result<usize> {
        let gone = self.pipe.discard(bench.scratch, rest)?;
        let first = self.drops.count(gone, "its beginning was dropped before");
        let count = gone.len();
        self.begin_dropping(first, bench.now);
        Ok(count)
    }

    fn begin_dropping(&mut self, first: bool, now: Now) {
        // Where it cannot be kept it is still counted here.
        let _ = self.ledger.keep(&self.drops);
        if let Some(loss) = self.drops.open().filter(|_| first) {
            self.retry = now.awake.after(RETRY);
            self.news.push(self.dropped(loss, false));
        }
    }

    /// Says in the log what was dropped, if it can be written again.
    fn recover(&mut self, bench: &Bench<'_>) -> io::Result<()> {
        let Some((loss, note)) = self.drops.open().zip(self.drops.note()) else { return Ok(()) };
        let (_, size) = writable(&mut self.current, &self.at)?;
        self.rotation_owed &= size > 0;
        if self.rotation_owed {
            self.rotate(bench)?;
        }
        let (current, size) = writable(&mut self.current, &self.at)?;
        let note = if current.at_line_start { note } else { format!("\n{note}") };
        current.mark(size, bench.now.wall.0);
        if let Err(e) = current.file.write_all_at(note.as_bytes(), size) {
            // Half a note would be half a line.
            current.file.set_len(size)?;
            return Err(e);
        }
        current.at_line_start = true;
        self.drops.said();
        let _ = self.ledger.keep(&self.drops);
        self.news.push(self.dropped(loss, true));
        Ok(())
    }

    fn dropped(&self, Loss { lines, bytes }: Loss, ended: bool) -> SinkEvent {
        SinkEvent::Dropped { service: self.at.service.clone(), lines, bytes, ended }
    }

    fn flood(&self, flood: &Flood, ended: bool) -> SinkEvent {
        flood_event(&self.at.service, flood, ended)
    }
}

fn flood_event(service: &str, flood: &Flood, ended: bool) -> SinkEvent {
    let line = String::from_utf8_lossy(&flood.line).chars().take(SHOWN).collect();
    SinkEvent::Flood { service: service.to_owned(), line, count: flood.count, ended }
}

/// A note that is in the log already was said by a sink that was killed before it could strike it out.
fn left_by_the_sink_before(ledger: &mut Ledger, current: Option<&Current>) -> Drops {
    let mut drops = ledger.read();
    if let Some(note) = drops.note()
        && current.is_some_and(|c| c.ends_with(note.as_bytes()))
    {
        drops.said();
        let _ = ledger.keep(&drops);
    }
    drops
}

fn open_log(at: &Attachment) -> Result<Current, SinkError> {
    steady_disk::create_private_dir(&at.dir)?;
    let current = Current::open(&at.dir).map_err(SinkError::at("open the log in", &at.dir))?;
    current.prune(&at.rotation).map_err(SinkError::at("remove old logs in", &at.dir))?;
    Ok(current)
}

/// The file to write to and its size; opened again when somebody removed it.
fn writable<'a>(current: &'a mut Option<Current>, at: &Attachment) -> io::Result<(&'a mut Current, u64)> {
    let size = match current {
        Some(current) => current.size()?,
        None => None,
    };
    let size = match size {
        Some(size) => size,
        None => {
            *current = None;
            let opened = current.insert(Current::open(&at.dir)?);
            opened.size()?.unwrap_or_default()
        }
    };
    match current {
        Some(current) => Ok((current, size)),
        None => Err(io::ErrorKind::NotFound.into()),
    }
}
