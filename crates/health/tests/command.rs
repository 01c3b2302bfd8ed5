//! Promises of the command check, against real programs.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "each test takes its part")]
mod common;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, test_kill_process};
use steady_model::check::{Observation, Status};
use steady_model::config::{CheckKind, Env};
use tempfile::TempDir;

use common::{HOUR, LIMIT, check, look, start};

/// A plugin of its own in a directory of its own.
struct Plugin {
    dir: TempDir,
}

impl Plugin {
    fn new(script: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("check_it");
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Self { dir }
    }

    fn kind(&self, args: &[&str]) -> CheckKind {
        let command = ["./check_it"].iter().chain(args).map(|&arg| arg.to_owned()).collect();
        let vars = BTreeMap::from([("NOTES_MODE".to_owned(), "live".to_owned())]);
        CheckKind::Command { command, cwd: self.dir.path().to_owned(), env: Env { vars, ..Env::default() } }
    }

    async fn look(&self, args: &[&str], timeout: Duration) -> Observation {
        look(self.kind(args), timeout).await
    }

    /// The pid that the script wrote.
    async fn pid(&self, file: &str) -> Pid {
        read_pid(&self.dir.path().join(file)).await
    }
}

async fn read_pid(path: &Path) -> Pid {
    loop {
        let text = fs::read_to_string(path).unwrap_or_default();
        if let Some(pid) = text.strip_suffix('\n') {
            return Pid::from_raw(pid.parse().unwrap()).unwrap();
        }
        tokio::task::yield_now().await;
    }
}

/// Whether it is gone within the limit; what nobody reaps is the init process's.
async fn ends(pid: Pid) -> bool {
    let gone = async {
        while test_kill_process(pid).is_ok() && !is_zombie(pid) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, gone).await.is_ok()
}

fn is_zombie(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    stat.contains(") Z ")
}

#[tokio::test]
async fn the_four_codes_mean_what_the_convention_says_and_all_else_is_unknown() {
    let plugin = Plugin::new(r#"echo "DISK it is $1"; exit "$1""#);
    for (code, status) in
        [("0", Status::Pass), ("1", Status::Warn), ("2", Status::Fail), ("3", Status::Unknown)]
    {
        let seen = plugin.look(&[code], LIMIT).await;
        assert_eq!((seen.status, seen.evidence), (status, format!("DISK it is {code}")));
    }
    let seen = plugin.look(&["4"], LIMIT).await;
    assert_eq!(seen.status, Status::Unknown);
    assert_eq!(seen.evidence, "./check_it ended with exit code 4: DISK it is 4");
    let seen = Plugin::new("kill -9 $$").look(&[], LIMIT).await;
    assert_eq!(seen.status, Status::Unknown);
    assert_eq!(seen.evidence, "./check_it ended with signal 9 (SIGKILL) and said nothing");
    let seen = Plugin::new("echo 'no route' >&2; exit 2").look(&[], LIMIT).await;
    assert_eq!((seen.status, seen.evidence.as_str()), (Status::Fail, "no route"));
}

#[tokio::test]
async fn what_cannot_be_started_is_unknown_and_says_why() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("plain"), "x").unwrap();
    for (name, words) in [
        ("no-such-plugin", "no-such-plugin cannot be started: it is in no directory of PATH"),
        ("./missing", "./missing cannot be started: "),
        ("./plain", "./plain cannot be started: "),
    ] {
        let kind = CheckKind::Command {
            command: vec![name.to_owned()],
            cwd: dir.path().to_owned(),
            env: Env::default(),
        };
        let seen = look(kind, LIMIT).await;
        assert_eq!(seen.status, Status::Unknown, "{}", seen.evidence);
        assert!(seen.evidence.starts_with(words), "{}", seen.evidence);
    }
}

#[tokio::test]
async fn it_runs_where_and_with_what_it_was_given_and_nothing_is_expanded() {
    let plugin = Plugin::new(r#"echo "$NOTES_MODE $PWD $1 ${CARGO_MANIFEST_DIR:-clean}""#);
    let seen = plugin.look(&["$HOME;x"], LIMIT).await;
    let cwd = plugin.dir.path().canonicalize().unwrap();
    assert_eq!(seen.evidence, format!("live {} $HOME;x clean", cwd.display()));
}

#[tokio::test]
async fn performance_data_becomes_measure_and_samples() {
    let plugin = Plugin::new("echo \"HTTP OK: 200 | time=12ms;1;2 size=10KB\"\necho \"long text | users=3\"");
    let seen = plugin.look(&[], LIMIT).await;
    assert_eq!(seen.evidence, "HTTP OK: 200");
    let measure = seen.measure.unwrap();
    assert_eq!((measure.value, measure.unit.as_str()), (0.012, "seconds"));
    let samples: Vec<_> =
        seen.samples.iter().map(|s| (s.metric.as_str(), s.labels["label"].as_str(), s.value)).collect();
    assert_eq!(
        samples,
        [
            ("steady_check_perfdata_seconds", "time", 0.012),
            ("steady_check_perfdata_bytes", "size", 10_000.0),
            ("steady_check_perfdata", "users", 3.0),
        ]
    );
}

#[tokio::test]
async fn a_flood_of_output_neither_holds_it_up_nor_is_kept() {
    let plugin = Plugin::new("echo first; head -c 50000000 /dev/zero; head -c 5000000 /dev/zero >&2; exit 1");
    let seen = plugin.look(&[], LIMIT).await;
    assert_eq!((seen.status, seen.evidence.as_str()), (Status::Warn, "first"));
    let seen = Plugin::new("head -c 1000000 /dev/zero").look(&[], LIMIT).await;
    assert!(seen.evidence.chars().count() <= 201, "{}", seen.evidence.len());
}

/// A wrapper that waits for its child, as many are: killing the wrapper alone would leave the child.
const WRAPPER: &str = "sleep 600 & echo $! > child; echo $$ > leader; wait";

#[tokio::test]
async fn no_orphan_survives_a_timeout() {
    let plugin = Plugin::new(WRAPPER);
    let seen = plugin.look(&[], Duration::from_millis(500)).await;
    assert_eq!(seen.status, Status::Fail);
    assert_eq!(seen.evidence, "./check_it did not end within 500 ms and was killed");
    let (child, leader) = (plugin.pid("child").await, plugin.pid("leader").await);
    assert!(ends(child).await, "the wrapper's child lives");
    assert!(ends(leader).await, "the wrapper lives");
    // And nobody is left to be collected by this process.
    let collected = async {
        while is_zombie(leader) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, collected).await.unwrap();
}

#[tokio::test]
async fn no_orphan_survives_the_end_of_the_checks() {
    let plugin = Plugin::new(WRAPPER);
    let (handle, _events) = start(vec![check("it", plugin.kind(&[]), HOUR, HOUR)]);
    let (child, leader) = (plugin.pid("child").await, plugin.pid("leader").await);
    handle.shutdown().await;
    assert!(ends(child).await && ends(leader).await);
}

#[tokio::test]
async fn what_a_plugin_leaves_behind_neither_delays_its_answer_nor_lives_on() {
    let plugin = Plugin::new("sleep 600 & echo $! > child; echo done");
    let seen = plugin.look(&[], LIMIT).await;
    assert_eq!((seen.status, seen.evidence.as_str()), (Status::Pass, "done"));
    assert!(ends(plugin.pid("child").await).await, "what it left in its group lives");
}
