//! A real Secret Service for tests: gnome-keyring on a session bus of its own.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "each test file uses its part, and fails by panicking"
)]

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use steady_launch::keychain::{SecretTool, Tool};
use tempfile::TempDir;

const LOGIN: &str = "/org/freedesktop/secrets/collection/login";

/// An unlocked keyring on its own bus, with its own folders.
pub struct Keyring {
    home: TempDir,
    bus: Child,
    pub address: String,
    daemon: Option<Child>,
}

impl Keyring {
    pub fn on_an_empty_bus() -> Self {
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

    pub fn unlocked() -> Self {
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

    pub fn command(&self, program: &str) -> Command {
        let mut command = own_group(program, self.home.path());
        command.env("DBUS_SESSION_BUS_ADDRESS", &self.address);
        command
    }

    /// The bus tells when somebody takes the name, and at once if somebody has it.
    pub fn wait_for_the_name(&self) {
        let waited = self
            .command("gdbus")
            .args(["wait", "--session", "--timeout", "20", "org.freedesktop.secrets"])
            .status()
            .expect("gdbus: run scripts/install-debian test");
        assert!(waited.success(), "gnome-keyring-daemon did not come up");
    }

    pub fn store(&self, secret: &str, attributes: &[&str]) {
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

    pub fn lock(&self) {
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

    pub fn tool(&self) -> SecretTool {
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
