//! Promises of the redis check, against a real `redis-server`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![allow(clippy::disallowed_methods, reason = "the tests wait in real time")]
#![allow(dead_code, reason = "each kind's tests use a part of what they share")]

mod common;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use common::{LIMIT, Looking, look};
use steady_model::check::Status;
use steady_model::config::{CheckKind, RedisServer, SecretRef};
use tempfile::TempDir;

const TIMEOUT: Duration = Duration::from_secs(5);

struct Redis {
    child: Child,
    port: u16,
    dir: TempDir,
}

impl Redis {
    fn start(options: &[&str]) -> Self {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let dir = tempfile::tempdir().unwrap();
        let child = serve(port, dir.path(), options);
        Self { child, port, dir }
    }

    /// On the same port and directory.
    fn restart(&mut self) {
        self.end();
        self.child = serve(self.port, self.dir.path(), &[]);
    }

    fn end(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn kind(&self) -> CheckKind {
        kind(self.port, None, &[], None)
    }

    /// Sends one command as people type it, and gives the beginning of the answer.
    fn say(&self, words: &str) -> String {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        write!(stream, "{words}\r\n").unwrap();
        let mut answer = [0; 512];
        let n = stream.read(&mut answer).unwrap();
        String::from_utf8_lossy(&answer[..n]).into_owned()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn serve(port: u16, dir: &Path, options: &[&str]) -> Child {
    let child = Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"])
        .arg(dir)
        .args(options)
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server: apt-get install redis-server");
    let begun = Instant::now();
    while TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).is_err() {
        assert!(begun.elapsed() < LIMIT, "redis-server does not listen");
        thread::sleep(Duration::from_millis(10));
    }
    child
}

fn kind(port: u16, password: Option<PathBuf>, graphs: &[&str], data_dir: Option<PathBuf>) -> CheckKind {
    CheckKind::Redis {
        server: RedisServer { address: format!("127.0.0.1:{port}"), password: password.map(SecretRef::File) },
        graphs: graphs.iter().map(|g| (*g).to_owned()).collect(),
        data_dir,
        max_save_age: None,
    }
}

async fn seen(kind: CheckKind) -> (Status, String) {
    let seen = look(kind, TIMEOUT).await;
    (seen.status, seen.evidence)
}

#[tokio::test]
async fn a_server_that_was_restarted_between_two_looks_is_not_told_as_down() {
    let mut redis = Redis::start(&[]);
    let mut looking = Looking::at(redis.kind(), TIMEOUT);
    let first = looking.look().await;
    assert_eq!(first.status, Status::Pass, "{}", first.evidence);
    assert!(
        first.evidence.contains("PING answered in") && first.evidence.contains("saved"),
        "{}",
        first.evidence
    );
    redis.restart();
    let second = looking.look().await;
    assert_eq!(second.status, Status::Pass, "{}", second.evidence);
    redis.end();
    let third = looking.look().await;
    assert_eq!(third.status, Status::Fail);
    assert!(third.evidence.contains("connection refused"), "{}", third.evidence);
    looking.end().await;
}

#[tokio::test]
async fn files_beside_the_mount_fail_and_a_link_to_the_right_place_does_not() {
    let redis = Redis::start(&[]);
    let other = tempfile::tempdir().unwrap();
    let (status, why) = seen(kind(redis.port, None, &[], Some(other.path().to_owned()))).await;
    assert!(status == Status::Fail && why.contains("keeps its files in"), "{why}");
    let link = other.path().join("data");
    std::os::unix::fs::symlink(redis.dir.path(), &link).unwrap();
    let (status, why) = seen(kind(redis.port, None, &[], Some(link))).await;
    assert_eq!(status, Status::Pass, "{why}");
}

#[tokio::test]
async fn a_directory_that_the_server_does_not_tell_is_unknown_and_never_green() {
    let redis = Redis::start(&["--rename-command", "CONFIG", ""]);
    let (status, why) = seen(kind(redis.port, None, &[], Some(redis.dir.path().to_owned()))).await;
    assert!(status == Status::Unknown && why.contains("may not be asked"), "{why}");
    let (status, why) = seen(kind(redis.port, None, &["knowledge"], Some(redis.dir.path().to_owned()))).await;
    assert!(status == Status::Fail, "what is missing is worse than what is not told: {why}");
    let (status, why) = seen(kind(redis.port, None, &[], None)).await;
    assert!(status == Status::Pass, "nobody asked for it: {why}");
}

#[tokio::test]
async fn a_missing_and_a_wrong_password_are_told_apart_and_the_right_one_is_never_shown() {
    let redis = Redis::start(&["--requirepass", "hunter22"]);
    let (status, why) = seen(redis.kind()).await;
    assert!(status == Status::Fail && why.contains("wants a password"), "{why}");
    let file = redis.dir.path().join("secret");
    for (text, status, words) in
        [("wrong\n", Status::Fail, "refuses the password"), ("hunter22\n", Status::Pass, "PING answered")]
    {
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let (was, why) = seen(kind(redis.port, Some(file.clone()), &[], None)).await;
        assert!(was == status && why.contains(words) && !why.contains("hunter22"), "{why}");
    }
}

#[tokio::test]
async fn plain_redis_in_place_of_falkordb_fails_and_says_so() {
    let redis = Redis::start(&[]);
    let (status, why) = seen(kind(redis.port, None, &["knowledge"], None)).await;
    assert!(status == Status::Fail && why.contains("plain Redis without FalkorDB's module"), "{why}");
}

#[tokio::test]
async fn a_save_that_fails_is_told_although_ping_answers() {
    let redis = Redis::start(&["--dbfilename", "dump.rdb"]);
    assert!(redis.say("SET a b").starts_with("+OK"));
    // A directory in the place of the file: root may write anywhere else.
    fs::create_dir(redis.dir.path().join("dump.rdb")).unwrap();
    redis.say("BGSAVE");
    let begun = Instant::now();
    while !redis.say("INFO persistence").contains("rdb_last_bgsave_status:err") {
        assert!(begun.elapsed() < LIMIT, "the save did not fail");
        thread::sleep(Duration::from_millis(20));
    }
    let (status, why) = seen(redis.kind()).await;
    assert!(status == Status::Fail && why.contains("its last save failed"), "{why}");
}

#[tokio::test]
async fn a_server_with_all_its_clients_says_so() {
    let redis = Redis::start(&["--maxclients", "1"]);
    // One that was let in: the server may still be letting go of the connection that waited for its start.
    let begun = Instant::now();
    let held = loop {
        assert!(begun.elapsed() < LIMIT, "nobody is let in");
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, redis.port)).unwrap();
        let mut answer = [0; 5];
        let asked = stream.write_all(b"PING\r\n").and_then(|()| stream.read_exact(&mut answer));
        if asked.is_ok() && answer == *b"+PONG" {
            break stream;
        }
    };
    let (status, why) = seen(redis.kind()).await;
    assert!(status == Status::Fail, "{why}");
    assert!(why.contains("as many clients as it takes"), "{why}");
    drop(held);
}
