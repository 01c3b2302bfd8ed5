//! Secrets from a real Secret Service: gnome-keyring on a session bus of the test's own.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use steady_launch::keychain::{Keychain, KeychainError, SecretTool, Tool};
use steady_launch::{EnvError, environment_with};
use steady_model::config::{Env, SecretRef};
use tempfile::TempDir;

const LOGIN: &str = "/org/freedesktop/secrets/collection/login";

/// An unlocked keyring on its own bus, with its own folders.
struct Keyring {
    home: TempDir,
    bus: Child,
    address: String,
    daemon: Option<Child>,
}

impl Keyring {
    fn on_an_empty_bus() -> Self {
        let home = TempDir::new().unwrap();
        let mut bus = own_group("dbus-daemon", home.path())
            .args(["--session", "--nofork", "--nopidfile", "--print-address=1"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("dbus-daemon: run scripts/install-debian test");
        let mut address = String::new();
        BufReader::new(bus.stdout.take().unwrap()).read_line(&mut address).unwrap();
        Self { home, bus, address: address.trim().to_owned(), daemon: None }
    }

    fn unlocked() -> Self {
        let mut keyring = Self::on_an_empty_bus();
        let mut daemon = keyring
            .command("gnome-keyring-daemon")
            .args(["--foreground", "--unlock", "--components=secrets"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("gnome-keyring-daemon: run scripts/install-debian test");
        // The end of the input ends the password.
        daemon.stdin.take().unwrap().write_all(b"correct horse").unwrap();
        keyring.daemon = Some(daemon);
        keyring.wait_for_the_name();
        keyring
    }

    fn command(&self, program: &str) -> Command {
        let mut command = own_group(program, self.home.path());
        command.env("DBUS_SESSION_BUS_ADDRESS", &self.address);
        command
    }

    /// The bus tells when somebody takes the name, and at once if somebody has it.
    fn wait_for_the_name(&self) {
        let waited = self
            .command("gdbus")
            .args(["wait", "--session", "--timeout", "20", "org.freedesktop.secrets"])
            .status()
            .expect("gdbus: run scripts/install-debian test");
        assert!(waited.success(), "gnome-keyring-daemon did not come up");
    }

    fn store(&self, secret: &str, attributes: &[&str]) {
        let mut tool = self
            .command("secret-tool")
            .args(["store", "--label=steady test"])
            .args(attributes)
            .stdin(Stdio::piped())
            .spawn()
            .expect("secret-tool: run scripts/install-debian test");
        tool.stdin.take().unwrap().write_all(secret.as_bytes()).unwrap();
        assert!(tool.wait().unwrap().success());
    }

    fn lock(&self) {
        let locked = self
            .command("gdbus")
            .args(["call", "--session", "--dest", "org.freedesktop.secrets"])
            .args(["--object-path", "/org/freedesktop/secrets"])
            .args(["--method", "org.freedesktop.Secret.Service.Lock", &format!("['{LOGIN}']")])
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(locked.success());
    }

    fn tool(&self) -> SecretTool {
        let environment: Vec<(OsString, OsString)> = vec![
            ("DBUS_SESSION_BUS_ADDRESS".into(), (&self.address).into()),
            ("HOME".into(), self.home.path().into()),
        ];
        SecretTool(Tool { program: "secret-tool".into(), environment, limit: Duration::from_secs(15) })
    }
}

fn own_group(program: &str, home: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .env("HOME", home)
        .env("XDG_RUNTIME_DIR", home)
        .env_remove("XDG_DATA_HOME")
        .env_remove("DISPLAY")
        .stderr(Stdio::null())
        .process_group(0);
    command
}

impl Drop for Keyring {
    fn drop(&mut self) {
        for child in self.daemon.iter_mut().chain([&mut self.bus]) {
            let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
            let mut rest = Vec::new();
            let _ = child.stdout.take().map(|mut out| out.read_to_end(&mut rest));
            let _ = child.wait();
        }
    }
}

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
