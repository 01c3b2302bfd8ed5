//! Identical lines in a row as one with a count, for display. What is on disk stays as it was written.

/// A line, and how many times it came in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folded {
    pub line: String,
    /// At least 1.
    pub count: u64,
}

impl Folded {
    /// `repeated 1,234 times`; nothing for a line that came once.
    pub fn note(&self) -> Option<String> {
        (self.count > 1).then(|| format!("repeated {} times", grouped(self.count)))
    }
}

fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Folds a stream of lines. Holds back the newest, since another of its kind may follow.
#[derive(Debug, Default)]
pub struct Fold {
    held: Option<Folded>,
}

impl Fold {
    /// Takes the next line; gives out the one before when this is another.
    pub fn push(&mut self, line: impl Into<String> + AsRef<str>) -> Option<Folded> {
        match &mut self.held {
            Some(held) if held.line == line.as_ref() => {
                held.count += 1;
                None
            }
            _ => self.held.replace(Folded { line: line.into(), count: 1 }),
        }
    }

    /// Gives out what is held, at the end of the lines or when nothing comes for a while.
    pub fn flush(&mut self) -> Option<Folded> {
        self.held.take()
    }
}

/// Folds lines that are all there.
pub fn fold<L: Into<String> + AsRef<str>>(lines: impl IntoIterator<Item = L>) -> Vec<Folded> {
    let mut fold = Fold::default();
    let mut folded: Vec<Folded> = lines.into_iter().filter_map(|line| fold.push(line)).collect();
    folded.extend(fold.flush());
    folded
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn unfolding_gives_the_lines_back_and_no_neighbours_are_alike(
            lines in prop::collection::vec("[ab]{0,1}", 0..60),
        ) {
            let folded = fold(&lines);
            let unfolded: Vec<&str> =
                folded.iter().flat_map(|f| (0..f.count).map(|_| f.line.as_str())).collect();
            prop_assert_eq!(unfolded, lines);
            prop_assert!(folded.windows(2).all(|w| w[0].line != w[1].line));
        }
    }

    #[test]
    fn a_count_reads_like_a_sentence() {
        let note = |count| Folded { line: "x".into(), count }.note();
        assert_eq!(note(1), None);
        assert_eq!(note(2).unwrap(), "repeated 2 times");
        assert_eq!(note(1234).unwrap(), "repeated 1,234 times");
        assert_eq!(note(1_234_567).unwrap(), "repeated 1,234,567 times");
    }
}
