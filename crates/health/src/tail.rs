//! A file of lines that others write and rotate, followed from look to look. Blocking.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;

use jiff::Timestamp;
use rustix::fs::{Mode, OFlags};
use steady_model::time::WallTime;

/// Read at the first look.
const FIRST: u64 = 64 << 10;
/// Read at each other look, of the old file and of the new one.
const MOST: u64 = 1 << 20;
/// A line is judged in pieces of this.
const LONGEST: usize = 64 << 10;

/// How far the file was read. It stays open, so that after a rotation its rest can be read.
pub struct Tail {
    path: PathBuf,
    open: Option<Open>,
    /// Whether there was a look before, so that a file that appears is new.
    has_looked: bool,
}

struct Open {
    file: File,
    /// Up to here lines were told.
    offset: u64,
    /// Where the file ended at the last look: a last line without an end that stays so is whole.
    end: u64,
}

/// What one look found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct News {
    pub lines: Vec<Vec<u8>>,
    /// Bytes that were too many to read.
    pub skipped: u64,
    /// At the first look, lines may be older; then this is when the file was written last.
    pub not_after: Option<WallTime>,
}

impl Tail {
    pub fn new(path: PathBuf) -> Self {
        Self { path, open: None, has_looked: false }
    }

    /// All whole lines since the last look; `None` when there is no file, and then what was left of the last one.
    pub fn look(&mut self) -> io::Result<(News, bool)> {
        let mut news = News::default();
        let is_first = !std::mem::replace(&mut self.has_looked, true);
        let found = match fs::metadata(&self.path) {
            Ok(metadata) => Some(metadata),
            Err(e) if e.kind() == ErrorKind::NotFound => None,
            Err(e) => return Err(e),
        };
        if let Some(open) = &mut self.open {
            let is_same = |m: &fs::Metadata| Ok::<_, io::Error>(same(&open.file.metadata()?, m));
            let replaced = !found.as_ref().map(is_same).transpose()?.unwrap_or(false);
            open.read(&mut news, replaced)?;
            if replaced {
                self.open = None;
            }
        }
        let Some(metadata) = found else { return Ok((news, false)) };
        if self.open.is_none() {
            let mut open = Open::new(&self.path, &metadata)?;
            if is_first {
                open.begin(&metadata, &mut news)?;
            }
            open.read(&mut news, false)?;
            self.open = Some(open);
        }
        Ok((news, true))
    }
}

fn same(a: &fs::Metadata, b: &fs::Metadata) -> bool {
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

impl Open {
    fn new(path: &std::path::Path, metadata: &fs::Metadata) -> io::Result<Self> {
        if !metadata.is_file() {
            return Err(io::Error::other("it is no ordinary file"));
        }
        // It may have become a pipe since.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
        Ok(Self { file, offset: 0, end: 0 })
    }

    /// Goes to the first whole line of the last 64 KiB.
    fn begin(&mut self, metadata: &fs::Metadata, news: &mut News) -> io::Result<()> {
        news.not_after = Timestamp::new(metadata.mtime(), 0).ok().map(WallTime);
        let start = metadata.len().saturating_sub(FIRST);
        if start > 0 {
            let bytes = self.bytes(start - 1, FIRST)?;
            let line = bytes.iter().position(|b| *b == b'\n').map_or(bytes.len(), |at| at + 1);
            self.offset = start - 1 + as_u64(line);
        }
        Ok(())
    }

    /// Everything when `is_last`, else up to the end of the last line.
    fn read(&mut self, news: &mut News, is_last: bool) -> io::Result<()> {
        let end = self.file.metadata()?.len();
        if end < self.offset {
            // Truncated: what is there now is new.
            (self.offset, self.end) = (0, 0);
        }
        let mut is_torn = false;
        if end - self.offset > MOST {
            let start = end - MOST;
            news.skipped += start - self.offset;
            self.offset = start;
            is_torn = true;
        }
        let bytes = self.bytes(self.offset, end - self.offset)?;
        let mut rest = bytes.as_slice();
        if is_torn {
            rest = rest
                .iter()
                .position(|b| *b == b'\n')
                .map_or(&[], |at| rest.get(at + 1..).unwrap_or_default());
        }
        while let Some(at) = rest.iter().position(|b| *b == b'\n') {
            let (line, after) = rest.split_at_checked(at + 1).unwrap_or((rest, &[]));
            push(news, line);
            rest = after;
        }
        let end = self.offset + as_u64(bytes.len());
        let stays = !rest.is_empty() && end == self.end;
        if is_last || stays || rest.len() > LONGEST {
            push(news, rest);
            rest = &[];
        }
        self.offset = end - as_u64(rest.len());
        self.end = end;
        Ok(())
    }

    fn bytes(&self, at: u64, most: u64) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(most).unwrap_or(usize::MAX)];
        let mut filled = 0;
        while let Some(room) = bytes.get_mut(filled..).filter(|room| !room.is_empty()) {
            match self.file.read_at(room, at + as_u64(filled)) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        bytes.truncate(filled);
        Ok(bytes)
    }
}

fn push(news: &mut News, line: &[u8]) {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    news.lines.extend(line.chunks(LONGEST).map(<[u8]>::to_vec));
}

fn as_u64(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::io::Write;

    use super::*;

    struct Log {
        dir: tempfile::TempDir,
        tail: Tail,
    }

    impl Log {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let tail = Tail::new(dir.path().join("a.log"));
            Self { dir, tail }
        }

        fn write(&self, name: &str, text: impl AsRef<[u8]>) {
            let path = self.dir.path().join(name);
            OpenOptions::new()
                .append(true)
                .create(true)
                .open(path)
                .unwrap()
                .write_all(text.as_ref())
                .unwrap();
        }

        fn rename(&self, from: &str, to: &str) {
            fs::rename(self.dir.path().join(from), self.dir.path().join(to)).unwrap();
        }

        /// The lines, a blank between them, and whether there is a file.
        fn look(&mut self) -> (String, bool) {
            let (news, there) = self.tail.look().unwrap();
            let lines: Vec<_> = news.lines.iter().map(|line| String::from_utf8_lossy(line)).collect();
            (lines.join(" "), there)
        }
    }

    #[test]
    fn each_line_is_told_once_through_rotation_truncation_and_absence() {
        let mut log = Log::new();
        let told = |text: &str| (text.to_owned(), true);
        let absent = |text: &str| (text.to_owned(), false);
        assert_eq!(log.look(), absent(""));
        log.write("a.log", "1\n2\nha");
        assert_eq!(log.look(), told("1 2"), "a file that appears is new, and half a line is none");
        log.write("a.log", "lf\n3\r\n");
        assert_eq!(log.look(), told("half 3"));
        assert_eq!(log.look(), told(""));
        log.write("a.log", "4\nrest");
        log.rename("a.log", "a.log.1");
        log.write("a.log", "5\n");
        assert_eq!(log.look(), told("4 rest 5"), "the old file's rest, then the new one");
        log.write("a.log", "6\n");
        log.rename("a.log", "a.log.1");
        assert_eq!(log.look(), absent("6"));
        assert_eq!(log.look(), absent(""));
        log.write("a.log", "7 and more\n");
        assert_eq!(log.look(), told("7 and more"));
        fs::write(log.dir.path().join("a.log"), "8\n").unwrap();
        assert_eq!(log.look(), told("8"), "truncated");
    }

    #[test]
    fn a_last_line_without_an_end_is_told_when_nothing_follows_it() {
        let mut log = Log::new();
        log.write("a.log", "1\nFATAL: out of");
        assert_eq!(log.look().0, "1");
        assert_eq!(log.look().0, "FATAL: out of");
        log.write("a.log", " memory\n2\n");
        assert_eq!(log.look().0, " memory 2", "the rest of what was told is not told again");
    }

    #[test]
    fn the_first_look_takes_whole_lines_of_the_last_64_kib_and_says_how_old_they_may_be() {
        let mut log = Log::new();
        for n in 0..20_000 {
            log.write("a.log", format!("line {n:06}\n"));
        }
        let (news, _) = log.tail.look().unwrap();
        let first = String::from_utf8_lossy(&news.lines[0]).into_owned();
        assert_eq!(news.lines.len(), 65_536 / 12, "{first}");
        assert_eq!(first, format!("line {:06}", 20_000 - 65_536 / 12));
        assert!(news.not_after.is_some() && news.skipped == 0);
        log.write("a.log", "x\n");
        assert_eq!(log.tail.look().unwrap().0, News { lines: vec![b"x".to_vec()], ..News::default() });
    }

    #[test]
    fn a_fast_writer_is_read_in_bounds_and_what_is_skipped_is_counted() {
        let mut log = Log::new();
        log.write("a.log", "begin\n");
        log.look();
        log.write("a.log", "0123456789abcde\n".repeat(200_000));
        log.write("a.log", "end\n");
        let (news, _) = log.tail.look().unwrap();
        assert_eq!(news.skipped, 200_000 * 16 + 4 - MOST);
        assert!(
            news.lines.len() < 70_000 && news.lines.iter().all(|line| line.len() == 15 || line == b"end")
        );
        assert_eq!(news.lines.last().unwrap(), b"end");
    }

    #[test]
    fn bytes_that_are_no_text_and_lines_without_end_do_no_harm() {
        let mut log = Log::new();
        log.write("a.log", [0, 159, 146, 150, b'\n']);
        assert_eq!(log.tail.look().unwrap().0.lines, [vec![0, 159, 146, 150]]);
        log.write("a.log", vec![b'x'; 200_000]);
        let (news, _) = log.tail.look().unwrap();
        let lengths: Vec<_> = news.lines.iter().map(Vec::len).collect();
        assert_eq!(lengths.iter().sum::<usize>(), 200_000);
        assert!(lengths.iter().all(|n| *n <= LONGEST), "{lengths:?}");
    }

    #[test]
    fn a_pipe_and_a_directory_are_refused_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let e = Tail::new(dir.path().to_owned()).look().unwrap_err();
        assert_eq!(e.to_string(), "it is no ordinary file");
    }
}
