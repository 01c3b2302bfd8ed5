//! Where the key of the backups is kept, and whether a person has it elsewhere. Never the key itself.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::time::WallTime;

#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema, utoipa::ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum KeptIn {
    /// A file that only the user can read. It is there at night, and on a machine that nobody logs in to.
    #[default]
    File,
    /// The login keychain (macOS) or the Secret Service (Linux), which are open while somebody is logged in.
    Keychain,
}

impl KeptIn {
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::File => Self::Keychain,
            Self::Keychain => Self::File,
        }
    }
}

impl fmt::Display for KeptIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File => "file",
            Self::Keychain => "keychain",
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{typed}\" is no place for a key; write `file` or `keychain`")]
pub struct NoPlace {
    typed: String,
}

impl FromStr for KeptIn {
    type Err = NoPlace;

    fn from_str(typed: &str) -> Result<Self, NoPlace> {
        [Self::File, Self::Keychain]
            .into_iter()
            .find(|place| place.to_string() == typed)
            .ok_or_else(|| NoPlace { typed: typed.to_owned() })
    }
}

/// What the surfaces show of the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct BackupKeyView {
    pub kept: KeptIn,
    /// When a person said that they have it elsewhere.
    pub saved: Option<WallTime>,
    /// What to do while nobody has; no alarm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reminder: Option<String>,
}

impl BackupKeyView {
    pub fn new(kept: KeptIn, saved: Option<WallTime>) -> Self {
        let reminder = saved.is_none().then(|| {
            "The key of the backups is on this machine only: when its disk is lost, nobody can open their copies. \
             `steady backup key` prints a recovery sheet."
                .to_owned()
        });
        Self { kept, saved, reminder }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_typed_as_it_is_shown_and_nothing_else_is_one() {
        for place in [KeptIn::File, KeptIn::Keychain] {
            assert_eq!(place.to_string().parse(), Ok(place));
        }
        assert!("File".parse::<KeptIn>().is_err());
    }

    #[test]
    fn it_is_reminded_of_until_a_person_has_the_key_elsewhere() {
        assert!(BackupKeyView::new(KeptIn::Keychain, None).reminder.is_some());
        let saved = WallTime("2026-11-23T03:00:00Z".parse().unwrap());
        assert_eq!(BackupKeyView::new(KeptIn::File, Some(saved)).reminder, None);
    }
}
