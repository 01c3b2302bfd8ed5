//! Floods: one identical line, over and over. A pure detector over the bytes as they pass.
//!
//! A flood begins when a run of identical consecutive lines reaches `FLOOD` of them within [`WINDOW`],
//! counted in windows that begin with the run's first line. It ends when no run did so for [`WINDOW`]: a
//! crash loop that prints something else now and then is one flood, not many.
//!
//! It looks at few of the bytes: where two neighbouring lines differ it jumps ahead as far as no run long
//! enough can hide. Only runs at the edges of what it is given are counted line by line.

use std::time::Duration;

use steady_model::time::AwakeInstant;

/// Identical lines in a row, within a window, that make a flood.
pub const FLOOD_LINES: usize = 1000;
pub const WINDOW: Duration = Duration::from_secs(60);
/// Lines longer than this are never taken for identical, bytes.
const LONGEST: usize = 2 << 10;

/// `FLOOD` is a parameter for the tests; at least 6.
#[derive(Debug, Default)]
pub struct Repeats<const FLOOD: usize = FLOOD_LINES> {
    run: Run,
    partial: Partial,
    flood: Option<Flood>,
}

/// A flood as it began, or as it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flood {
    /// Without its line end.
    pub line: Vec<u8>,
    /// Identical lines so far.
    pub count: u64,
    until: AwakeInstant,
}

#[derive(Debug, Default)]
struct Run {
    line: Vec<u8>,
    /// Whether the next line can continue it.
    goes_on: bool,
    since: AwakeInstant,
    in_window: u64,
    is_flood: bool,
}

#[derive(Debug, Default)]
enum Partial {
    #[default]
    None,
    Line(Vec<u8>),
    TooLong,
}

impl<const FLOOD: usize> Repeats<FLOOD> {
    /// Takes the next bytes. Returns a flood that begins with them.
    pub fn feed(&mut self, bytes: &[u8], now: AwakeInstant) -> Option<Flood> {
        let before = self.flood.is_some();
        let rest = self.end_partial(bytes, now);
        let end = memchr::memrchr(b'\n', rest).map_or(0, |last| last + 1);
        let (lines, open) = rest.split_at_checked(end).unwrap_or((rest, &[]));
        self.whole_lines(lines, now);
        self.partial.extend(open);
        if before { None } else { self.flood.clone() }
    }

    /// When [`tick`](Self::tick) may have something to say.
    pub fn due(&self) -> Option<AwakeInstant> {
        self.flood.as_ref().map(|f| f.until)
    }

    /// The flood that ended by now.
    pub fn tick(&mut self, now: AwakeInstant) -> Option<Flood> {
        let ended = self.flood.take_if(|f| f.until <= now);
        if ended.is_some() {
            self.run.is_flood = false;
        }
        ended
    }

    /// The flood that goes on.
    pub fn flood(&self) -> Option<&Flood> {
        self.flood.as_ref()
    }

    /// Returns what comes after the line that had begun before.
    fn end_partial<'a>(&mut self, bytes: &'a [u8], now: AwakeInstant) -> &'a [u8] {
        if matches!(self.partial, Partial::None) {
            return bytes;
        }
        let Some(end) = memchr::memchr(b'\n', bytes) else {
            self.partial.extend(bytes);
            return &[];
        };
        let (head, rest) = bytes.split_at_checked(end + 1).unwrap_or((bytes, &[]));
        self.partial.extend(head.strip_suffix(b"\n").unwrap_or(head));
        match std::mem::take(&mut self.partial) {
            Partial::Line(line) => self.observe(&line, 1, now),
            Partial::None | Partial::TooLong => self.run.goes_on = false,
        }
        rest
    }

    /// `lines` begins at a line start and ends at a line end.
    fn whole_lines(&mut self, lines: &[u8], now: AwakeInstant) {
        let Some(first) = first_line(lines) else { return };
        let leading = repeated_from(lines, first);
        self.observe(first, leading, now);
        let used = leading * (first.len() + 1);
        let Some(rest) = lines.get(used..).filter(|rest| !rest.is_empty()) else { return };
        let last = last_line(rest);
        let trailing = repeated_to(rest, last);
        let middle = rest.get(..rest.len() - trailing * (last.len() + 1)).unwrap_or_default();
        if !middle.is_empty() {
            self.hidden_runs(middle, now);
            self.run.goes_on = false;
        }
        self.observe(last, trailing, now);
    }

    /// Finds the runs of at least `FLOOD` lines, without looking at every line.
    fn hidden_runs(&mut self, lines: &[u8], now: AwakeInstant) {
        let mut at = 0;
        // A run takes `FLOOD` bytes at least; a jump of half of that lands in it.
        while let Some(rest) = lines.get(at..).filter(|rest| rest.len() >= FLOOD / 2) {
            let Some(line) = first_line(rest) else { return };
            let after = repeated_from(rest, line);
            let size = line.len() + 1;
            if after > 1 {
                let before = repeated_to(lines.get(..at).unwrap_or_default(), line);
                if before + after >= FLOOD {
                    self.run.goes_on = false;
                    self.observe(line, before + after, now);
                }
            }
            let jump = at + (after * size).max(FLOOD / 2) - 1;
            let Some(next) = lines.get(jump..).and_then(|rest| memchr::memchr(b'\n', rest)) else { return };
            at = jump + next + 1;
        }
    }

    fn observe(&mut self, line: &[u8], count: usize, now: AwakeInstant) {
        let count = count as u64;
        if line.len() > LONGEST {
            self.run.goes_on = false;
            return;
        }
        if !(self.run.goes_on && self.run.line == line) {
            self.run.is_flood = false;
            self.run.in_window = 0;
            self.run.since = now;
            self.run.goes_on = true;
            line.clone_into(&mut self.run.line);
        }
        if now.since(self.run.since) >= WINDOW {
            self.run.since = now;
            self.run.in_window = 0;
        }
        self.run.in_window += count;
        let passes = self.run.in_window >= FLOOD as u64;
        let added = if self.run.is_flood { count } else { self.run.in_window };
        self.run.is_flood |= passes;
        if !self.run.is_flood {
            return;
        }
        let until = now.after(WINDOW);
        match &mut self.flood {
            Some(flood) => {
                if flood.line != line {
                    line.clone_into(&mut flood.line);
                }
                flood.count += added;
                if passes {
                    flood.until = until;
                }
            }
            None if passes => self.flood = Some(Flood { line: line.to_owned(), count: added, until }),
            None => {}
        }
    }
}

impl Partial {
    fn extend(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            // The line end itself still belongs to what was there.
            return;
        }
        match self {
            Self::TooLong => {}
            Self::Line(line) if line.len() + bytes.len() <= LONGEST => line.extend_from_slice(bytes),
            Self::None if bytes.len() <= LONGEST => *self = Self::Line(bytes.to_owned()),
            Self::None | Self::Line(_) => *self = Self::TooLong,
        }
    }
}

/// Without its line end; `None` when there is none.
fn first_line(lines: &[u8]) -> Option<&[u8]> {
    lines.get(..memchr::memchr(b'\n', lines)?)
}

/// The last line of lines that end at a line end.
fn last_line(lines: &[u8]) -> &[u8] {
    let lines = lines.strip_suffix(b"\n").unwrap_or(lines);
    memchr::memrchr(b'\n', lines).and_then(|before| lines.get(before + 1..)).unwrap_or(lines)
}

/// How many times `lines` begins with its first line `line`.
fn repeated_from(lines: &[u8], line: &[u8]) -> usize {
    let size = line.len() + 1;
    // Bytes that equal those one line further on repeat the line; compared in blocks.
    let shifted = lines.get(size..).unwrap_or_default();
    let mut same = 0;
    for (here, there) in lines.chunks(4096).zip(shifted.chunks(4096)) {
        let here = here.get(..there.len()).unwrap_or(here);
        if here == there {
            same += there.len();
        } else {
            same += here.iter().zip(there).take_while(|(a, b)| a == b).count();
            break;
        }
    }
    1 + same / size
}

/// How many times `lines` ends with `line` and its line end.
fn repeated_to(lines: &[u8], line: &[u8]) -> usize {
    let mut left = lines;
    let mut count = 0;
    while let Some(before) = left.strip_suffix(b"\n").and_then(|l| l.strip_suffix(line)) {
        // A longer line may end alike.
        if !(before.is_empty() || before.ends_with(b"\n")) {
            break;
        }
        count += 1;
        left = before;
    }
    count
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FEW: usize = 8;

    fn at(second: u64) -> AwakeInstant {
        AwakeInstant::since_boot(Duration::from_secs(second))
    }

    /// Line by line, with everything looked at: whether a flood began, and how many lines it had by then.
    fn plainly(portions: &[(Vec<u8>, AwakeInstant)]) -> bool {
        let (mut partial, mut line, mut since, mut count) = (Vec::new(), None, at(0), 0);
        for (bytes, now) in portions {
            for byte in bytes {
                if *byte != b'\n' {
                    partial.push(*byte);
                    continue;
                }
                let this = std::mem::take(&mut partial);
                if line.as_ref() != Some(&this) || now.since(since) >= WINDOW {
                    (line, since, count) = (Some(this), *now, 0);
                }
                count += 1;
                if count >= FEW {
                    return true;
                }
            }
        }
        false
    }

    fn runs() -> impl Strategy<Value = Vec<u8>> {
        let run = ("[ab]{0,3}", 1usize..14);
        prop::collection::vec(run, 0..12).prop_map(|runs| {
            runs.iter().flat_map(|(line, n)| format!("{line}\n").repeat(*n).into_bytes()).collect()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn it_finds_a_flood_exactly_when_a_look_at_every_line_does(
            bytes in runs(),
            portion in 1usize..80,
            pace in 0u64..40,
        ) {
            let portions: Vec<_> =
                bytes.chunks(portion).zip(0u64..).map(|(c, n)| (c.to_vec(), at(n * pace))).collect();
            let mut repeats = Repeats::<FEW>::default();
            let mut begun = false;
            for (bytes, now) in &portions {
                let began = repeats.feed(bytes, *now);
                prop_assert!(began.as_ref().is_none_or(|f| f.count >= FEW as u64));
                begun |= began.is_some();
            }
            prop_assert_eq!(begun, plainly(&portions));
        }
    }

    #[test]
    fn a_flood_begins_once_counts_on_and_ends_a_window_after_its_last_burst() {
        let mut repeats = Repeats::<FLOOD_LINES>::default();
        let line = b"refused: stale lock\n";
        assert_eq!(repeats.feed(&line.repeat(999), at(0)), None);
        let flood = repeats.feed(line, at(59)).unwrap();
        assert_eq!((flood.line.as_slice(), flood.count), (&b"refused: stale lock"[..], 1000));
        assert_eq!(repeats.feed(&line.repeat(500), at(59)), None);
        assert_eq!(repeats.due(), Some(at(119)));
        // Something else in between does not end it, and fewer lines do not prolong it.
        assert_eq!(repeats.feed(b"other\n", at(60)), None);
        assert_eq!(repeats.feed(&line.repeat(999), at(61)), None);
        assert_eq!(repeats.tick(at(118)), None);
        assert_eq!(repeats.tick(at(119)).unwrap().count, 1500);
        assert_eq!(repeats.tick(at(500)), None);
        assert_eq!(repeats.due(), None);
    }

    #[test]
    fn lines_at_a_usual_pace_are_no_flood_however_alike() {
        let mut repeats = Repeats::<FLOOD_LINES>::default();
        for second in 0..10_000 {
            assert_eq!(repeats.feed(&b"tick\n".repeat(10), at(second)), None);
        }
    }

    #[test]
    fn a_line_that_comes_in_pieces_counts_and_an_endless_one_takes_no_room() {
        let mut repeats = Repeats::<FEW>::default();
        let mut floods = 0;
        for _ in 0..FEW {
            for piece in [&b"in "[..], b"pieces", b"\n"] {
                floods += usize::from(repeats.feed(piece, at(0)).is_some());
            }
        }
        assert_eq!(floods, 1);
        for _ in 0..100 {
            repeats.feed(&vec![b'x'; 60_000], at(1));
        }
        assert!(matches!(repeats.partial, Partial::TooLong));
        repeats.feed(b"\n", at(1));
        assert!(!repeats.run.goes_on);
    }
}
