use std::fmt;
use std::str::FromStr;

/// A place between two lines of a log, which stays what it is when files are rotated and compressed.
///
/// As text `<sequence>:<offset>`, in bytes of the plain file with that sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    pub(crate) seq: u64,
    pub(crate) offset: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no position in a log; it looks like 12:3456")]
pub struct NotAPosition {
    text: String,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.seq, self.offset)
    }
}

impl FromStr for Position {
    type Err = NotAPosition;

    fn from_str(text: &str) -> Result<Self, NotAPosition> {
        let parse = || {
            let (seq, offset) = text.split_once(':')?;
            Some(Self { seq: seq.parse().ok()?, offset: offset.parse().ok()? })
        };
        parse().ok_or_else(|| NotAPosition { text: text.to_owned() })
    }
}
