//! Secrets from a real Secret Service: gnome-keyring on a session bus of the test's own.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod keyring;

use std::collections::BTreeMap;

use keyring::Keyring;
use steady_launch::keychain::{Keychain, KeychainError, NewItem};
use steady_launch::{EnvError, Secret, environment_with};
use steady_model::config::{Env, SecretRef};

#[test]
fn a_stored_secret_reaches_the_environment_as_it_is() {
    let keyring = Keyring::unlocked();
    keyring.store("s3cret \"é\"\nline 2\n", &["service", "steady test", "account", "me"]);
    keyring.store("other", &["service", "other"]);
    let place = |service: &str, account: Option<&str>| SecretRef::Keychain {
        service: service.to_owned(),
        account: account.map(str::to_owned),
    };
    let secrets = BTreeMap::from([
        ("A".to_owned(), place("steady test", Some("me"))),
        ("B".to_owned(), place("other", None)),
    ]);
    let whole = environment_with(&Env { secrets, ..Env::default() }, [], &keyring.tool()).unwrap();
    assert_eq!(whole.get("A").unwrap(), "s3cret \"é\"\nline 2\n");
    assert_eq!(whole.get("B").unwrap(), "other");
    assert!(whole.redacted().values().all(|value| !value.contains("s3cret")));
}

#[test]
fn a_missing_item_is_told_with_the_command_that_stores_it() {
    let keyring = Keyring::unlocked();
    let secrets = [(
        "A".to_owned(),
        SecretRef::Keychain { service: "nope".to_owned(), account: Some("me".to_owned()) },
    )];
    let env = Env { secrets: secrets.into(), ..Env::default() };
    let said = environment_with(&env, [], &keyring.tool()).map_err(|e: EnvError| e.to_string()).unwrap_err();
    let expected = "the secret A: there is no item \"nope\" of account \"me\" in the Secret Service; store it with: \
                    secret-tool store --label='nope' 'service' 'nope' 'account' 'me'";
    assert_eq!(said, expected);
}

#[test]
fn a_locked_keyring_is_an_error_and_asks_nobody() {
    let keyring = Keyring::unlocked();
    keyring.store("s3cret", &["service", "s", "account", "a"]);
    keyring.lock();
    let refused = keyring.tool().find("s", Some("a")).unwrap_err();
    assert!(matches!(refused, KeychainError::Locked { .. }), "{refused}");
}

#[test]
fn a_machine_without_a_secret_service_is_an_error_at_once() {
    let keyring = Keyring::on_an_empty_bus();
    // What the bus could start by itself would be the user's own; this bus finds none in an empty folder.
    let mut tool = keyring.tool();
    tool.0.environment = vec![("DBUS_SESSION_BUS_ADDRESS".into(), "unix:path=/nonexistent".into())];
    let refused = tool.find("s", None).unwrap_err();
    assert!(matches!(refused, KeychainError::Refused { .. }), "{refused}");
    tool.0.program = "/nonexistent/secret-tool".into();
    let refused = tool.find("s", None).unwrap_err().to_string();
    assert!(refused.contains("libsecret-tools"), "{refused}");
}

const KEY: NewItem<'_> = NewItem { service: "steady-backup", account: "3f2a", label: "Steady \"x\"" };

#[test]
fn a_secret_is_stored_replaced_and_removed() {
    let keyring = Keyring::unlocked();
    let tool = keyring.tool();
    for text in ["first \"é\"", "second"] {
        tool.store(&KEY, &Secret::new(text)).unwrap();
        assert_eq!(tool.find(KEY.service, Some(KEY.account)).unwrap().expose(), text.as_bytes());
    }
    tool.store(&NewItem { account: "other", ..KEY }, &Secret::new("kept")).unwrap();
    tool.remove(KEY.service, KEY.account).unwrap();
    tool.remove(KEY.service, KEY.account).unwrap();
    let gone = tool.find(KEY.service, Some(KEY.account)).unwrap_err();
    assert!(matches!(gone, KeychainError::NotFound { .. }), "{gone}");
    assert_eq!(tool.find(KEY.service, Some("other")).unwrap().expose(), b"kept");
}

#[test]
fn nothing_is_stored_in_a_locked_keyring_nor_removed_from_it() {
    let keyring = Keyring::unlocked();
    let tool = keyring.tool();
    tool.store(&KEY, &Secret::new("kept")).unwrap();
    keyring.lock();
    for refused in [tool.store(&KEY, &Secret::new("new")), tool.remove(KEY.service, KEY.account)] {
        let refused = refused.unwrap_err();
        assert!(matches!(refused, KeychainError::Locked { .. } | KeychainError::Overdue { .. }), "{refused}");
    }
}
