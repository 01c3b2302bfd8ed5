//! The key of the repository: in a file, in a real Secret Service, on its way between the two, and lost.
#![cfg(target_os = "linux")]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

#[path = "../../launch/tests/keyring/mod.rs"]
mod keyring;
mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use keyring::Keyring;
use steady_backup::{BackupError, Backups, EngineCommand};
use steady_launch::Secret;
use steady_launch::keychain::{Keychain, NewItem};
use steady_model::backup::PointKind;
use steady_model::key::KeptIn;
use support::{World, take, world};

const SERVICE: &str = "steady-backup";

fn backups(world: &World, keyring: &Keyring) -> Backups {
    let engine = EngineCommand { program: env!("CARGO_BIN_EXE_steady-engine").into(), args: Vec::new() };
    Backups::open_with(&world.home(), &world.config(), engine, Arc::new(keyring.tool())).unwrap()
}

fn file(world: &World) -> PathBuf {
    world.home().join("backups/password")
}

/// As `key.json` says it.
fn account(world: &World) -> String {
    let text = std::fs::read(world.home().join("backups/key.json")).unwrap();
    serde_json::from_slice::<serde_json::Value>(&text).unwrap()["account"].as_str().unwrap().to_owned()
}

async fn key(backups: &Backups) -> String {
    String::from_utf8(backups.recovery().await.unwrap().key.expose().to_vec()).unwrap()
}

fn kept(backups: &Backups) -> KeptIn {
    backups.key_kept().unwrap().unwrap().kept
}

#[tokio::test]
async fn a_key_is_private_random_and_never_made_anew() {
    let keyring = Keyring::on_an_empty_bus();
    let (one, two) = (world(), world());
    let mut keys = Vec::new();
    for world in [&one, &two] {
        world.write("note.md", "x");
        let backups = backups(world, &keyring);
        assert_eq!(backups.key_kept().unwrap(), None);
        take(&backups).await;
        let first = key(&backups).await;
        assert_eq!(first.len(), 64);
        assert_eq!(std::fs::metadata(file(world)).unwrap().permissions().mode() & 0o777, 0o600);
        take(&backups).await;
        assert_eq!(key(&backups).await, first);
        assert_eq!(kept(&backups), KeptIn::File);
        keys.push(first);
    }
    assert_ne!(keys[0], keys[1]);
}

#[tokio::test]
async fn a_key_in_the_keychain_is_in_no_file_and_in_no_words_of_the_engine_and_opens_the_repository() {
    let keyring = Keyring::unlocked();
    let mut world = world();
    world.key = KeptIn::Keychain;
    world.write("note.md", "x");
    // The engine, and what it was started with.
    let spy = world.dir.path().join("spy");
    let seen = world.dir.path().join("seen");
    let engine = env!("CARGO_BIN_EXE_steady-engine");
    let script = format!(
        "#!/bin/sh\n(tr '\\0' '\\n' </proc/$$/cmdline; env) >>'{}'\nexec '{engine}'\n",
        seen.display()
    );
    std::fs::write(&spy, script).unwrap();
    std::fs::set_permissions(&spy, PermissionsExt::from_mode(0o755)).unwrap();
    let command = EngineCommand { program: spy, args: Vec::new() };
    let backups =
        Backups::open_with(&world.home(), &world.config(), command, Arc::new(keyring.tool())).unwrap();
    let point = take(&backups).await;
    assert!(point.verified.is_some(), "{:?}", point.findings);
    assert_eq!(kept(&backups), KeptIn::Keychain);
    let key = key(&backups).await;
    let said = std::fs::read_to_string(&seen).unwrap();
    assert!(said.contains("spy") && !said.contains(&key), "the engine's words hold the key");
    let files = walkdir::WalkDir::new(world.home()).into_iter().map(Result::unwrap);
    for entry in files.filter(|e| e.file_type().is_file()) {
        let bytes = std::fs::read(entry.path()).unwrap();
        let held = bytes.windows(key.len()).any(|window| window == key.as_bytes());
        assert!(!held, "{} holds the key", entry.path().display());
    }

    // As the sheet says: restic with the key alone.
    let typed = world.dir.path().join("typed");
    std::fs::write(&typed, &key).unwrap();
    let restic = Command::new("restic")
        .args(["--no-cache", "--no-lock", "--repo"])
        .arg(world.repository())
        .arg("--password-file")
        .arg(&typed)
        .args(["cat", "config"])
        .output()
        .unwrap();
    let config = String::from_utf8_lossy(&restic.stdout).into_owned();
    assert!(config.contains(&backups.recovery().await.unwrap().id), "{config}");
}

#[tokio::test]
async fn a_locked_keychain_is_not_a_lost_key_and_no_new_one_is_made() {
    let keyring = Keyring::unlocked();
    let mut world = world();
    world.key = KeptIn::Keychain;
    world.write("note.md", "x");
    let backups = backups(&world, &keyring);
    take(&backups).await;
    let before = key(&backups).await;
    keyring.lock();
    let error = backups.take(PointKind::Scheduled, |_| {}).await.unwrap_err();
    assert!(matches!(error, BackupError::Keychain { .. }), "{error}");
    assert!(error.to_string().contains("locked") && error.to_string().contains("--move file"), "{error}");
    assert!(!file(&world).exists(), "a key was made");
    // From the recovery sheet, by hand.
    std::fs::write(file(&world), format!("{before}\n")).unwrap();
    let point = take(&backups).await;
    assert!(point.verified.is_some());
}

#[tokio::test]
async fn a_key_whose_record_is_lost_is_looked_for_in_the_keychain_before_it_is_called_lost() {
    let keyring = Keyring::unlocked();
    let mut world = world();
    world.key = KeptIn::Keychain;
    world.write("note.md", "x");
    take(&backups(&world, &keyring)).await;
    std::fs::remove_file(world.home().join("backups/key.json")).unwrap();
    world.key = KeptIn::File;
    let again = backups(&world, &keyring);
    take(&again).await;
    assert_eq!(kept(&again), KeptIn::Keychain);

    keyring.tool().remove(SERVICE, &account(&world)).unwrap();
    let error = again.take(PointKind::Manual, |_| {}).await.unwrap_err();
    assert!(matches!(error, BackupError::KeyMissing { .. }), "{error}");
    assert!(error.to_string().contains("recovery sheet"), "{error}");
    assert!(!file(&world).exists());
}

#[tokio::test]
async fn a_key_moves_there_and_back_and_a_move_that_was_cut_off_anywhere_loses_nothing() {
    let keyring = Keyring::unlocked();
    let world = world();
    world.write("note.md", "x");
    let backups = backups(&world, &keyring);
    take(&backups).await;
    backups
        .note_key_saved("2026-11-23T20:15:00Z".parse().map(steady_model::time::WallTime).unwrap())
        .unwrap();
    let (first, account) = (key(&backups).await, account(&world));
    let in_keychain = || keyring.tool().find(SERVICE, Some(&account)).is_ok();
    let store = || {
        let item = NewItem { service: SERVICE, account: &account, label: "x" };
        keyring.tool().store(&item, &Secret::new(first.clone())).unwrap();
    };

    // Cut off when it was at both places, and not noted yet.
    store();
    assert_eq!((key(&backups).await, kept(&backups)), (first.clone(), KeptIn::File));
    backups.move_key(KeptIn::Keychain).await.unwrap();
    assert_eq!((kept(&backups), file(&world).exists(), in_keychain()), (KeptIn::Keychain, false, true));
    take(&backups).await;

    // Cut off before the old one was removed.
    std::fs::write(file(&world), &first).unwrap();
    take(&backups).await;
    backups.move_key(KeptIn::Keychain).await.unwrap();
    assert!(!file(&world).exists());

    backups.move_key(KeptIn::File).await.unwrap();
    assert_eq!((kept(&backups), file(&world).exists(), in_keychain()), (KeptIn::File, true, false));
    assert_eq!(std::fs::metadata(file(&world)).unwrap().permissions().mode() & 0o777, 0o600);
    store();
    backups.move_key(KeptIn::File).await.unwrap();
    assert!(!in_keychain(), "a second move ends the first");
    assert_eq!(key(&backups).await, first);
    assert!(backups.key_kept().unwrap().unwrap().saved.is_some(), "it is the same key");

    // One that does not open the repository takes no other's place.
    store();
    std::fs::write(file(&world), "another").unwrap();
    let error = backups.move_key(KeptIn::Keychain).await.unwrap_err();
    assert!(error.to_string().contains("does not open"), "{error}");
    assert_eq!(keyring.tool().find(SERVICE, Some(&account)).unwrap().expose(), first.as_bytes());
}

#[tokio::test]
async fn a_move_to_a_locked_keychain_changes_nothing() {
    let keyring = Keyring::unlocked();
    let world = world();
    world.write("note.md", "x");
    let backups = backups(&world, &keyring);
    take(&backups).await;
    let first = key(&backups).await;
    keyring.store("other", &["service", "other"]);
    keyring.lock();
    let error = backups.move_key(KeptIn::Keychain).await.unwrap_err();
    assert!(matches!(error, BackupError::Keychain { .. }), "{error}");
    assert_eq!((key(&backups).await, kept(&backups)), (first, KeptIn::File));
}
