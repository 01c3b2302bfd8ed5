//! The writer of the log measurements: numbered lines, as fast as they are taken.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use anyhow::Context;
use rustix::process::getpid;

use crate::clock::{Moment, pause};

/// Of a line with its end, bytes.
pub const LINE: u64 = LENGTH as u64;
const LENGTH: usize = 100;
const DIGITS: usize = 10;

/// Writes `count` lines to standard output, `batch` in one write, then stays: a supervisor would start it again.
pub fn write(count: u64, batch: u64, begun: &Path) -> anyhow::Result<()> {
    let temporary = begun.with_extension(format!("{}", getpid().as_raw_nonzero()));
    fs::write(&temporary, Moment::now().0.to_string())?;
    fs::rename(&temporary, begun).with_context(|| format!("cannot write {}", begun.display()))?;
    let mut out = io::stdout().lock();
    let (mut bytes, mut line) = (Vec::new(), Line::default());
    for number in 0..count {
        line.renumber(number);
        bytes.extend_from_slice(&line.0);
        if (number + 1).is_multiple_of(batch) || number + 1 == count {
            out.write_all(&bytes)?;
            out.flush()?;
            bytes.clear();
        }
    }
    loop {
        pause(std::time::Duration::from_secs(3600));
    }
}

/// Made once and numbered anew: formatting a line takes longer than writing it.
struct Line([u8; LENGTH]);

impl Default for Line {
    fn default() -> Self {
        Self(std::array::from_fn(|at| match at {
            DIGITS => b' ',
            _ if at + 1 == LENGTH => b'\n',
            _ => b'.',
        }))
    }
}

impl Line {
    fn renumber(&mut self, number: u64) {
        let mut rest = number;
        for digit in self.0.iter_mut().take(DIGITS).rev() {
            *digit = b"0123456789".get((rest % 10) as usize).copied().unwrap_or_default();
            rest /= 10;
        }
    }
}

/// The number of a whole line without its end; `None` when it is no line of ours.
pub fn number(line: &[u8]) -> Option<u64> {
    let (digits, rest) = line.split_at_checked(DIGITS)?;
    let whole =
        rest.strip_prefix(b" ").is_some_and(|dots| dots.len() == 88 && dots.iter().all(|b| *b == b'.'));
    if !whole {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_as_long_as_it_says_and_is_read_back_only_whole() {
        let mut line = Line::default();
        line.renumber(999);
        line.renumber(1234);
        let text = line.0.strip_suffix(b"\n").unwrap();
        assert_eq!(number(text), Some(1234));
        assert_eq!(number(&text[1..]), None);
        assert_eq!(number(&text[..90]), None);
    }
}
