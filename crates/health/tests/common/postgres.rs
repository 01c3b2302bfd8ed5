//! A real PostgreSQL of the test's own: its directory, its port, its processes.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, getuid, kill_process};
use steady_model::config::{PostgresServer, SecretRef};
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

use super::LIMIT;

pub const PASSWORD: &str = "correct horse";
const USER: &str = "owner";
/// The server refuses to run as root.
const NOBODY: u32 = 65534;

pub struct Postgres {
    dir: TempDir,
    port: u16,
    server: Option<Child>,
}

impl Postgres {
    pub async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let secret = dir.path().join("password");
        fs::write(&secret, PASSWORD).unwrap();
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
        let (data, first) = (dir.path().join("data"), dir.path().join("first-password"));
        fs::create_dir(&data).unwrap();
        fs::write(&first, PASSWORD).unwrap();
        if getuid().is_root() {
            chown(&data, Some(NOBODY), Some(NOBODY)).unwrap();
            chown(&first, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let made = program("initdb")
            .arg("--pgdata")
            .arg(&data)
            .arg("--pwfile")
            .arg(&first)
            .args(["--username", USER, "--auth", "scram-sha-256", "--no-sync", "--encoding", "UTF8"])
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let mut postgres = Self { dir, port, server: None };
        postgres.up().await;
        postgres
    }

    /// Starts it, on the same port and data as before, and waits until it answers.
    pub async fn up(&mut self) {
        let server = program("postgres")
            .arg("-D")
            .arg(self.dir.path().join("data"))
            .args(["-p", &self.port.to_string(), "-c", "unix_socket_directories="])
            .args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "shared_buffers=16MB"])
            .args(["-c", "max_connections=12", "-c", "superuser_reserved_connections=2"])
            .stdout(Stdio::null())
            .stderr(fs::File::create(self.dir.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        self.server = Some(server);
        let begun = tokio::time::Instant::now();
        while let Err(e) = self.try_client().await {
            let log = fs::read_to_string(self.dir.path().join("log")).unwrap();
            assert!(begun.elapsed() < LIMIT, "{e}: {log}");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    /// As an administrator does: sessions are ended.
    pub fn stop(&mut self) {
        self.end(Signal::INT);
    }

    pub fn crash(&mut self) {
        self.end(Signal::KILL);
        fs::remove_file(self.dir.path().join("data/postmaster.pid")).unwrap();
    }

    fn end(&mut self, signal: Signal) {
        let mut server = self.server.take().unwrap();
        let pid = Pid::from_child(&server);
        let sessions = children(pid);
        kill_process(pid, signal).unwrap();
        if signal == Signal::KILL {
            // Without their father they end by and by, and the next server would wait for them.
            for session in sessions {
                kill_process(session, signal).ok();
            }
        }
        server.wait().unwrap();
    }

    /// All of its processes; each is a group of its own.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(self.server.as_ref().unwrap());
        kill_process(pid, signal).unwrap();
        for session in children(pid) {
            kill_process(session, signal).ok();
        }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn server(&self) -> PostgresServer {
        self.server_with(PASSWORD)
    }

    pub fn server_with(&self, password: &str) -> PostgresServer {
        let place = self.dir.path().join("password");
        fs::write(&place, password).unwrap();
        let url = format!("postgres://{USER}@127.0.0.1:{}/postgres", self.port);
        PostgresServer { url, password: Some(SecretRef::File(place)) }
    }

    /// A session beside those of the checks.
    pub async fn client(&self) -> Client {
        self.try_client().await.unwrap()
    }

    pub async fn run(&self, statements: &str) {
        self.client().await.batch_execute(statements).await.unwrap();
    }

    async fn try_client(&self) -> Result<Client, tokio_postgres::Error> {
        let (client, wire) = tokio_postgres::Config::new()
            .host("127.0.0.1")
            .port(self.port)
            .user(USER)
            .password(PASSWORD)
            .dbname("postgres")
            .connect(NoTls)
            .await?;
        tokio::spawn(wire);
        Ok(client)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if self.server.is_some() {
            // Also one that was stopped by SIGSTOP.
            self.end(Signal::KILL);
        }
    }
}

fn children(pid: Pid) -> Vec<Pid> {
    let pid = pid.as_raw_nonzero();
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    list.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect()
}

/// One of PostgreSQL's programs, as an ordinary user.
fn program(name: &str) -> Command {
    let path = bin().join(name);
    if !getuid().is_root() {
        return Command::new(path);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]).arg(path);
    // The one of the test may be closed to it.
    command.current_dir("/");
    command
}

/// Of the newest version that is installed.
fn bin() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest =
        versions.map(|version| version.path().join("bin")).filter(|bin| bin.join("postgres").is_file()).max();
    newest
        .or_else(on_path)
        .expect("PostgreSQL's own programs (Debian: postgresql), which `make test` installs")
}

fn on_path() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).find(|dir| Path::new(dir).join("postgres").is_file())
}
