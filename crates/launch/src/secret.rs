//! A value that nobody may see.

use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::OsStringExt;

use steady_model::crash::REDACTED;
use zeroize::Zeroizing;

/// A secret's value. It has no `Display`, its `Debug` does not show it, and its memory is wiped when it goes.
///
/// Copies that are out of reach: those in the started process, and those that the standard library makes on the
/// way to `exec`.
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    pub fn new(value: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(value.into()))
    }

    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn into_value(mut self) -> OsString {
        OsString::from_vec(std::mem::take(&mut *self.0))
    }

    /// Without the line end that editors and `echo` leave.
    pub(crate) fn without_line_end(mut self) -> Self {
        if self.0.last() == Some(&b'\n') {
            self.0.pop();
            if self.0.last() == Some(&b'\r') {
                self.0.pop();
            }
        }
        self
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret{REDACTED}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_does_not_show_it() {
        assert_eq!(format!("{:?}", Secret::new("hunter22")), "Secret(redacted)");
    }

    #[test]
    fn only_one_line_end_goes() {
        let bare = |text: &str| Secret::new(text).without_line_end().expose().to_vec();
        assert_eq!(bare("a\n"), b"a");
        assert_eq!(bare("a\r\n"), b"a");
        assert_eq!(bare("a\n\n"), b"a\n");
        assert_eq!(bare("a \r"), b"a \r");
    }
}
