//! Lines as they come, across rotations, woken by the file system.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};

use crate::archive::{CURRENT, LogFiles, open_if_there};
use crate::position::Position;
use crate::source::Source;

/// A line that is still growing is given out in pieces of this size, bytes.
const LONGEST: usize = 1 << 20;
/// The most read from one file before its lines are given out, bytes.
const PORTION: u64 = 1 << 20;

/// Follows one log directory: first the newest lines, then what is written. Blocking.
///
/// A file that is rotated, compressed or pruned meanwhile is read to its end.
pub struct Follower {
    dir: PathBuf,
    open: Option<Open>,
    /// Bytes of a line whose end has not been written yet.
    partial: Vec<u8>,
    changed: Receiver<()>,
    /// What `new` found, until it is taken.
    first: Vec<String>,
    stopped: Arc<AtomicBool>,
    wake: SyncSender<()>,
    _watcher: RecommendedWatcher,
}

/// Ends a [`Follower`] from another thread, also when it is dropped.
#[derive(Debug)]
pub struct Stopper {
    stopped: Arc<AtomicBool>,
    wake: SyncSender<()>,
}

impl Stopper {
    /// Makes the follower's `next_lines` return at once, with nothing, now and for ever.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        wake(&self.wake);
    }
}

impl Drop for Stopper {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The file that is read now.
struct Open {
    /// The sequence that it has as an archive, or will have.
    seq: u64,
    source: Source,
    /// How far it was read, in bytes of the plain file.
    offset: u64,
    /// Of a file that is written still, or was when it was opened.
    inode: Option<u64>,
}

impl Follower {
    /// Begins with the newest `lines` whole lines. The directory must exist.
    pub fn new(dir: &Path, lines: usize) -> io::Result<Self> {
        let mut follower = Self::watching(dir)?;
        let mut files = LogFiles::look(dir)?;
        let end = match &mut files.current {
            Some(file) => file.seek(SeekFrom::End(0))?,
            None => 0,
        };
        // Whole lines come from the tail; the growing one is told when it ends.
        let mut first = crate::tail::newest(&files, end, lines.saturating_add(1))?;
        let seq = files.current_seq;
        follower.open = files.current.map(|file| Open::current(file, seq, end)).transpose()?;
        if let Some(Open { source: Source::Plain(file), .. }) = &follower.open {
            follower.partial = growing_line(file, end)?;
        }
        if !follower.partial.is_empty() {
            first.pop();
        }
        let surplus = first.len().saturating_sub(lines);
        first.drain(..surplus);
        follower.first = first;
        Ok(follower)
    }

    /// Goes on after `position`. When its file was pruned since, with the oldest line that is left.
    pub fn resume(dir: &Path, position: Position) -> io::Result<Self> {
        let mut follower = Self::watching(dir)?;
        follower.open = Open::at(dir, position)?;
        Ok(follower)
    }

    /// With a watcher, and nothing to read yet.
    fn watching(dir: &Path) -> io::Result<Self> {
        let (sender, changed) = sync_channel(1);
        let on_change = sender.clone();
        let mut watcher = notify::recommended_watcher(move |_: notify::Result<Event>| wake(&on_change))
            .map_err(io::Error::other)?;
        watcher.watch(dir, RecursiveMode::NonRecursive).map_err(io::Error::other)?;
        Ok(Self {
            dir: dir.to_owned(),
            open: None,
            partial: Vec::new(),
            changed,
            first: Vec::new(),
            stopped: Arc::default(),
            wake: sender,
            _watcher: watcher,
        })
    }

    /// After the lines that were given out last. A follower that goes on from here gives the next ones.
    pub fn position(&self) -> Option<Position> {
        let open = self.open.as_ref()?;
        let offset = open.offset.saturating_sub(self.partial.len() as u64);
        Some(Position { seq: open.seq, offset })
    }

    pub fn stopper(&self) -> Stopper {
        Stopper { stopped: Arc::clone(&self.stopped), wake: self.wake.clone() }
    }

    /// The next lines, or none when nothing was written for `patience` or a [`Stopper`] ended it.
    pub fn next_lines(&mut self, patience: Duration) -> io::Result<Vec<String>> {
        if self.stopped.load(Ordering::Acquire) {
            return Ok(Vec::new());
        }
        if !self.first.is_empty() {
            return Ok(std::mem::take(&mut self.first));
        }
        let mut lines = self.read()?;
        while lines.is_empty() {
            match self.changed.recv_timeout(patience) {
                Ok(()) if self.stopped.load(Ordering::Acquire) => break,
                Ok(()) => lines = self.read()?,
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(io::Error::new(io::ErrorKind::BrokenPipe, "the file watcher ended"));
                }
            }
        }
        Ok(lines)
    }

    fn read(&mut self) -> io::Result<Vec<String>> {
        let mut lines = Vec::new();
        loop {
            if self.open.is_none() {
                self.open = successor(&self.dir, None)?;
            }
            let Some(open) = &mut self.open else { return Ok(lines) };
            // Asked before reading: what is written to a file after its rotation would be missed else.
            let ended = open.has_ended(&self.dir)?;
            let mut bytes = Vec::new();
            let read = Read::by_ref(&mut open.source).take(PORTION).read_to_end(&mut bytes)?;
            open.offset += read as u64;
            let seq = open.seq;
            self.split(&bytes, &mut lines);
            if read > 0 {
                if lines.is_empty() {
                    continue;
                }
                return Ok(lines);
            }
            if !ended {
                return Ok(lines);
            }
            match successor(&self.dir, Some(seq))? {
                Some(next) => self.open = Some(next),
                None => return Ok(lines),
            }
        }
    }

    fn split(&mut self, bytes: &[u8], lines: &mut Vec<String>) {
        for piece in bytes.split_inclusive(|b| *b == b'\n') {
            self.partial.extend(piece);
            if piece.ends_with(b"\n") || self.partial.len() >= LONGEST {
                let line = self.partial.strip_suffix(b"\n").unwrap_or(&self.partial);
                lines.push(String::from_utf8_lossy(line).into_owned());
                self.partial.clear();
            }
        }
    }
}

fn wake(sender: &SyncSender<()>) {
    match sender.try_send(()) {
        // One waiting wake-up stands for all.
        Ok(()) | Err(TrySendError::Full(()) | TrySendError::Disconnected(())) => {}
    }
}

impl Open {
    /// `file` was read up to `offset`.
    fn current(file: File, seq: u64, offset: u64) -> io::Result<Self> {
        let inode = file.metadata()?.ino();
        Ok(Self { seq, source: Source::Plain(file), offset, inode: Some(inode) })
    }

    /// The file of a position, read up to there; if it is gone, the oldest one that is left.
    fn at(dir: &Path, Position { seq, offset }: Position) -> io::Result<Option<Self>> {
        let files = LogFiles::look(dir)?;
        if files.current_seq == seq
            && let Some(mut file) = files.current
        {
            // Beyond its end when somebody emptied it.
            let offset = if file.metadata()?.len() < offset { 0 } else { offset };
            file.seek(SeekFrom::Start(offset))?;
            return Self::current(file, seq, offset).map(Some);
        }
        if let Some(archive) = files.archives.iter().find(|a| a.seq == seq)
            && let Some(mut source) = archive.open()?
        {
            source.skip(offset)?;
            return Ok(Some(Self { seq, source, offset, inode: None }));
        }
        // One that is ahead of everything is of a log that was begun anew.
        let before = if seq > files.current_seq { 0 } else { seq };
        successor(dir, Some(before))
    }

    /// Whether nothing is written to it any more: it is not `current`, or never was while it was open.
    fn has_ended(&self, dir: &Path) -> io::Result<bool> {
        let Some(inode) = self.inode else { return Ok(true) };
        let current = open_if_there(&dir.join(CURRENT))?;
        Ok(match current {
            Some(file) => file.metadata()?.ino() != inode,
            // Between the two renames of a rotation, or removed: wait for the next.
            None => false,
        })
    }
}

/// The bytes after the last line end before `end`.
fn growing_line(file: &File, end: u64) -> io::Result<Vec<u8>> {
    let start = end.saturating_sub(LONGEST as u64);
    let mut bytes = vec![0; usize::try_from(end - start).unwrap_or_default()];
    file.read_exact_at(&mut bytes, start)?;
    let from = memchr::memrchr(b'\n', &bytes).map_or(0, |last| last + 1);
    Ok(bytes.split_off(from))
}

/// The file that was begun after the one with sequence `seq`; the oldest that is left, if that was pruned.
/// Without a `seq`, what is written now: a first look begins with no history.
fn successor(dir: &Path, seq: Option<u64>) -> io::Result<Option<Open>> {
    let files = LogFiles::look(dir)?;
    for archive in files.archives.iter().filter(|a| seq.is_some_and(|seq| a.seq > seq)) {
        if let Some(source) = archive.open()? {
            return Ok(Some(Open { seq: archive.seq, source, offset: 0, inode: None }));
        }
    }
    let next = match files.archives.last() {
        Some(_) => files.current_seq,
        // With `keep = 0` no archive tells how far it has come.
        None => files.current_seq.max(seq.map_or(1, |seq| seq + 1)),
    };
    files.current.map(|file| Open::current(file, next, 0)).transpose()
}
