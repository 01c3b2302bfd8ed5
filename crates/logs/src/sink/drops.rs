//! Bytes that found no room: counted exactly, and said once there is room again. Pure.

/// Lines and bytes that are not in the log. A line whose beginning is missing counts whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Loss {
    pub lines: u64,
    pub bytes: u64,
}

#[derive(Debug, Default)]
pub struct Drops {
    /// Since the last note.
    open: Option<(Loss, String)>,
    /// Ever, in this sink, with what the one before left.
    total: Loss,
    /// The rest of a line that was dropped is still to come.
    in_line: bool,
}

impl Drops {
    /// What another sink dropped and did not say.
    pub fn left(loss: Loss, reason: String, in_line: bool) -> Self {
        Self { open: Some((loss, reason)), total: loss, in_line }
    }

    pub fn open_with_reason(&self) -> Option<(Loss, &str)> {
        self.open.as_ref().map(|(loss, reason)| (*loss, reason.as_str()))
    }

    /// What is not said yet.
    pub fn open(&self) -> Option<Loss> {
        self.open.as_ref().map(|(loss, _)| *loss)
    }

    pub fn total(&self) -> Loss {
        self.total
    }

    pub fn in_line(&self) -> bool {
        self.in_line
    }

    /// Counts bytes that were taken out of the FIFO for nothing. Returns whether they are the first.
    pub fn count(&mut self, bytes: &[u8], reason: &str) -> bool {
        let Some(last) = bytes.last() else { return false };
        let ends = memchr::memchr_iter(b'\n', bytes).count() as u64;
        let open = *last != b'\n';
        let lines = ends + u64::from(open) - u64::from(self.in_line);
        self.in_line = open;
        self.add(Loss { lines, bytes: bytes.len() as u64 }, reason)
    }

    /// Counts the beginning of a line that was taken back from the file; its rest is still to come.
    pub fn count_half_line(&mut self, bytes: u64, reason: &str) -> bool {
        self.in_line = true;
        self.add(Loss { lines: 1, bytes }, reason)
    }

    fn add(&mut self, loss: Loss, reason: &str) -> bool {
        let first = self.open.is_none();
        let (open, _) = self.open.get_or_insert_with(|| (Loss::default(), reason.to_owned()));
        for sum in [open, &mut self.total] {
            sum.lines += loss.lines;
            sum.bytes += loss.bytes;
        }
        first
    }

    /// How many of the waiting bytes are the rest of a dropped line.
    pub fn rest_of_line(&self, waiting: &[u8]) -> usize {
        if !self.in_line {
            return 0;
        }
        memchr::memchr(b'\n', waiting).map_or(waiting.len(), |end| end + 1)
    }

    /// What the log says about them, with its line end; `None` when nothing is open.
    pub fn note(&self) -> Option<String> {
        let (Loss { lines, bytes }, reason) = self.open.as_ref()?;
        let noun = if *lines == 1 { "line" } else { "lines" };
        Some(format!(
            "steady: {lines} {noun} ({bytes} bytes) dropped, the log could not be written: {reason}\n"
        ))
    }

    /// The note is in the log.
    pub fn said(&mut self) {
        self.open = None;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn lines_and_bytes_are_exact_however_they_are_cut(
            lines in prop::collection::vec("[a-z]{0,9}", 1..40),
            portion in 1usize..50,
        ) {
            let bytes: Vec<u8> = lines.iter().flat_map(|l| format!("{l}\n").into_bytes()).collect();
            let mut drops = Drops::default();
            for (n, part) in bytes.chunks(portion).enumerate() {
                prop_assert_eq!(drops.count(part, "full"), n == 0);
            }
            let all = Loss { lines: lines.len() as u64, bytes: bytes.len() as u64 };
            prop_assert_eq!(drops.open(), Some(all));
            prop_assert!(!drops.in_line());
            drops.said();
            prop_assert_eq!((drops.open(), drops.total()), (None, all));
        }
    }

    #[test]
    fn a_line_that_lost_its_beginning_counts_once() {
        let mut drops = Drops::default();
        assert!(drops.count_half_line(10, "No space left on device"));
        assert_eq!(drops.rest_of_line(b"the rest\nnext\n"), 9);
        drops.count(b"the rest\n", "again");
        assert_eq!(
            drops.note().unwrap(),
            "steady: 1 line (19 bytes) dropped, the log could not be written: No space left on device\n"
        );
        drops.said();
        assert_eq!((drops.note(), drops.rest_of_line(b"next\n")), (None, 0));
    }
}
