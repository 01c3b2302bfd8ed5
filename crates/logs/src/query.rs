//! Lines by time and by pattern, across rotations and compressed files.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use jiff::Timestamp;
use regex::Regex;
use steady_model::time::WallTime;

use crate::archive::LogFiles;
use crate::position::Position;
use crate::source::Source;
use crate::tail::MOST;
use crate::times::Index;

/// Which lines are wanted.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// Those written at this time or later. The sink notes when it writes, to a second where a service
    /// writes much and to ten where it writes little; in that doubt a line is given rather than left out.
    ///
    /// A file without such notes (of an older Steady, or after a full disk) is judged by when it and the one
    /// before were rotated away, and within that by the time that a line itself begins with, where it is
    /// RFC 3339 with an offset (`2026-11-22T09:15:30Z …`); a line without one is given.
    pub since: Option<WallTime>,
    /// Those that match. Bytes that are no UTF-8 were replaced before.
    pub grep: Option<Regex>,
    /// At most this many, the newest.
    pub lines: usize,
}

/// A line, and when it was written as far as that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Accurate to a second, or to ten where little was written: no later than the true time.
    pub at: Option<WallTime>,
    pub text: String,
}

/// The newest lines of a log directory that a query wants, oldest first.
///
/// Answers are bounded to 8 MB, the newest. A compressed file that is damaged gives what can be read, and a
/// line that says so.
pub fn read(dir: &Path, query: &Query) -> io::Result<Vec<Line>> {
    read_until(dir, query, None)
}

/// The same of what stands before a position, such as where a follower begins.
pub fn read_until(dir: &Path, query: &Query, end: Option<Position>) -> io::Result<Vec<Line>> {
    // What is known is known to the second.
    let second = |since: WallTime| Timestamp::from_second(since.0.as_second()).map_or(since, WallTime);
    let query = &Query { since: query.since.map(second), ..query.clone() };
    let mut files = LogFiles::look(dir)?;
    let current_seq = files.current_seq;
    let current = files.current.take().map(Source::Plain);
    let mut answer = Answer { query, lines: VecDeque::new(), bytes: 0 };
    // The newest is judged like an archive that is rotated away in the future.
    let mut newer: Option<(u64, Timestamp)> = Some((current_seq, Timestamp::MAX));
    let mut source = current;
    let mut older = files.archives.iter().rev();
    while let Some((seq, until)) = newer {
        let before = older.next();
        if let Some(source) = source.take() {
            let begun = before.map(|b| b.at);
            let size = end.map_or(u64::MAX, |end| match seq.cmp(&end.seq) {
                Ordering::Less => u64::MAX,
                Ordering::Equal => end.offset,
                Ordering::Greater => 0,
            });
            let part = Part { index: Index::read(dir, seq)?, begun, until, size };
            answer.add(source, &part)?;
            if answer.is_full() || part.is_before(query.since) {
                break;
            }
        }
        newer = before.map(|b| (b.seq, b.at));
        source = before.map(crate::archive::Archive::open).transpose()?.flatten();
    }
    Ok(answer.lines.into())
}

/// What is known about the times of one file.
struct Part {
    index: Index,
    /// When the file before was rotated away: no line is older.
    begun: Option<Timestamp>,
    /// When it was rotated away: no line is newer.
    until: Timestamp,
    /// No more of it is wanted than this, bytes.
    size: u64,
}

impl Part {
    /// Where the wanted lines may begin; `None` when there are none.
    fn start(&self, since: Option<WallTime>) -> Option<u64> {
        let Some(WallTime(since)) = since else { return Some(0) };
        if self.until < since { None } else { self.index.first_reaching(since) }
    }

    /// Whether no older file can have a wanted line.
    fn is_before(&self, since: Option<WallTime>) -> bool {
        since.zip(self.begun).is_some_and(|(since, begun)| begun < since.0)
    }

    fn reaches(&self, offset: u64, line: &str, since: WallTime) -> bool {
        self.index.reaches(offset, since.0).unwrap_or_else(|| {
            self.begun.is_some_and(|begun| begun >= since.0) || own_time(line).is_none_or(|at| at >= since.0)
        })
    }
}

/// The time that a line begins with, by itself or in brackets.
fn own_time(line: &str) -> Option<Timestamp> {
    let word = line.split_ascii_whitespace().next()?;
    word.trim_matches(['[', ']', '"']).parse().ok()
}

struct Answer<'a> {
    query: &'a Query,
    lines: VecDeque<Line>,
    bytes: usize,
}

impl Answer<'_> {
    fn is_full(&self) -> bool {
        self.lines.len() >= self.query.lines || self.bytes >= MOST
    }

    /// Puts the wanted lines of the next older file before those that are there.
    fn add(&mut self, mut source: Source, part: &Part) -> io::Result<()> {
        let Some(start) = part.start(self.query.since) else { return Ok(()) };
        let room = (self.query.lines - self.lines.len(), MOST.saturating_sub(self.bytes));
        let mut found = Found { room, lines: VecDeque::new(), bytes: 0 };
        let packed = matches!(source, Source::Packed(_));
        let read = source.skip(start).and_then(|()| self.gather(source, start, part, &mut found));
        match read {
            Err(e) if packed => found.push(None, format!("steady: a compressed log is damaged here: {e}")),
            other => other?,
        }
        self.bytes += found.bytes;
        for line in found.lines.into_iter().rev() {
            self.lines.push_front(line);
        }
        Ok(())
    }

    fn gather(&self, source: Source, start: u64, part: &Part, found: &mut Found) -> io::Result<()> {
        let mut source = BufReader::with_capacity(64 << 10, source.take(part.size.saturating_sub(start)));
        let (mut offset, mut bytes) = (start, Vec::new());
        while source.read_until(b'\n', &mut bytes)? > 0 {
            let text = String::from_utf8_lossy(bytes.strip_suffix(b"\n").unwrap_or(&bytes));
            let matches = self.query.grep.as_ref().is_none_or(|grep| grep.is_match(&text));
            if matches && self.query.since.is_none_or(|since| part.reaches(offset, &text, since)) {
                found.push(part.index.at(offset).map(WallTime), text.into_owned());
            }
            offset += bytes.len() as u64;
            bytes.clear();
        }
        Ok(())
    }
}

/// The newest wanted lines of one file.
struct Found {
    /// Lines and bytes.
    room: (usize, usize),
    lines: VecDeque<Line>,
    bytes: usize,
}

impl Found {
    fn push(&mut self, at: Option<WallTime>, text: String) {
        self.bytes += text.len();
        self.lines.push_back(Line { at, text });
        while self.lines.len() > self.room.0 || (self.bytes > self.room.1 && self.lines.len() > 1) {
            self.bytes -= self.lines.pop_front().map_or(0, |line| line.text.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::archive::{Naming, list};
    use crate::compress::compress;
    use crate::times::Times;

    fn at(minute: i64) -> WallTime {
        WallTime(Timestamp::from_second(1_700_000_000 + 60 * minute).unwrap())
    }

    fn texts(dir: &Path, query: &Query) -> Vec<String> {
        read(dir, query).unwrap().into_iter().map(|l| l.text).collect()
    }

    /// Three files with an index: minutes 0 and 1, minutes 2 and 3, minute 4. The first is compressed.
    fn logs() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, seq: u64, minutes: &[i64]| {
            let mut text = String::new();
            let line = |minute: &i64| format!("minute {minute} begins\nand goes on\n");
            let mut times = Times::open(dir.path(), seq, 0).unwrap();
            for minute in minutes {
                times.mark(text.len() as u64, at(*minute).0).unwrap();
                text += &line(minute);
            }
            fs::write(dir.path().join(name), text).unwrap();
        };
        let name = |seq, minute| Naming::service().name(at(minute).0, seq);
        write(&name(1, 2), 1, &[0, 1]);
        write(&name(2, 4), 2, &[2, 3]);
        write("current", 3, &[4]);
        compress(&list(dir.path(), &Naming::service()).unwrap()[0], |_| true).unwrap();
        dir
    }

    #[test]
    fn since_gives_what_was_written_since_across_files() {
        let dir = logs();
        let since = |minute| Query { since: Some(at(minute)), grep: None, lines: 99 };
        for minute in 0..5 {
            let texts = texts(dir.path(), &since(minute));
            assert_eq!(texts.len(), 2 * (5 - usize::try_from(minute).unwrap()), "{texts:?}");
            assert_eq!(texts[0], format!("minute {minute} begins"));
        }
        assert_eq!(read(dir.path(), &since(5)).unwrap(), []);
        assert_eq!(read(dir.path(), &since(1)).unwrap()[1].at, Some(at(1)));
    }

    #[test]
    fn a_pattern_finds_its_newest_lines_across_files() {
        let dir = logs();
        let grep = Some(Regex::new("^minute [0-3]").unwrap());
        let query = Query { since: None, grep: grep.clone(), lines: 3 };
        assert_eq!(texts(dir.path(), &query), ["minute 1 begins", "minute 2 begins", "minute 3 begins"]);
        let query = Query { since: Some(at(3)), grep, lines: 3 };
        assert_eq!(texts(dir.path(), &query), ["minute 3 begins"]);
        assert_eq!(texts(dir.path(), &Query { since: None, grep: None, lines: 0 }), [""; 0]);
    }

    #[test]
    fn what_stands_before_a_position_is_all_that_a_follower_does_not_give() {
        let dir = logs();
        let follower = crate::Follower::new(dir.path(), 0).unwrap();
        let end = follower.position();
        let all = Query { since: None, grep: None, lines: 99 };
        let before = read(dir.path(), &all).unwrap();
        let current = dir.path().join("current");
        let grown = fs::read_to_string(&current).unwrap() + "written after\n";
        fs::write(&current, grown).unwrap();
        assert_eq!(read_until(dir.path(), &all, end).unwrap(), before);
        fs::rename(&current, dir.path().join(Naming::service().name(at(9).0, 3))).unwrap();
        fs::write(&current, "in the next file\n").unwrap();
        assert_eq!(read_until(dir.path(), &all, end).unwrap(), before);
        assert_eq!(read(dir.path(), &all).unwrap().len(), before.len() + 2);
    }

    #[test]
    fn files_without_an_index_are_judged_by_their_names_and_lines_by_their_own_time() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: String, text: &str| fs::write(dir.path().join(name), text).unwrap();
        let name = |seq, minute| Naming::service().name(at(minute).0, seq);
        write(name(1, 1), "long ago\n");
        write(name(2, 3), &format!("{} one\n[{}] two\nno time of its own\n", at(1), at(2)));
        write("current".to_owned(), "now\n");
        let since = Query { since: Some(at(2)), grep: None, lines: 99 };
        assert_eq!(texts(dir.path(), &since), [&*format!("[{}] two", at(2)), "no time of its own", "now"]);
    }

    #[test]
    fn a_damaged_archive_gives_what_is_left_and_says_so() {
        let dir = logs();
        let packed = list(dir.path(), &Naming::service()).unwrap()[0].packed();
        let bytes = fs::read(&packed).unwrap();
        fs::write(&packed, &bytes[..bytes.len() / 2]).unwrap();
        let texts = texts(dir.path(), &Query { since: None, grep: None, lines: 99 });
        assert!(texts.iter().any(|t| t.starts_with("steady: a compressed log is damaged here")), "{texts:?}");
        assert_eq!(texts.last().unwrap(), "and goes on");
    }
}
