//! The key file of a new repository: its master key, encrypted with a key that scrypt derives from the password. The
//! format is restic's (`doc/design.rst`, "Keys, Encryption and MAC").
//!
//! Scrypt is as dear as a guess at the password shall be. Our own is 256 random bits, which nobody guesses; the
//! library's parameters would cost every engine 128 MiB and most of a second of work for nothing. A password that a
//! person may have chosen gets them.

use std::path::Path;

use aes256ctr_poly1305aes::aead::Aead;
use aes256ctr_poly1305aes::{Aes256CtrPoly1305Aes, Key, Nonce};
use rustic_core::repofile::{KeyFile, MasterKey};
use scrypt::Params;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::error::BackupError;
use crate::key::is_generated;
use crate::manifest::hex;

/// 16 MiB and some 40 ms.
const LOG_N: u8 = 14;
const R: u32 = 8;
const P: u32 = 1;

/// Writes it into the repository at `at`, which has none yet.
pub(super) fn write(at: &Path, password: &str, master: &MasterKey) -> Result<(), BackupError> {
    let params = if is_generated(password) { Params::new(LOG_N, R, P) } else { Ok(Params::RECOMMENDED) };
    let file = encrypt(password, master, &params.map_err(|e| failed(&e))?)?;
    let bytes = serde_json::to_vec(&file).map_err(|e| failed(&e))?;
    let name = hex(&Sha256::digest(&bytes));
    Ok(steady_disk::write_atomic(&at.join("keys").join(name), &bytes, 0o600)?)
}

fn encrypt(password: &str, master: &MasterKey, params: &Params) -> Result<KeyFile, BackupError> {
    let (mut salt, mut nonce) = (vec![0; 64], Nonce::default());
    for bytes in [salt.as_mut_slice(), nonce.as_mut_slice()] {
        getrandom::fill(bytes).map_err(|e| failed(&e))?;
    }
    let mut derived = Zeroizing::new([0; 64]);
    scrypt::scrypt(password.as_bytes(), &salt, params, derived.as_mut_slice()).map_err(|e| failed(&e))?;
    let plain = Zeroizing::new(serde_json::to_vec(master).map_err(|e| failed(&e))?);
    let cipher = Aes256CtrPoly1305Aes::new(Key::from_slice(derived.as_slice()));
    let sealed = cipher.encrypt(&nonce, plain.as_slice()).map_err(|e| failed(&e))?;
    Ok(KeyFile {
        hostname: None,
        username: None,
        created: Some(steady_clock::now().wall.0.to_zoned(jiff::tz::TimeZone::UTC)),
        kdf: "scrypt".to_owned(),
        n: 1 << params.log_n(),
        r: params.r(),
        p: params.p(),
        data: [nonce.as_slice(), &sealed].concat(),
        salt,
    })
}

fn failed(why: &dyn std::fmt::Display) -> BackupError {
    BackupError::Worker { why: format!("the key file cannot be made: {why}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::KeyPlace;
    use crate::repository::Repository;

    fn key_file_of(password: &str) -> serde_json::Value {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().join("repository");
        Repository::init(&at, password, 1).unwrap();
        Repository::open(&at, password, &KeyPlace::File("password".into())).unwrap();
        let wrong = Repository::open(&at, "another", &KeyPlace::File("password".into()));
        assert!(matches!(wrong, Err(BackupError::WrongKey { .. })));
        let keys: Vec<_> = std::fs::read_dir(at.join("keys")).unwrap().map(|e| e.unwrap().path()).collect();
        assert_eq!(keys.len(), 1);
        serde_json::from_slice(&std::fs::read(&keys[0]).unwrap()).unwrap()
    }

    #[test]
    fn a_generated_password_costs_little_to_check_and_one_that_may_be_guessed_costs_much() {
        assert_eq!(key_file_of(&"0f".repeat(32))["N"], 1 << LOG_N);
        assert_eq!(key_file_of("correct horse battery staple")["N"], 1 << 17);
    }
}
