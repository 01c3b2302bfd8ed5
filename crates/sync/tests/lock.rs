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
use std::time::Duration;

use common::{LIMIT, Place, alive, job_in, wait_for_text, wait_until};
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use steady_disk::{FileLock, Holder};
use steady_model::job::Outcome;
use steady_sync::{RunRefused, SyncEvent};
use tokio::sync::mpsc;

const DIR: &str = "STEADY_TEST_DIR";
/// Two programs: a thousand races.
const ROUNDS: usize = 500;

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
#[ignore = "a program that the tests below start"]
fn sitter() {
    let Some(dir) = dir() else { return };
    let _lock = FileLock::try_acquire(&dir.join("lock"), &holder()).unwrap();
    fs::write(dir.join("sits"), "\n").unwrap();
    std::thread::park();
}

#[test]
fn a_holder_that_crashed_blocks_nobody_and_is_not_named() {
    let dir = tempfile::tempdir().unwrap();
    let mut sitter = program("sitter", dir.path());
    wait_for_text_end(&dir.path().join("sits"));
    let held = FileLock::try_acquire(&dir.path().join("lock"), &holder()).unwrap_err().to_string();
    assert!(held.contains(&format!("racer (pid {}, since 2026-02-24T20:00:00Z)", sitter.id())), "{held}");
    sitter.kill().unwrap();
    sitter.wait().unwrap();
    FileLock::try_acquire(&dir.path().join("lock"), &holder()).unwrap();
}

fn wait_for_text_end(path: &Path) {
    wait_until("the lock is held", || fs::read_to_string(path).is_ok_and(|text| text.ends_with('\n')));
}

/// Whoever uses the same lock file, by whatever program, is kept out and keeps out.
#[tokio::test]
async fn the_lock_is_shared_with_a_foreign_program() {
    let place = Place::new();
    let lock = place.at("data/.sync_lock");
    let held = place.at("work/held");
    let mut foreign = Command::new("flock")
        .arg(&lock)
        .args(["sh", "-c", "echo > \"$0\"; while ! [ -e \"$0.go\" ]; do sleep 0.02; done"])
        .arg(&held)
        .spawn()
        .unwrap();
    wait_for_text_end(&held);
    let job = place.start(place.job("flock -n \"$LOCK\" true || echo kept out"));
    let refused = job.handle.run_now().await.unwrap_err();
    assert!(matches!(refused, RunRefused::Locked(_)), "{refused}");
    assert!(refused.to_string().contains("another process that did not say who it is"), "{refused}");
    fs::write(place.at("work/held.go"), "").unwrap();
    assert!(foreign.wait().unwrap().success());

    let mut spec = place.job("flock -n \"$LOCK\" true || echo kept out");
    spec.env.vars.insert("LOCK".to_owned(), lock.to_string_lossy().into_owned());
    let mut job = place.start(spec);
    assert_eq!(job.run().await.tail, ["kept out"], "a foreign program got the lock during a run");
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
    // The job may have written its pid before the agent has noted it.
    wait_until("the note names the job", || place.text("data/.sync_lock").contains(&format!(":{pid},")));
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

#[tokio::test]
async fn an_orphan_whose_time_is_up_is_ended_with_its_whole_group() {
    let place = Place::new();
    let pid = crashed_agent(&place);
    let mut spec = place.job("true");
    spec.timeout = Duration::from_millis(300);
    let mut job = place.start(spec);
    let record = job.finished().await;
    assert_eq!(record.outcome, Outcome::TimedOut);
    wait_until("the job is gone", || !alive(&pid));
    assert_eq!(job.run().await.outcome, Outcome::Succeeded);
}

/// The note in the lock file names it, and it is not of our run.
#[tokio::test]
async fn a_stranger_that_holds_the_lock_is_left_alone_though_the_note_names_it() {
    let place = Place::new();
    let pid = crashed_agent(&place);
    let lock = place.at("data/.sync_lock");
    let held = place.at("work/held");
    let mut foreign = Command::new("sh")
        .args(["-c", "exec flock \"$0\" sh -c 'echo > \"$0\"; exec sleep 600' \"$1\""])
        .args([&lock, &held])
        .process_group(0)
        .spawn()
        .unwrap();
    kill_job(&pid);
    wait_for_text_end(&held);
    fs::write(&lock, foreign.id().to_string()).unwrap();

    let mut spec = place.job("true");
    spec.timeout = Duration::from_millis(100);
    let job = place.start(spec);
    // Its time is up long before the refusal that this waits for.
    let begun = std::time::Instant::now();
    while begun.elapsed() < Duration::from_secs(2) {
        assert!(matches!(job.handle.run_now().await, Err(RunRefused::Locked(_))));
        assert!(foreign.try_wait().unwrap().is_none(), "a stranger was killed");
        std::thread::sleep(Duration::from_millis(20));
    }
    kill_process_group(Pid::from_child(&foreign), Signal::KILL).unwrap();
    foreign.wait().unwrap();
}
