//! What is kept of a job's output.

use std::collections::VecDeque;

use steady_launch::Redactor;
use steady_model::job::{Milestone, Outcome, Rules, Told, judge_run, milestone};
use steady_model::process::Exit;

const TAIL_LINES: usize = 200;
const TAIL_CHARS: usize = 1000;
/// A longer line is cut into several.
const LINE_BYTES: usize = 64 << 10;
const MILESTONES: usize = 500;
/// More lines that make a run partial say nothing new.
const ADMITTED: usize = 5;

/// The last lines and all milestones that matter, fed with the bytes of stdout and stderr as they come.
#[derive(Debug, Default)]
pub struct Output {
    pub tail: VecDeque<String>,
    pub milestones: Vec<Milestone>,
    /// The first lines that make the run partial by the job's own rules.
    pub admitted: Vec<String>,
    partial: Vec<u8>,
    rules: Rules,
    redactor: Redactor,
}

impl Output {
    /// Lines are kept, and milestones read, without what `redactor` knows: both are shown, stored and told on.
    pub fn new(rules: Rules, redactor: Redactor) -> Self {
        Self { rules, redactor, ..Self::default() }
    }

    /// The subcommand that ran, if it was not the whole job.
    pub fn part(&self) -> Option<String> {
        self.rules.part(&self.milestones)
    }

    pub fn feed(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|b| *b == b'\n') {
            for piece in piece.chunks(LINE_BYTES) {
                if self.partial.len() + piece.len() > LINE_BYTES {
                    self.end_line();
                }
                self.partial.extend_from_slice(piece);
                if piece.last() == Some(&b'\n') {
                    self.end_line();
                }
            }
        }
    }

    /// Takes in a last line without an end.
    pub fn finish(&mut self) {
        if !self.partial.is_empty() {
            self.end_line();
        }
    }

    fn end_line(&mut self) {
        let line = String::from_utf8_lossy(&self.partial);
        let line = self.redactor.line(line.trim_end_matches(['\r', '\n']));
        let found = milestone(&line);
        let kept: String = line.chars().take(TAIL_CHARS).collect();
        if self.admitted.len() < ADMITTED && self.rules.admits(&line) {
            self.admitted.push(kept.clone());
        }
        self.partial.clear();
        if self.tail.len() == TAIL_LINES {
            self.tail.pop_front();
        }
        self.tail.push_back(kept);
        if let Some(found) = found {
            self.keep(found);
        }
    }

    /// A talkative job may not push out what makes it partial: beyond the bound only bad news is kept, up to a
    /// second bound, which changes no verdict any more.
    fn keep(&mut self, milestone: Milestone) {
        let full = self.milestones.len() >= MILESTONES;
        let bad = || {
            let milestones = std::slice::from_ref(&milestone);
            judge_run(Exit::Code(0), Told { milestones, ..Told::default() }) != Outcome::Succeeded
        };
        if !full || (self.milestones.len() < 2 * MILESTONES && bad()) {
            self.milestones.push(milestone);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fed(chunks: &[&[u8]]) -> Output {
        let mut output = Output::default();
        for chunk in chunks {
            output.feed(chunk);
        }
        output.finish();
        output
    }

    #[test]
    fn lines_and_milestones_are_whole_however_the_bytes_come() {
        let output = fed(&[b"one\r\ntw", b"o\n", b"2026 [INFO] x: {\"event\":", b"\"sync_complete\"}\nlast"]);
        assert_eq!(output.tail, ["one", "two", r#"2026 [INFO] x: {"event":"sync_complete"}"#, "last"]);
        assert_eq!(output.milestones.len(), 1);
        assert_eq!(output.milestones[0].event, "sync_complete");
    }

    #[test]
    fn the_tail_is_bounded_and_holds_the_newest_lines() {
        let text = (0..1000).map(|n| format!("line {n}")).collect::<Vec<_>>().join("\n");
        let output = fed(&[text.as_bytes()]);
        assert_eq!(output.tail.len(), TAIL_LINES);
        assert_eq!(output.tail.back().unwrap(), "line 999");
        let endless = fed(&[&vec![b'x'; 2 << 20]]);
        assert!(endless.tail.iter().all(|l| l.len() <= TAIL_CHARS));
        assert!(endless.partial.capacity() <= 2 * LINE_BYTES, "an endless line is held in memory");
    }

    #[test]
    fn bad_news_is_kept_also_after_a_flood_of_milestones() {
        let mut text = "{\"event\":\"note_done\"}\n".repeat(5000);
        text.push_str("{\"event\":\"inbox_complete\",\"failed\":1}\n");
        let output = fed(&[text.as_bytes()]);
        assert!(output.milestones.len() <= MILESTONES + 1);
        assert!(matches!(
            judge_run(Exit::Code(0), Told { milestones: &output.milestones, ..Told::default() }),
            Outcome::Partial { .. }
        ));
    }

    proptest! {
        #[test]
        fn any_split_of_any_bytes_gives_the_same_lines(
            bytes in prop::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..300),
            cut in 0usize..300,
        ) {
            let cut = cut.min(bytes.len());
            let whole = fed(&[&bytes]);
            let split = fed(&[&bytes[..cut], &bytes[cut..]]);
            prop_assert_eq!(whole.tail, split.tail);
        }
    }
}
