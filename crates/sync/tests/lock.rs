//! Promises of the lock: two programs never run a job at once, and a dead one blocks nobody.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![allow(clippy::disallowed_methods, reason = "the tests measure in real time")]

mod common;

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use common::{LIMIT, Place, alive, job_in, wait_for_text, wait_until};
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use steady_disk::{FileLock, Holder};
use steady_model::job::Outcome;
use steady_sync::{RunRefused, SyncEvent};
use tokio::sync::mpsc;

const DIR: &str = "STEADY_TEST_DIR";
const ROUNDS: usize = 200;

/// Starts one of the ignored "tests" below as a program of its own.
fn program(name: &str, dir: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--ignored", "--nocapture", "--test-threads=1"])
        .env(DIR, dir)
        .stdout(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap()
}

fn dir() -> Option<PathBuf> {
    std::env::var_os(DIR).map(PathBuf::from)
}

fn holder() -> Holder {
    Holder { pid: std::process::id(), what: "racer".into(), since: "2026-02-24T20:00:00Z".into() }
}

#[test]
#[ignore = "a program that the tests below start"]
fn racer() {
    let Some(dir) = dir() else { return };
    let mut won = 0;
    while won < ROUNDS {
        let Ok(_lock) = FileLock::try_acquire(&dir.join("lock"), &holder()) else {
            std::hint::spin_loop();
            continue;
        };
        // Fails when the other one is in here, too.
        fs::OpenOptions::new().write(true).create_new(true).open(dir.join("inside")).unwrap();
        fs::remove_file(dir.join("inside")).unwrap();
        won += 1;
    }
}

#[test]
fn two_programs_racing_for_the_lock_never_both_have_it() {
    let dir = tempfile::tempdir().unwrap();
    let racers = [program("racer", dir.path()), program("racer", dir.path())];
    for mut racer in racers {
        assert!(racer.wait().unwrap().success(), "both were inside");
    }
}

#[test]
#[ignore = "a program that the tests below start"]
fn agent() {
    let Some(dir) = dir() else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (send, mut events) = mpsc::channel(64);
        let spec = job_in(&dir, "echo $$ > leader; while ! [ -e go ]; do sleep 0.02; done");
        let handle = steady_sync::job(spec, &dir.join("home"), send);
        handle.run_now().await.unwrap();
        while events.recv().await.is_some() {}
    });
}

/// An agent that was killed in the middle of a run; returns the pid of its job.
fn crashed_agent(place: &Place) -> String {
    let mut agent = program("agent", place.dir.path());
    let pid = wait_for_text(&place.at("work/leader"));
    agent.kill().unwrap();
    agent.wait().unwrap();
    assert!(alive(&pid), "the job died with the agent");
    pid
}

fn kill_job(pid: &str) {
    let group = Pid::from_raw(pid.parse().unwrap()).unwrap();
    let _ = kill_process_group(group, Signal::KILL);
    // With its children: they hold the lock too.
    wait_until("the job is gone", || test_kill_process_group(group).is_err());
}

#[tokio::test]
async fn a_job_that_outlives_its_agent_keeps_the_lock_until_it_ends() {
    let place = Place::new();
    let pid = crashed_agent(&place);

    let mut job = place.start(place.job("true"));
    assert!(matches!(job.next().await, SyncEvent::History { .. }));
    let SyncEvent::Started { run, .. } = job.next().await else { panic!("the orphan was not told") };
    let refused = job.handle.run_now().await.unwrap_err();
    assert!(matches!(refused, RunRefused::Locked(_)), "{refused}");
    assert!(refused.to_string().contains(&format!("daily-sync (pid {pid}, since ")), "{refused}");

    kill_job(&pid);
    let record = job.finished().await;
    assert_eq!(record.id, run);
    assert!(matches!(&record.outcome, Outcome::Failed { why } if why.contains("Steady itself ended")));
    assert!(place.text("data/.sync_failed").contains("Steady itself ended"));
    assert_eq!(job.run().await.outcome, Outcome::Succeeded);
}

#[tokio::test]
async fn an_orphan_that_ends_by_itself_is_noticed_without_a_question() {
    let place = Place::new();
    let pid = crashed_agent(&place);
    let mut job = place.start(place.job("true"));
    fs::write(place.at("work/go"), "").unwrap();
    job.finished().await;
    wait_until("the job is gone", || !alive(&pid));
}

#[tokio::test]
async fn an_agent_and_a_job_that_both_died_leave_no_lock_and_the_run_is_recorded() {
    let place = Place::new();
    let pid = crashed_agent(&place);
    kill_job(&pid);
    let mut job = place.start(place.job("true"));
    assert!(matches!(job.finished().await.outcome, Outcome::Failed { .. }));
    assert_eq!(job.run().await.outcome, Outcome::Succeeded);
    let mut next = place.start(place.job("true"));
    let SyncEvent::History { runs, .. } = next.next().await else { panic!("the history comes first") };
    assert_eq!(runs.len(), 2, "the lost run was recorded once: {runs:?}");
}

#[tokio::test]
async fn a_service_started_during_a_run_does_not_inherit_the_lock() {
    let place = Place::new();
    let mut job = place.start(place.job("while ! [ -e go ]; do sleep 0.02; done"));
    job.handle.run_now().await.unwrap();
    let mut service = Command::new("/bin/sleep").arg("600").spawn().unwrap();
    fs::write(place.at("work/go"), "").unwrap();
    tokio::time::timeout(LIMIT, job.finished()).await.unwrap();
    assert_eq!(job.run().await.outcome, Outcome::Succeeded);
    service.kill().unwrap();
    service.wait().unwrap();
}
