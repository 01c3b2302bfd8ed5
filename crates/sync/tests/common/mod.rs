//! A job in a temporary directory and the events that it tells.

#![allow(dead_code, reason = "each test program uses its part")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use steady_model::config::Job;
use steady_model::job::{RunRecord, Schedule, Slots};
use steady_sync::{JobHandle, SyncEvent};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::time::timeout;

pub const LIMIT: Duration = Duration::from_secs(30);

pub struct Place {
    pub dir: TempDir,
}

impl Place {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for name in ["data", "work", "home"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        Self { dir }
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn text(&self, name: &str) -> String {
        fs::read_to_string(self.at(name)).unwrap()
    }

    pub fn job(&self, script: &str) -> Job {
        job_in(self.dir.path(), script)
    }

    pub fn start(&self, job: Job) -> Running {
        let (send, events) = mpsc::channel(64);
        Running { handle: steady_sync::job(job, &self.at("home"), send), events }
    }
}

/// A shell script as a job.
pub fn job_in(dir: &Path, script: &str) -> Job {
    Job {
        command: Some(["/bin/sh", "-c", script].map(str::to_owned).to_vec()),
        cwd: dir.join("work"),
        timeout: LIMIT,
        stale_after: Some(Duration::from_secs(3600)),
        ..Job::elsewhere("daily-sync", dir.join("data"))
    }
}

/// A schedule by interval.
pub fn every(interval: Duration) -> Schedule {
    Schedule { slots: Some(Slots::Every(interval)), at_wake: false }
}

pub struct Running {
    pub handle: JobHandle,
    pub events: mpsc::Receiver<SyncEvent>,
}

impl Running {
    pub async fn next(&mut self) -> SyncEvent {
        timeout(LIMIT, self.events.recv()).await.expect("no event within the limit").expect("the owner ended")
    }

    /// The record of the next run that ends.
    pub async fn finished(&mut self) -> RunRecord {
        loop {
            if let SyncEvent::Finished { record, .. } = self.next().await {
                return record;
            }
        }
    }

    pub async fn run(&mut self) -> RunRecord {
        let id = self.handle.run_now().await.unwrap();
        let record = self.finished().await;
        assert_eq!(record.id, id);
        record
    }
}

/// Waits until the file holds something, and returns it.
pub fn wait_for_text(path: &Path) -> String {
    let mut text = String::new();
    wait_until(&format!("{} is written", path.display()), || {
        text = fs::read_to_string(path).unwrap_or_default();
        text.ends_with('\n')
    });
    text.trim().to_owned()
}

#[allow(clippy::disallowed_methods, reason = "a test waits on a condition, with a limit")]
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !holds() {
        assert!(begun.elapsed() < LIMIT, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether a process runs; a zombie that its parent has not collected does not.
pub fn alive(pid: &str) -> bool {
    let out = std::process::Command::new("ps").args(["-o", "stat=", "-p", pid]).output().unwrap();
    let state = String::from_utf8_lossy(&out.stdout).trim().to_owned();
    !state.is_empty() && !state.starts_with('Z')
}
