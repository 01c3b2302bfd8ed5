//! Real servers for copies, on free ports; they end with the test.

use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::World;

pub struct Running {
    child: Child,
    pub port: u16,
    key: PathBuf,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Started when its port answers.
fn started(mut command: Command, port: u16, missing: &str) -> Running {
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect(missing);
    let mut running = Running { child, port, key: PathBuf::new() };
    let limit = Instant::now() + Duration::from_secs(60);
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(running.child.try_wait().unwrap().is_none(), "{command:?} ended");
        assert!(Instant::now() < limit, "{command:?} does not answer");
        std::thread::sleep(Duration::from_millis(20));
    }
    running
}

impl Running {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// As rclone is told of an SFTP server.
    pub fn rclone_remote(&self, name: &str) -> String {
        let user = std::env::var("USER").unwrap_or_else(|_| "root".into());
        let (port, key) = (self.port, self.key.display());
        format!("[{name}]\ntype = sftp\nhost = 127.0.0.1\nport = {port}\nuser = {user}\nkey_file = {key}\n")
    }
}

fn run(program: &str, args: &[&str]) {
    let out = Command::new(program).args(args).output().unwrap_or_else(|e| panic!("{program}: {e}"));
    assert!(out.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&out.stderr));
}

/// rclone as a REST server, as far as restic can tell one.
pub fn rest(folder: &Path, user: &str, password: &str, port: Option<u16>) -> Running {
    std::fs::create_dir_all(folder).unwrap();
    let port = port.unwrap_or_else(free_port);
    started(rest_command(folder, user, password, port), port, "rclone is needed: apt-get install rclone")
}

fn rest_command(folder: &Path, user: &str, password: &str, port: u16) -> Command {
    let mut command = Command::new("rclone");
    command
        .args(["--config=", "serve", "restic", "--addr", &format!("127.0.0.1:{port}")])
        .arg(folder)
        .env("RCLONE_USER", user)
        .env("RCLONE_PASS", password)
        .stderr(Stdio::null());
    command
}

/// An authority of its own, and a certificate for `localhost` that it signed.
pub struct Tls {
    pub authority: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

impl Tls {
    pub fn new(folder: &Path) -> Self {
        let at = |name: &str| folder.join(name);
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let (authority, authority_key) = (at("ca.pem"), at("ca.key"));
        let (certificate, key, asked) = (at("tls.pem"), at("tls.key"), at("tls.csr"));
        let new = ["req", "-newkey", "rsa:2048", "-nodes", "-batch"];
        let signed = ["-x509", "-days", "2", "-subj", "/CN=Steady test", "-out", &text(&authority)];
        run("openssl", &[&new[..], &signed, &["-keyout", &text(&authority_key)]].concat());
        let asking = ["-subj", "/CN=localhost", "-out", &text(&asked), "-keyout", &text(&key)];
        run("openssl", &[&new[..], &asking].concat());
        std::fs::write(at("names"), "subjectAltName=DNS:localhost\n").unwrap();
        let signing = ["x509", "-req", "-days", "2", "-in", &text(&asked), "-CA", &text(&authority)];
        let by = ["-CAkey", &text(&authority_key), "-CAcreateserial", "-extfile", &text(&at("names"))];
        run("openssl", &[&signing[..], &by, &["-out", &text(&certificate)]].concat());
        Self { authority, certificate, key }
    }
}

pub fn rest_tls(folder: &Path, user: &str, password: &str, tls: &Tls) -> Running {
    std::fs::create_dir_all(folder).unwrap();
    let port = free_port();
    let mut command = rest_command(folder, user, password, port);
    command.arg("--cert").arg(&tls.certificate).arg("--key").arg(&tls.key);
    started(command, port, "rclone is needed: apt-get install rclone")
}

/// A real sshd with its own keys, as an ordinary process.
pub fn sshd(world: &World) -> Running {
    let at = |name: &str| world.dir.path().join(name);
    for key in ["host", "user"] {
        run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", at(key).to_str().unwrap()]);
    }
    std::fs::copy(at("user.pub"), at("authorized")).unwrap();
    let port = free_port();
    let mut config = std::fs::File::create(at("sshd.conf")).unwrap();
    writeln!(
        config,
        "ListenAddress 127.0.0.1:{port}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nUsePAM no\nStrictModes no\n\
         PermitRootLogin prohibit-password\nPasswordAuthentication no\nSubsystem sftp internal-sftp",
        at("host").display(),
        at("authorized").display()
    )
    .unwrap();
    // As root it wants this folder, which its service makes.
    let _ = std::fs::create_dir_all("/run/sshd");
    let mut command = Command::new("/usr/sbin/sshd");
    command.args(["-D", "-e", "-f"]).arg(at("sshd.conf")).stderr(Stdio::null());
    let mut running = started(command, port, "sshd is needed: apt-get install openssh-server");
    running.key = at("user");
    running
}

/// moto, which keeps buckets in memory as Amazon's S3 answers.
pub fn s3() -> Running {
    let port = free_port();
    let mut command = Command::new("moto_server");
    command.args(["-H", "127.0.0.1", "-p", &port.to_string()]).stderr(Stdio::null());
    started(command, port, "moto_server is needed: `scripts/moto` prints where it is, for PATH")
}

pub fn make_bucket(server: &Running, name: &str) {
    run("curl", &["-sf", "-X", "PUT", &format!("http://127.0.0.1:{}/{name}", server.port)]);
}
