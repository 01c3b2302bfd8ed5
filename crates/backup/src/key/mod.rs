//! The key of the repository: made once, kept in a private file or in the keychain, never made anew for a repository
//! that has one, never carried in arguments, environment, requests or answers.
//!
//! A move puts the key at its new place, reads it back there, notes the new place, and removes the old one last. So
//! the key is always where the record says, or at the other place: whoever looks in both finds it, whenever a move
//! was cut off.

mod record;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use steady_disk::{FileLock, Holder, fsync_dir, write_atomic};
use steady_launch::Secret;
use steady_launch::keychain::{Keychain, KeychainError, NewItem};
use steady_model::key::{BackupKeyView, KeptIn};
use steady_model::time::WallTime;
use zeroize::Zeroizing;

use crate::error::BackupError;
use crate::manifest::hex;
use record::{Record, RecordFile};

/// The item's name in the keychain.
const SERVICE: &str = "steady-backup";
const KEY_BYTES: usize = 32;
const ACCOUNT_DIGITS: usize = 16;

/// A keychain, however it is asked.
pub type AnyKeychain = Arc<dyn Keychain + Send + Sync>;

/// Where the key is, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyPlace {
    File(PathBuf),
    /// The item of this account.
    Keychain(String),
}

impl fmt::Display for KeyPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "the file {}", path.display()),
            Self::Keychain(account) => {
                write!(f, "the keychain (item \"{SERVICE}\" of account \"{account}\")")
            }
        }
    }
}

/// The key of one home, and its two possible places.
#[derive(Clone)]
pub(crate) struct KeyRing {
    folder: PathBuf,
    record: RecordFile,
    keychain: AnyKeychain,
    /// For a new key.
    wanted: KeptIn,
}

/// What looking at one place brought.
type Look = Result<Option<Secret>, BackupError>;

impl KeyRing {
    /// `folder` is `<home>/backups`, resolved.
    pub(crate) fn new(folder: &Path, wanted: KeptIn, keychain: AnyKeychain) -> Self {
        let record = RecordFile::at(folder.join("key.json"));
        Self { folder: folder.to_owned(), record, keychain, wanted }
    }

    /// `<home>/backups`.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    fn file(&self) -> PathBuf {
        self.folder.join("password")
    }

    /// The same for one home, as long as it is not moved.
    fn usual_account(&self) -> String {
        use std::os::unix::ffi::OsStrExt;
        let mut account = hex(&Sha256::digest(self.folder.as_os_str().as_bytes()));
        account.truncate(ACCOUNT_DIGITS);
        account
    }

    /// What is noted, or what holds without a note.
    fn noted(&self) -> Result<Record, BackupError> {
        let noted = self.record.read()?;
        Ok(noted.unwrap_or_else(|| Record::new(KeptIn::File, self.usual_account())))
    }

    pub(crate) fn place(&self) -> Result<KeyPlace, BackupError> {
        let noted = self.noted()?;
        Ok(match noted.kept {
            KeptIn::File => KeyPlace::File(self.file()),
            KeptIn::Keychain => KeyPlace::Keychain(noted.account),
        })
    }

    /// `None` before there is a key.
    pub(crate) fn view(&self) -> Result<Option<BackupKeyView>, BackupError> {
        let noted = self.record.read()?;
        let known = noted.map(|record| BackupKeyView::new(record.kept, record.saved));
        Ok(known.or_else(|| self.file().exists().then(|| BackupKeyView::new(KeptIn::File, None))))
    }

    pub(crate) fn note_saved(&self, saved: WallTime) -> Result<(), BackupError> {
        let _lock = self.lock("noting that the key is kept elsewhere")?;
        self.record.write(&Record { saved: Some(saved), ..self.noted()? })
    }

    /// The key of the repository at `repository`.
    pub(crate) fn find(&self, repository: &Path) -> Result<Secret, BackupError> {
        let noted = self.noted()?;
        match self.search(&noted) {
            Ok(Some(secret)) => Ok(secret),
            Ok(None) => Err(self.missing(repository, "it has none for this home")),
            // It was looked for there only because the file is gone.
            Err(BackupError::Keychain { source }) if noted.kept == KeptIn::File => {
                Err(self.missing(repository, &source.to_string()))
            }
            Err(error) => Err(error),
        }
    }

    /// Where it should be, then at the other place. A keychain that does not answer is no proof that it has none.
    fn search(&self, noted: &Record) -> Look {
        match noted.kept {
            KeptIn::Keychain => match (self.ask(&noted.account), self.read()?) {
                (Ok(Some(secret)), _) | (_, Some(secret)) => Ok(Some(secret)),
                (Ok(None), None) => Ok(None),
                (Err(error), None) => Err(error),
            },
            KeptIn::File => match self.read()? {
                Some(secret) => Ok(Some(secret)),
                None => self.ask(&noted.account),
            },
        }
    }

    fn read(&self) -> Look {
        let file = self.file();
        match std::fs::read(&file) {
            Ok(bytes) => Ok(Some(Secret::new(Zeroizing::new(bytes).trim_ascii_end()))),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(BackupError::io("read the key of the backups,", &file)(e)),
        }
    }

    fn ask(&self, account: &str) -> Look {
        match self.keychain.find(SERVICE, Some(account)) {
            Ok(secret) => Ok(Some(secret)),
            Err(KeychainError::NotFound { .. }) => Ok(None),
            Err(source) => Err(BackupError::Keychain { source }),
        }
    }

    /// Makes a key when there is none and no repository that would need the old one.
    pub(crate) fn ensure(&self, repository: &Path, exists: bool) -> Result<(), BackupError> {
        if self.read()?.is_some() {
            return Ok(());
        }
        let _lock = self.lock("looking for the key")?;
        let known = self.record.read()?;
        let noted = self.noted()?;
        if exists {
            return match self.ask(&noted.account) {
                Ok(Some(_)) => self.note_found(known.is_none(), noted),
                Ok(None) => Err(self.missing(repository, "it has none for this home")),
                Err(error) if noted.kept == KeptIn::Keychain => Err(error),
                Err(error) => Err(self.missing(repository, &error.to_string())),
            };
        }
        // One that was made just before a crash, or belongs to a repository that was moved away.
        let in_keychain = self.wanted == KeptIn::Keychain || noted.kept == KeptIn::Keychain;
        if in_keychain && self.ask(&noted.account)?.is_some() {
            return self.note_found(known.is_none(), noted);
        }
        self.put(self.wanted, &noted.account, &fresh()?)?;
        self.record.write(&Record::new(self.wanted, noted.account))
    }

    fn note_found(&self, unknown: bool, noted: Record) -> Result<(), BackupError> {
        if unknown { self.record.write(&Record { kept: KeptIn::Keychain, ..noted }) } else { Ok(()) }
    }

    /// Puts it at a place, and reads it back there.
    fn put(&self, place: KeptIn, account: &str, secret: &Secret) -> Result<(), BackupError> {
        match place {
            KeptIn::Keychain => {
                let label = format!("Steady backup of {}", self.folder.display());
                let label = label.replace(char::is_control, "?");
                let item = NewItem { service: SERVICE, account, label: &label };
                self.keychain.store(&item, secret).map_err(|source| BackupError::Keychain { source })
            }
            KeptIn::File => {
                let file = self.file();
                write_atomic(&file, secret.expose(), 0o600)?;
                match self.read()? {
                    Some(back) if back.expose() == secret.expose() => Ok(()),
                    _ => {
                        Err(BackupError::io("read back the key in", &file)(io::ErrorKind::InvalidData.into()))
                    }
                }
            }
        }
    }

    /// Keeps the key at `to` from now on. Once more ends what was cut off.
    pub(crate) fn move_to(&self, to: KeptIn, repository: &Path) -> Result<(), BackupError> {
        let _lock = self.lock("moving the key")?;
        let noted = self.noted()?;
        let secret = self.find(repository)?;
        self.put(to, &noted.account, &secret)?;
        self.record.write(&Record { kept: to, ..noted.clone() })?;
        let left = |place: KeyPlace, why: String| BackupError::KeyLeft { to, place, why };
        let another = "another key is there, which is not touched";
        match to {
            KeptIn::Keychain => {
                let (file, place) = (self.file(), KeyPlace::File(self.file()));
                match self.read()? {
                    None => Ok(()),
                    Some(old) if old.expose() != secret.expose() => Err(left(place, another.to_owned())),
                    Some(_) => {
                        std::fs::remove_file(&file).map_err(|e| left(place, e.to_string()))?;
                        Ok(fsync_dir(&self.folder)?)
                    }
                }
            }
            KeptIn::File => {
                let place = || KeyPlace::Keychain(noted.account.clone());
                match self.ask(&noted.account) {
                    Ok(None) => Ok(()),
                    Ok(Some(old)) if old.expose() != secret.expose() => {
                        Err(left(place(), another.to_owned()))
                    }
                    Ok(Some(_)) => {
                        let removed = self.keychain.remove(SERVICE, &noted.account);
                        removed.map_err(|e| left(place(), e.to_string()))
                    }
                    // It was in the file all the time.
                    Err(_) if noted.kept == KeptIn::File => Ok(()),
                    Err(error) => Err(left(place(), error.to_string())),
                }
            }
        }
    }

    fn missing(&self, repository: &Path, keychain: &str) -> BackupError {
        BackupError::KeyMissing {
            path: repository.to_owned(),
            file: self.file(),
            keychain: keychain.to_owned(),
        }
    }

    fn lock(&self, what: &str) -> Result<FileLock, BackupError> {
        let since = steady_clock::now().wall.to_string();
        let holder = Holder { pid: std::process::id(), what: what.to_owned(), since };
        FileLock::try_acquire(&self.folder.join("key.lock"), &holder).map_err(BackupError::KeyLocked)
    }
}

/// Whether it looks like one of ours: 256 bits in hexadecimal digits.
pub(crate) fn is_generated(password: &str) -> bool {
    password.len() == 2 * KEY_BYTES && password.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn fresh() -> Result<Secret, BackupError> {
    let mut bytes = [0_u8; KEY_BYTES];
    getrandom::fill(&mut bytes).map_err(|e| BackupError::Worker { why: format!("no random bytes: {e}") })?;
    Ok(Secret::new(hex(&bytes)))
}
