//! Where one log file ends and the next begins: a pure decision over the bytes that wait.

/// A line may make a file this much larger than its limit; beyond that it is torn between two files.
pub const LINE_SLACK: u64 = 16 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// How many of the waiting bytes belong to the current file.
    pub take: usize,
    /// Start a new file after them.
    pub then_rotate: bool,
}

/// `size` and `at_line_start` describe the current file, `max_bytes` its limit.
///
/// A file ends at a line end. It is larger than its limit at most by the end of its last line, whose
/// beginning was written before its length was known.
pub fn cut(waiting: &[u8], size: u64, at_line_start: bool, max_bytes: u64) -> Cut {
    let room = usize::try_from(max_bytes.saturating_sub(size)).unwrap_or(usize::MAX);
    if waiting.len() <= room {
        return Cut { take: waiting.len(), then_rotate: false };
    }
    let (fits, rest) = waiting.split_at_checked(room).unwrap_or((waiting, &[]));
    if let Some(end) = memchr::memrchr(b'\n', fits) {
        return Cut { take: end + 1, then_rotate: true };
    }
    if at_line_start && size > 0 {
        return Cut { take: 0, then_rotate: true };
    }
    // The first line of the file, or the rest of its last: it goes in whole.
    if let Some(end) = memchr::memchr(b'\n', rest) {
        return Cut { take: room + end + 1, then_rotate: true };
    }
    let grown = size.saturating_add(waiting.len() as u64);
    Cut { take: waiting.len(), then_rotate: grown >= max_bytes.saturating_add(LINE_SLACK) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Runs all bytes through `cut` in the given portions; returns the files.
    fn files(input: &[u8], portion: usize, max_bytes: u64) -> Vec<Vec<u8>> {
        let mut files = vec![Vec::new()];
        let mut from = 0;
        while from < input.len() {
            let waiting = &input[from..input.len().min(from + portion)];
            let file = files.last_mut().unwrap();
            let at_line_start = file.last().is_none_or(|b| *b == b'\n');
            let cut = cut(waiting, file.len() as u64, at_line_start, max_bytes);
            assert!(cut.take > 0 || cut.then_rotate, "no progress");
            file.extend_from_slice(&waiting[..cut.take]);
            from += cut.take;
            if cut.then_rotate {
                files.push(Vec::new());
            }
        }
        files
    }

    proptest! {
        #[test]
        fn no_byte_is_lost_and_every_file_ends_at_a_line_end(
            lines in prop::collection::vec("[a-z]{0,40}", 1..60),
            portion in 1usize..200,
            max_bytes in 1u64..120,
        ) {
            let input: Vec<u8> = lines.iter().flat_map(|l| [l.as_bytes(), b"\n"].concat()).collect();
            let files = files(&input, portion, max_bytes);
            prop_assert_eq!(files.concat(), input);
            for file in &files {
                prop_assert!(file.is_empty() || file.ends_with(b"\n"));
                let before_last = file.split_inclusive(|b| *b == b'\n').rev().skip(1).map(<[u8]>::len).sum::<usize>();
                prop_assert!(before_last as u64 <= max_bytes, "{before_last} > {max_bytes}");
            }
        }
    }

    #[test]
    fn an_endless_line_is_torn_only_after_the_slack() {
        let line = vec![b'x'; 1 << 20];
        assert_eq!(cut(&line, 0, true, 1000), Cut { take: 1 << 20, then_rotate: false });
        assert_eq!(cut(&line, LINE_SLACK, false, 1000), Cut { take: 1 << 20, then_rotate: true });
    }
}
