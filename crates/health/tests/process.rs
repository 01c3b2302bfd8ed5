//! Promises of the process and port checks, against real processes and sockets.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "each test takes its part")]
mod common;

use std::env;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};

use steady_model::check::Status;
use steady_model::config::CheckKind;

use common::{LIMIT, Looking, look};

/// Ends with the test.
struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A shell that waits for its input to end, with `mark` among its arguments.
fn sleeper(mark: &str) -> Started {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "echo up; read -r _", mark]).stdin(Stdio::piped()).stdout(Stdio::piped());
    up(&mut command)
}

fn up(command: &mut Command) -> Started {
    let mut started = Started(command.spawn().unwrap());
    let mut line = String::new();
    BufReader::new(started.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    started
}

fn process(pattern: &str) -> CheckKind {
    CheckKind::Process { pattern: pattern.to_owned() }
}

/// Nobody else has it in a command line.
fn mark(what: &str) -> String {
    format!("steady-test-{what}-{}", std::process::id())
}

#[tokio::test]
async fn a_process_is_found_by_its_arguments_named_and_missed_when_it_ends() {
    let mark = mark("found");
    let mut looking = Looking::at(process(&mark), LIMIT);
    let seen = looking.look().await;
    let none = format!("no process has \"{mark}\" in its command line");
    assert_eq!((seen.status, seen.evidence), (Status::Fail, none.clone()));
    let started = sleeper(&mark);
    let pid = started.0.id();
    let seen = looking.look().await;
    assert_eq!(seen.status, Status::Pass, "{}", seen.evidence);
    assert!(seen.evidence.starts_with(&format!("pid {pid} since 20")), "{}", seen.evidence);
    assert!(seen.evidence.contains(": /bin/sh -c echo up; "), "{}", seen.evidence);
    let second = sleeper(&mark);
    let seen = looking.look().await;
    assert!(seen.evidence.contains(" and 1 more: "), "{}", seen.evidence);
    assert!(seen.evidence.starts_with(&format!("pid {pid} ")), "the oldest is named: {}", seen.evidence);
    drop((started, second));
    let seen = looking.look().await;
    assert_eq!((seen.status, seen.evidence), (Status::Fail, none));
    looking.end().await;
}

#[tokio::test]
async fn a_zombie_does_not_run() {
    let mark = mark("zombie");
    let mut started = sleeper(&mark);
    let mut looking = Looking::at(process(&mark), LIMIT);
    assert_eq!(looking.look().await.status, Status::Pass);
    started.0.kill().unwrap();
    // Its parent, this test, has not collected it.
    let seen = loop {
        let seen = looking.look().await;
        if seen.status == Status::Fail {
            break seen;
        }
    };
    assert!(seen.evidence.starts_with("no process has"), "{}", seen.evidence);
    looking.end().await;
}

/// The program that the next test starts a second time.
#[test]
#[ignore = "another process of Steady's own, for the test below"]
fn waits_as_another_process_of_the_same_program() {
    println!("\nup");
    std::io::stdin().read_line(&mut String::new()).unwrap();
}

#[tokio::test]
async fn steadys_own_processes_never_match() {
    let mark = mark("own");
    let me = env::current_exe().unwrap();
    // This very process has its name in its own command line.
    let seen = look(process(me.to_str().unwrap()), LIMIT).await;
    assert_eq!(seen.status, Status::Fail, "{}", seen.evidence);
    // A second filter is free text.
    let mut other = Command::new(me);
    other.args(["--ignored", "--nocapture", "waits_as_another_process", &mark]);
    let other = up(other.stdin(Stdio::piped()).stdout(Stdio::piped()));
    let seen = look(process(&mark), LIMIT).await;
    assert_eq!(seen.status, Status::Fail, "{}", seen.evidence);
    drop(other);
    // A plugin that is asked about the process is not the process.
    let plugin = CheckKind::Command {
        command: ["/bin/sh", "-c", "sleep 600", &mark].map(str::to_owned).to_vec(),
        cwd: env::temp_dir(),
        env: steady_model::config::Env::default(),
    };
    let running = tokio::spawn(async move { Looking::at(plugin, LIMIT).look().await });
    let listed = || {
        let listed = Command::new("ps").args(["-A", "-o", "args="]).output().unwrap();
        String::from_utf8_lossy(&listed.stdout).contains(&mark)
    };
    while !listed() {
        tokio::task::yield_now().await;
    }
    let seen = look(process(&mark), LIMIT).await;
    assert_eq!(seen.status, Status::Fail, "{}", seen.evidence);
    assert!(listed(), "the plugin ended before it was looked for");
    running.abort();
    while listed() {
        tokio::task::yield_now().await;
    }
}

fn port(port: u16, process: Option<&str>) -> CheckKind {
    CheckKind::Port { port, process: process.map(str::to_owned) }
}

#[tokio::test]
async fn who_listens_is_told_and_a_stranger_is_a_fact() {
    for address in ["127.0.0.1:0", "0.0.0.0:0", "[::1]:0", "[::]:0"] {
        let Ok(listener) = TcpListener::bind(address) else {
            eprintln!("NOT TESTED: this machine has no {address}");
            continue;
        };
        let at = listener.local_addr().unwrap();
        let me = format!("pid {} (", std::process::id());
        let seen = look(port(at.port(), Some("process-")), LIMIT).await;
        assert_eq!(seen.status, Status::Pass, "{}", seen.evidence);
        assert!(seen.evidence.starts_with(&me), "{}", seen.evidence);
        assert!(seen.evidence.ends_with(&format!("listens on port {}", at.port())), "{}", seen.evidence);
        let seen = look(port(at.port(), Some("uvicorn notes:app")), LIMIT).await;
        assert_eq!((seen.status, seen.fact), (Status::Fail, true), "{}", seen.evidence);
        assert!(seen.evidence.starts_with(&me), "{}", seen.evidence);
        assert!(
            seen.evidence.ends_with(&format!("listens on {at} and not \"uvicorn notes:app\"")),
            "{}",
            seen.evidence
        );
        drop(listener);
        let seen = look(port(at.port(), None), LIMIT).await;
        let nothing = format!("nothing listens on port {}", at.port());
        assert_eq!((seen.status, seen.fact, seen.evidence), (Status::Fail, false, nothing));
    }
}

#[tokio::test]
async fn connections_of_a_port_without_its_listener_are_nobody_who_listens() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let client = std::net::TcpStream::connect(address).unwrap();
    let (served, _) = listener.accept().unwrap();
    drop(listener);
    let seen = look(port(address.port(), None), LIMIT).await;
    assert_eq!(seen.status, Status::Fail, "{}", seen.evidence);
    drop((client, served));
}

#[tokio::test]
async fn a_worker_that_holds_its_parents_socket_is_no_stranger() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    // The socket is the worker's input: nothing of the test's name is in its command line.
    let input = std::os::fd::OwnedFd::from(listener.try_clone().unwrap());
    let script = ["-c", "echo up; exec sleep 600"];
    let worker = up(Command::new("/bin/sh").args(script).stdin(input).stdout(Stdio::piped()));
    let seen = look(port(address.port(), Some("process-")), LIMIT).await;
    assert_eq!(seen.status, Status::Pass, "{}", seen.evidence);
    drop(listener);
    let seen = look(port(address.port(), Some("process-")), LIMIT).await;
    assert_eq!((seen.status, seen.fact), (Status::Fail, true), "{}", seen.evidence);
    assert!(seen.evidence.contains(&format!("pid {} (sleep 600)", worker.0.id())), "{}", seen.evidence);
}
