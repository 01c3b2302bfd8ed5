//! The newest lines of a service, from the end backwards over its files.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::archive::LogFiles;
use crate::source::Source;

/// The most that is read for one answer, bytes. Lines beyond it are left out, oldest first.
pub const MOST: usize = 8 << 20;
const BLOCK: u64 = 64 << 10;

/// The newest `lines` lines of a log directory, oldest first, across rotations and compressed files.
///
/// Bytes that are no UTF-8 are replaced. The newest line may still be growing. A directory without logs
/// has no lines.
pub fn tail(dir: &Path, lines: usize) -> io::Result<Vec<String>> {
    let files = LogFiles::look(dir)?;
    let size = files.current.as_ref().map_or(Ok(0), |file| file.metadata().map(|m| m.len()))?;
    newest(&files, size, lines)
}

/// The same, of files that were looked at, with `size` bytes of the current one.
pub fn newest(files: &LogFiles, size: u64, lines: usize) -> io::Result<Vec<String>> {
    let mut newest = Newest::new(lines);
    if let Some(current) = &files.current {
        newest.read(current, size)?;
    }
    for old in files.archives.iter().rev() {
        if newest.enough() {
            break;
        }
        match old.open()? {
            Some(Source::Plain(file)) => newest.read(&file, file.metadata()?.len())?,
            Some(packed) => newest.read_through(packed)?,
            // Pruned since it was listed.
            None => {}
        }
    }
    Ok(newest.lines())
}

/// Gathers blocks from the end backwards until they hold enough lines.
struct Newest {
    wanted: usize,
    /// Newest block first.
    blocks: Vec<Vec<u8>>,
    bytes: usize,
    ends: usize,
}

impl Newest {
    fn new(wanted: usize) -> Self {
        Self { wanted, blocks: Vec::new(), bytes: 0, ends: 0 }
    }

    fn enough(&self) -> bool {
        // One more line end than lines: the one before the first.
        self.ends > self.wanted || self.bytes >= MOST
    }

    fn read(&mut self, file: &File, size: u64) -> io::Result<()> {
        let mut end = size;
        while end > 0 && !self.enough() {
            let start = end.saturating_sub(BLOCK);
            let mut block = vec![0; usize::try_from(end - start).unwrap_or_default()];
            file.read_exact_at(&mut block, start)?;
            self.take(block);
            end = start;
        }
        Ok(())
    }

    /// A compressed file has no end to begin at: it is read through, and its newest lines are kept.
    fn read_through(&mut self, packed: Source) -> io::Result<()> {
        let wanted = (self.wanted + 1).saturating_sub(self.ends);
        let mut packed = BufReader::new(packed);
        let (mut kept, mut bytes) = (VecDeque::new(), 0);
        loop {
            let mut line = Vec::new();
            if packed.read_until(b'\n', &mut line)? == 0 {
                break;
            }
            bytes += line.len();
            kept.push_back(line);
            while kept.len() > wanted || (bytes > MOST && kept.len() > 1) {
                bytes -= kept.pop_front().map_or(0, |line: Vec<u8>| line.len());
            }
        }
        self.take(kept.into_iter().flatten().collect());
        Ok(())
    }

    fn take(&mut self, block: Vec<u8>) {
        self.ends += memchr::memchr_iter(b'\n', &block).count();
        self.bytes += block.len();
        self.blocks.push(block);
    }

    fn lines(self) -> Vec<String> {
        let mut bytes = Vec::with_capacity(self.bytes);
        for block in self.blocks.into_iter().rev() {
            bytes.extend(block);
        }
        let text = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        if text.is_empty() && bytes.is_empty() {
            return Vec::new();
        }
        let mut lines: Vec<String> = text
            .rsplit(|b| *b == b'\n')
            .take(self.wanted)
            .map(|line| String::from_utf8_lossy(line).into_owned())
            .collect();
        lines.reverse();
        lines
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::archive;

    #[test]
    fn the_newest_lines_are_found_across_rotations() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
        write("20261122T091530Z-00000001.log", "1\n2\n");
        // The clock went back: the sequence decides.
        write("20261121T091530Z-00000002.log", "3\n4\n");
        write("current", "5\n6");
        let newest = archive::list(dir.path(), &archive::Naming::service()).unwrap().pop().unwrap();
        crate::compress::compress(&newest, |_| true).unwrap();
        assert_eq!(tail(dir.path(), 3).unwrap(), ["4", "5", "6"]);
        assert_eq!(tail(dir.path(), 4).unwrap(), ["3", "4", "5", "6"]);
        assert_eq!(tail(dir.path(), 1).unwrap(), ["6"]);
        assert_eq!(tail(dir.path(), 99).unwrap(), ["1", "2", "3", "4", "5", "6"]);
        assert_eq!(tail(dir.path(), 0).unwrap(), [""; 0]);
    }

    #[test]
    fn lines_longer_than_a_block_and_bytes_that_are_no_text_come_through() {
        let dir = tempfile::tempdir().unwrap();
        let long = "x".repeat(200_000);
        let mut bytes = format!("first\n{long}\n").into_bytes();
        bytes.extend(b"\xff\xfe end\n");
        fs::write(dir.path().join("current"), bytes).unwrap();
        let lines = tail(dir.path(), 2).unwrap();
        assert_eq!(lines[0].len(), 200_000);
        assert_eq!(lines[1], "\u{fffd}\u{fffd} end");
    }

    #[test]
    fn no_logs_are_no_lines() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(tail(&dir.path().join("none"), 5).unwrap(), [""; 0]);
        fs::write(dir.path().join("current"), "").unwrap();
        assert_eq!(tail(dir.path(), 5).unwrap(), [""; 0]);
    }
}
