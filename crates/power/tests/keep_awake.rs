//! The real `systemd-inhibit` against a logind that speaks the documented `Inhibit`, on a bus of the test's own.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use steady_power::{Awake, KeepAwakeError, keep_awake};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use zbus::{connection, fdo, interface, zvariant};

const LIMIT: Duration = Duration::from_secs(20);
const ADDRESS: &str = "DBUS_SYSTEM_BUS_ADDRESS";

/// A lock is held while any copy of the descriptor that was handed out is open: then this end sees no EOF.
struct Lock {
    asked: [String; 4],
    held: File,
}

impl Lock {
    async fn released(self) {
        let read = tokio::task::spawn_blocking(move || std::io::read_to_string(self.held).unwrap());
        assert_eq!(timeout(LIMIT, read).await.expect("the lock is still held").unwrap(), "");
    }

    fn is_held(&self) -> bool {
        use rustix::event::{PollFd, PollFlags, poll};
        let mut polled = [PollFd::new(&self.held, PollFlags::IN)];
        poll(&mut polled, Some(&rustix::time::Timespec { tv_sec: 0, tv_nsec: 0 })).unwrap();
        !polled[0].revents().contains(PollFlags::HUP)
    }
}

struct Logind {
    locks: mpsc::UnboundedSender<Lock>,
    refuses: bool,
}

#[interface(name = "org.freedesktop.login1.Manager")]
impl Logind {
    fn inhibit(&self, what: &str, who: &str, why: &str, mode: &str) -> fdo::Result<zvariant::OwnedFd> {
        if self.refuses {
            return Err(fdo::Error::AccessDenied("Permission denied".to_owned()));
        }
        let (reader, writer) = std::io::pipe().unwrap();
        let asked = [what, who, why, mode].map(str::to_owned);
        self.locks.send(Lock { asked, held: OwnedFd::from(reader).into() }).unwrap();
        Ok(OwnedFd::from(writer).into())
    }
}

struct Bus {
    daemon: Child,
    address: String,
}

impl Bus {
    fn start() -> Self {
        let mut daemon = Command::new("dbus-daemon")
            .args(["--session", "--nofork", "--nopidfile", "--print-address=1"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|e| panic!("dbus-daemon: {e}; run scripts/install-debian test"));
        let mut address = String::new();
        BufReader::new(daemon.stdout.take().unwrap()).read_line(&mut address).unwrap();
        Self { daemon, address: address.trim().to_owned() }
    }

    fn environment(&self) -> [(OsString, OsString); 1] {
        [(ADDRESS.into(), (&self.address).into())]
    }

    /// The connection serves as long as it lives.
    async fn logind(&self, refuses: bool) -> (zbus::Connection, BoxStream<'static, Lock>) {
        let (locks, taken) = mpsc::unbounded_channel();
        let connection = connection::Builder::address(self.address.as_str())
            .unwrap()
            .serve_at("/org/freedesktop/login1", Logind { locks, refuses })
            .unwrap()
            .name("org.freedesktop.login1")
            .unwrap()
            .build()
            .await
            .unwrap();
        let taken = futures_util::stream::unfold(taken, async |mut taken| Some((taken.recv().await?, taken)));
        (connection, taken.boxed())
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

#[tokio::test]
async fn the_lock_is_held_with_its_reason_until_the_guard_goes() {
    let bus = Bus::start();
    let (_logind, mut locks) = bus.logind(false).await;
    let guard = keep_awake::hold_with("brain is running", bus.environment()).await.unwrap();
    let lock = timeout(LIMIT, locks.next()).await.unwrap().unwrap();
    assert_eq!(lock.asked, ["sleep:idle", "Steady", "brain is running", "block"]);
    assert!(lock.is_held());
    drop(guard);
    lock.released().await;
}

#[tokio::test]
async fn an_assertion_that_somebody_ends_is_noticed() {
    let bus = Bus::start();
    let (_logind, mut locks) = bus.logind(false).await;
    let mut guard = keep_awake::hold_with("x", bus.environment()).await.unwrap();
    let lock = timeout(LIMIT, locks.next()).await.unwrap().unwrap();
    assert!(timeout(Duration::from_millis(50), guard.lost()).await.is_err());
    let tool = rustix::process::Pid::from_raw(i32::try_from(guard.pid().unwrap()).unwrap()).unwrap();
    rustix::process::kill_process(tool, rustix::process::Signal::KILL).unwrap();
    timeout(LIMIT, guard.lost()).await.unwrap();
    drop(guard);
    lock.released().await;
}

/// Not a test: the process that the next one kills.
#[tokio::test]
#[ignore = "a part of another test"]
async fn holder() {
    let _guard = keep_awake::hold("killed").await.unwrap();
    println!("\nholding");
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn the_lock_ends_with_us_also_by_sigkill() {
    let bus = Bus::start();
    let (_logind, mut locks) = bus.logind(false).await;
    let mut holder = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "holder", "--ignored", "--nocapture"])
        .env(ADDRESS, &bus.address)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(holder.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "holding"));
    let lock = timeout(LIMIT, locks.next()).await.unwrap().unwrap();
    assert!(lock.is_held());
    holder.kill().unwrap();
    holder.wait().unwrap();
    lock.released().await;
}

#[tokio::test]
async fn a_refusal_and_a_machine_without_logind_are_errors_that_say_why() {
    let bus = Bus::start();
    let none = keep_awake::hold_with("x", bus.environment()).await.unwrap_err();
    assert!(matches!(none, KeepAwakeError::Refused { .. }), "{none}");
    let (_logind, _locks) = bus.logind(true).await;
    let refused = keep_awake::hold_with("x", bus.environment()).await.unwrap_err().to_string();
    assert!(refused.contains("Access denied"), "{refused}");
    let environment = [(ADDRESS.into(), "unix:path=/nonexistent".into())];
    let no_bus = keep_awake::hold_with("x", environment).await.unwrap_err().to_string();
    assert!(no_bus.contains("needs logind"), "{no_bus}");
}

#[tokio::test]
async fn one_lock_serves_all_who_want_it_and_goes_with_the_last() {
    let bus = Bus::start();
    let (_logind, mut locks) = bus.logind(false).await;
    let (want, wanted) = watch::channel(BTreeSet::new());
    let (told, mut seen) = watch::channel(Awake::Free);
    let follower = tokio::spawn(keep_awake::follow_with(wanted, told, bus.environment().into()));
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    for _ in 0..2 {
        want.send_replace(names(&["brain", "sync"]));
        timeout(LIMIT, seen.wait_for(|state| *state == Awake::Held)).await.unwrap().unwrap();
        let lock = timeout(LIMIT, locks.next()).await.unwrap().unwrap();
        assert_eq!(lock.asked[2], "for brain, sync");
        want.send_replace(names(&["sync"]));
        assert!(timeout(Duration::from_millis(100), locks.next()).await.is_err(), "a second lock");
        assert!(lock.is_held());
        want.send_replace(names(&[]));
        timeout(LIMIT, seen.wait_for(|state| *state == Awake::Free)).await.unwrap().unwrap();
        lock.released().await;
    }
    // Also when whoever wanted it is gone without a word.
    want.send_replace(names(&["brain"]));
    let lock = timeout(LIMIT, locks.next()).await.unwrap().unwrap();
    drop(want);
    timeout(LIMIT, follower).await.unwrap().unwrap();
    lock.released().await;
}

#[tokio::test]
async fn where_it_cannot_be_had_the_reason_is_told_and_nothing_else_breaks() {
    let bus = Bus::start();
    let (want, wanted) = watch::channel(BTreeSet::from(["brain".to_owned()]));
    let (told, mut seen) = watch::channel(Awake::Free);
    let follower = tokio::spawn(keep_awake::follow_with(wanted, told, bus.environment().into()));
    let refused = |state: &Awake| matches!(state, Awake::Refused(why) if why.contains("needs logind"));
    timeout(LIMIT, seen.wait_for(refused)).await.unwrap().unwrap();
    want.send_replace(BTreeSet::new());
    timeout(LIMIT, seen.wait_for(|state| *state == Awake::Free)).await.unwrap().unwrap();
    drop(want);
    timeout(LIMIT, follower).await.unwrap().unwrap();
}
