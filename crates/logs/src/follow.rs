//! Lines as they come, across rotations, woken by the file system.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};

use crate::archive::{CURRENT, LogFiles, open_if_there};
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
    _watcher: RecommendedWatcher,
}

/// The file that is read now.
struct Open {
    /// The sequence that it has as an archive, or will have.
    seq: u64,
    source: Source,
    /// Of a file that is written still, or was when it was opened.
    inode: Option<u64>,
}

impl Follower {
    /// Begins with the newest `lines` whole lines. The directory must exist.
    pub fn new(dir: &Path, lines: usize) -> io::Result<Self> {
        let (sender, changed) = sync_channel(1);
        let mut watcher = notify::recommended_watcher(move |_: notify::Result<Event>| wake(&sender))
            .map_err(io::Error::other)?;
        watcher.watch(dir, RecursiveMode::NonRecursive).map_err(io::Error::other)?;
        let mut files = LogFiles::look(dir)?;
        let end = match &mut files.current {
            Some(file) => file.seek(SeekFrom::End(0))?,
            None => 0,
        };
        // Whole lines come from the tail; the growing one is told when it ends.
        let mut first = crate::tail::newest(&files, end, lines.saturating_add(1))?;
        let seq = files.current_seq;
        let open = files.current.map(|file| Open::current(file, seq)).transpose()?;
        let mut partial = Vec::new();
        if let Some(Open { source: Source::Plain(file), .. }) = &open {
            partial = growing_line(file, end)?;
        }
        if !partial.is_empty() {
            first.pop();
        }
        let surplus = first.len().saturating_sub(lines);
        first.drain(..surplus);
        Ok(Self { dir: dir.to_owned(), open, partial, changed, first, _watcher: watcher })
    }

    /// The next lines, or none when nothing was written for `patience`.
    pub fn next_lines(&mut self, patience: Duration) -> io::Result<Vec<String>> {
        if !self.first.is_empty() {
            return Ok(std::mem::take(&mut self.first));
        }
        let mut lines = self.read()?;
        while lines.is_empty() {
            match self.changed.recv_timeout(patience) {
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
                self.open = successor(&self.dir, 0)?;
            }
            let Some(open) = &mut self.open else { return Ok(lines) };
            // Asked before reading: what is written to a file after its rotation would be missed else.
            let ended = open.has_ended(&self.dir)?;
            let mut bytes = Vec::new();
            let read = Read::by_ref(&mut open.source).take(PORTION).read_to_end(&mut bytes)?;
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
            match successor(&self.dir, seq)? {
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
    fn current(file: File, seq: u64) -> io::Result<Self> {
        let inode = file.metadata()?.ino();
        Ok(Self { seq, source: Source::Plain(file), inode: Some(inode) })
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
fn successor(dir: &Path, seq: u64) -> io::Result<Option<Open>> {
    let files = LogFiles::look(dir)?;
    // A first look begins with what is written now, not with history.
    let later = files.archives.iter().filter(|a| seq > 0 && a.seq > seq);
    for archive in later {
        if let Some(source) = archive.open()? {
            return Ok(Some(Open { seq: archive.seq, source, inode: None }));
        }
    }
    // With `keep = 0` no archive tells how far it has come.
    let next = files.current_seq.max(seq + 1);
    files.current.map(|file| Open::current(file, next)).transpose()
}
