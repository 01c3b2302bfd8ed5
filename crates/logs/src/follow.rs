//! Lines as they come, across rotations, woken by the file system.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};

use crate::archive::{self, CURRENT};

/// A line that is still growing is given out in pieces of this size, bytes.
const LONGEST: usize = 1 << 20;
/// The most read from one file before its lines are given out, bytes.
const PORTION: u64 = 1 << 20;

/// Follows one log directory: first the newest lines, then what is written. Blocking.
pub struct Follower {
    dir: PathBuf,
    open: Option<File>,
    /// Bytes of a line whose end has not been written yet.
    partial: Vec<u8>,
    changed: Receiver<()>,
    /// What `new` found, until it is taken.
    first: Vec<String>,
    _watcher: RecommendedWatcher,
}

impl Follower {
    /// Begins with the newest `lines` whole lines. The directory must exist.
    pub fn new(dir: &Path, lines: usize) -> io::Result<Self> {
        let (sender, changed) = sync_channel(1);
        let mut watcher = notify::recommended_watcher(move |_: notify::Result<Event>| wake(&sender))
            .map_err(io::Error::other)?;
        watcher.watch(dir, RecursiveMode::NonRecursive).map_err(io::Error::other)?;
        let mut open = open_current(dir)?;
        let mut partial = Vec::new();
        // Whole lines come from the tail; the growing one is told when it ends.
        let mut first = crate::tail(dir, lines.saturating_add(1))?;
        if let Some(file) = &mut open {
            let end = file.seek(SeekFrom::End(0))?;
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
                self.open = open_current(&self.dir)?;
            }
            let Some(file) = &mut self.open else { return Ok(lines) };
            // Asked before reading: what is written to a file after its rotation would be missed else.
            let successor = successor(&self.dir, file.metadata()?.ino())?;
            let mut bytes = Vec::new();
            let read = Read::by_ref(file).take(PORTION).read_to_end(&mut bytes)?;
            self.split(&bytes, &mut lines);
            if read > 0 {
                if lines.is_empty() {
                    continue;
                }
                return Ok(lines);
            }
            match successor {
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

fn open_current(dir: &Path) -> io::Result<Option<File>> {
    match File::open(dir.join(CURRENT)) {
        Ok(file) => Ok(Some(file)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// The bytes after the last line end before `end`; leaves the file at `end`.
fn growing_line(file: &mut File, end: u64) -> io::Result<Vec<u8>> {
    let start = end.saturating_sub(LONGEST as u64);
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    Read::by_ref(file).take(end - start).read_to_end(&mut bytes)?;
    let from = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |last| last + 1);
    Ok(bytes.split_off(from))
}

/// The file that was begun after the one with `inode`; `None` while that is the current one.
fn successor(dir: &Path, inode: u64) -> io::Result<Option<File>> {
    let Some(current) = open_current(dir)? else { return Ok(None) };
    if current.metadata()?.ino() == inode {
        return Ok(None);
    }
    let archives = archive::list(dir)?;
    let is_ours = |a: &archive::Archive| fs::metadata(&a.path).is_ok_and(|m| m.ino() == inode);
    // One that was pruned meanwhile is followed by the oldest that is left.
    let after = archives.iter().position(is_ours).map_or(0, |ours| ours + 1);
    match archives.get(after) {
        Some(next) => match File::open(&next.path) {
            Ok(file) => Ok(Some(file)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Some(current)),
            Err(e) => Err(e),
        },
        None => Ok(Some(current)),
    }
}
