//! A run that waits for something before its process starts.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use steady_model::job::Outcome;
use steady_sync::{Gate, Opening, SyncEvent};
use tokio::sync::watch;

/// Opens when the test says so, and with what.
struct Door(watch::Receiver<Option<Result<(), String>>>);

impl Gate for Door {
    fn open<'a>(&'a self, job: &'a str) -> Opening<'a> {
        assert_eq!(job, "sync");
        let mut answer = self.0.clone();
        Box::pin(async move { answer.wait_for(Option::is_some).await.unwrap().clone().unwrap() })
    }
}

struct Waiting {
    dir: tempfile::TempDir,
    job: steady_sync::JobHandle,
    events: tokio::sync::mpsc::Receiver<SyncEvent>,
    door: watch::Sender<Option<Result<(), String>>>,
}

fn waiting() -> Waiting {
    let dir = tempfile::tempdir().unwrap();
    let mut spec = steady_model::config::Job::elsewhere("sync", dir.path());
    spec.command = Some(vec!["touch".into(), "ran".into()]);
    let (door, closed) = watch::channel(None);
    let (told, events) = tokio::sync::mpsc::channel(64);
    let gate: Arc<dyn Gate> = Arc::new(Door(closed));
    let job = steady_sync::job_behind(spec, &dir.path().join("home"), told, Some(gate));
    Waiting { dir, job, events, door }
}

impl Waiting {
    fn ran(&self) -> bool {
        self.dir.path().join("ran").exists()
    }

    async fn finished(&mut self) -> Outcome {
        let ending = async {
            loop {
                if let SyncEvent::Finished { record, .. } = self.events.recv().await.unwrap() {
                    return record.outcome;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(20), ending).await.expect("the run did not end")
    }

    async fn started(&mut self) {
        while !matches!(self.events.recv().await.unwrap(), SyncEvent::Started { .. }) {}
    }
}

#[tokio::test]
async fn nothing_of_a_run_starts_before_its_gate_is_open() {
    let mut waiting = waiting();
    waiting.job.run_now().await.unwrap();
    waiting.started().await;
    // It has its lock: nobody else begins meanwhile.
    assert!(waiting.job.run_now().await.is_err());
    assert!(waiting.job.pause().await.is_err());
    assert!(!waiting.ran());
    waiting.door.send(Some(Ok(()))).unwrap();
    assert_eq!(waiting.finished().await, Outcome::Succeeded);
    assert!(waiting.ran());
    waiting.job.shutdown().await;
}

#[tokio::test]
async fn a_gate_that_stays_closed_fails_the_run_with_its_reason() {
    let mut waiting = waiting();
    waiting.job.run_now().await.unwrap();
    waiting.door.send(Some(Err("no point".into()))).unwrap();
    assert_eq!(waiting.finished().await, Outcome::Failed { why: "no point".into() });
    assert!(!waiting.ran());
    waiting.job.shutdown().await;
}

#[tokio::test]
async fn a_run_that_is_stopped_while_it_waits_is_killed_and_never_starts() {
    let mut waiting = waiting();
    waiting.job.run_now().await.unwrap();
    waiting.started().await;
    waiting.job.shutdown().await;
    assert_eq!(waiting.finished().await, Outcome::Killed);
    assert!(!waiting.ran());
}
