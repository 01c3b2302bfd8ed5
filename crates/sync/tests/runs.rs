//! Promises of runs: what a job is given, how its end is told, and that nothing of it stays behind.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![allow(clippy::disallowed_methods, reason = "the tests measure in real time")]

mod common;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use common::{LIMIT, Place, alive, every, wait_for_text, wait_until};
use steady_disk::{FileLock, Holder};
use steady_model::config::SecretRef;
use steady_model::job::{Outcome, Retry};
use steady_model::marker::Marker;
use steady_model::process::Exit;
use steady_sync::{RunRefused, SyncEvent};

#[tokio::test]
async fn a_good_run_is_told_from_start_to_end_and_leaves_its_marker_and_record() {
    let place = Place::new();
    let mut job = place.start(place.job("echo one; echo '{\"event\":\"sync_complete\"}' >&2"));
    assert!(matches!(job.next().await, SyncEvent::History { runs, .. } if runs.is_empty()));
    assert!(
        matches!(job.next().await, SyncEvent::Markers { markers, .. } if markers.completed == Marker::Absent)
    );
    let id = job.handle.run_now().await.unwrap();
    assert!(matches!(job.next().await, SyncEvent::Started { run, .. } if run == id));
    let SyncEvent::Markers { mut markers, .. } = job.next().await else {
        panic!("markers come before the record")
    };
    let record = loop {
        match job.next().await {
            // Its watcher may have told of them too.
            SyncEvent::Markers { markers: again, .. } => markers = again,
            SyncEvent::Finished { record, .. } => break record,
            other => panic!("then the record, not {other:?}"),
        }
    };
    assert_eq!(
        (record.id.as_str(), &record.outcome, record.exit),
        (id.as_str(), &Outcome::Succeeded, Some(Exit::Code(0)))
    );
    assert_eq!(record.tail, ["one", r#"{"event":"sync_complete"}"#]);
    assert_eq!(record.milestones[0].event, "sync_complete");
    let Marker::At { at, .. } = markers.completed else { panic!("{markers:?}") };
    assert_eq!(at.0.as_microsecond(), record.ended.0.as_microsecond());
    assert_eq!(place.text("data/.sync_completed").len(), "2026-02-24T21:00:03.000120".len());

    let mut again = place.start(place.job("true"));
    assert!(matches!(again.next().await, SyncEvent::History { runs, .. } if runs == [record]));
}

#[tokio::test]
async fn a_job_gets_its_directory_its_environment_and_nothing_else() {
    let place = Place::new();
    let mut spec = place.job("pwd; cat; env | cut -d= -f1; echo $STEADY_JOB $VAULT");
    spec.env.vars.insert("VAULT".to_owned(), "there".to_owned());
    let mut job = place.start(spec);
    let record = job.run().await;
    let work = place.at("work").canonicalize().unwrap();
    assert_eq!(fs::canonicalize(&record.tail[0]).unwrap(), work);
    assert_eq!(record.tail.last().unwrap(), "daily-sync there");
    let known = [
        "PATH",
        "HOME",
        "USER",
        "LANG",
        "LC_ALL",
        "TMPDIR",
        "XDG_RUNTIME_DIR",
        "STEADY_JOB",
        "STEADY_RUN",
        "VAULT",
    ];
    let shell = ["PWD", "OLDPWD", "SHLVL", "_"];
    for name in &record.tail[1..record.tail.len() - 1] {
        assert!(
            known.contains(&name.as_str()) || shell.contains(&name.as_str()),
            "{name} leaked into the job"
        );
    }
    assert!(record.tail.contains(&"PATH".to_owned()));
}

#[tokio::test]
async fn a_job_gets_its_secrets_and_they_are_told_to_nobody_else() {
    let place = Place::new();
    let mut spec =
        place.job("echo $TOKEN $GREETING | wc -c; echo with $TOKEN; echo \"denied: $GREETING\"; exit 3");
    let (token, file) = (place.at("token"), place.at("work/.env"));
    fs::write(&token, "hunter22\n").unwrap();
    fs::set_permissions(&token, Permissions::from_mode(0o600)).unwrap();
    fs::write(&file, "GREETING='a b c d'\n").unwrap();
    spec.env.secrets.insert("TOKEN".to_owned(), SecretRef::File(token.clone()));
    spec.env.files.push(file.clone());
    let record = place.start(spec.clone()).run().await;
    assert_eq!(record.tail[0].trim(), "17");
    assert_eq!(record.tail[1..], ["with (redacted)", "denied: (redacted)"]);
    assert_eq!(record.outcome, Outcome::Failed { why: "exit code 3: denied: (redacted)".into() });
    assert!(!place.text("data/.sync_failed").contains("a b c d"));

    // One that cannot be had is a failed run with the reason, and nothing starts.
    fs::set_permissions(&token, Permissions::from_mode(0o644)).unwrap();
    let record = place.start(spec).run().await;
    let why = record.outcome.why().unwrap();
    assert!(why.contains("the secret TOKEN is open to other users") && why.contains("chmod 600"), "{why}");
    assert!(record.tail.is_empty());
}

#[tokio::test]
async fn every_bad_end_writes_the_failure_marker_and_never_the_success() {
    for (script, outcome, marker) in [
        (
            "echo boom; exit 3",
            Outcome::Failed { why: "exit code 3: boom".into() },
            "failed: exit code 3: boom",
        ),
        ("kill -9 $$", Outcome::Killed, "killed"),
        (
            r#"echo '2026-02-24 21:00:03 [INFO] x: {"event":"extraction_complete","summary":"Extracted 0, failed 1"}'"#,
            Outcome::Partial { why: "extraction_complete: Extracted 0, failed 1".into() },
            "partial: extraction_complete: Extracted 0, failed 1",
        ),
    ] {
        let place = Place::new();
        let record = place.start(place.job(script)).run().await;
        assert_eq!(record.outcome, outcome);
        let text = place.text("data/.sync_failed");
        assert!(text.ends_with(&format!(": {marker}")), "{text}");
        assert!(!place.at("data/.sync_completed").exists());
    }
}

#[tokio::test]
async fn a_program_that_is_missing_is_a_failed_run_with_the_reason() {
    let place = Place::new();
    let mut spec = place.job("");
    spec.command = Some(vec!["no-such-program-at-all".to_owned()]);
    let record = place.start(spec).run().await;
    let why = record.outcome.why().unwrap();
    assert!(why.contains("the program no-such-program-at-all is neither in PATH"), "{why}");
    assert!(place.text("data/.sync_failed").contains(why));

    let mut spec = place.job("true");
    spec.cwd = place.at("gone");
    let record = place.start(spec).run().await;
    let why = record.outcome.why().unwrap();
    assert!(why.contains("cannot start /bin/sh in ") && why.contains("/gone"), "{why}");
}

#[tokio::test]
async fn a_lock_that_cannot_be_made_is_a_failed_run_with_the_reason() {
    let place = Place::new();
    let mut spec = place.job("true");
    spec.lock = place.at("gone/.sync_lock");
    spec.markers = place.at("gone");
    let record = place.start(spec).run().await;
    let why = record.outcome.why().unwrap();
    assert!(why.contains("cannot open the lock file") && why.contains("gone/.sync_lock"), "{why}");
}

#[tokio::test]
async fn a_job_that_ignores_term_is_killed_after_the_grace_with_its_grandchildren() {
    let place = Place::new();
    let script = "trap '' TERM; (trap '' TERM; sh -c 'trap \"\" TERM; echo $$ > grandchild; while :; do sleep 1; done') & \
                  echo $$ > leader; while :; do sleep 1; done";
    let mut spec = place.job(script);
    spec.timeout = Duration::from_millis(500);
    let mut job = place.start(spec);
    let begun = Instant::now();
    let record = job.run().await;
    let took = begun.elapsed();
    assert_eq!((record.outcome, record.exit), (Outcome::TimedOut, Some(Exit::Signal(9))));
    assert!(took >= Duration::from_secs(10) && took < Duration::from_secs(20), "{took:?}");
    for who in ["leader", "grandchild"] {
        let pid = wait_for_text(&place.at("work").join(who));
        wait_until(&format!("the {who} is gone"), || !alive(&pid));
    }
    assert!(place.text("data/.sync_failed").ends_with(": timed out"));
}

#[tokio::test]
async fn a_job_that_obeys_term_ends_at_its_timeout() {
    let place = Place::new();
    let mut spec = place.job("trap 'echo bye; exit 0' TERM; while :; do sleep 0.05; done");
    spec.timeout = Duration::from_millis(300);
    let begun = Instant::now();
    let record = place.start(spec).run().await;
    assert_eq!(record.outcome, Outcome::TimedOut, "an exit code of 0 after TERM is no success");
    assert_eq!(record.tail.last().unwrap(), "bye", "its last words are lost");
    assert!(begun.elapsed() < Duration::from_secs(8));
}

#[tokio::test]
async fn what_a_job_leaves_running_in_its_group_ends_with_it() {
    let place = Place::new();
    let mut job =
        place.start(place.job("sh -c 'echo $$ > left; exec sleep 600' & while ! [ -s left ]; do :; done"));
    let begun = Instant::now();
    assert_eq!(job.run().await.outcome, Outcome::Succeeded);
    assert!(begun.elapsed() < Duration::from_secs(8), "the run waited for what it left");
    let pid = wait_for_text(&place.at("work/left"));
    wait_until("the left process is gone", || !alive(&pid));
}

#[tokio::test]
async fn a_second_run_is_refused_with_who_runs_since_when() {
    let place = Place::new();
    let mut job = place.start(place.job("while ! [ -e go ]; do sleep 0.02; done"));
    let id = job.handle.run_now().await.unwrap();
    let refused = job.handle.run_now().await.unwrap_err();
    assert!(matches!(&refused, RunRefused::AlreadyRunning { run, .. } if *run == id), "{refused}");
    assert!(job.handle.pause().await.is_err(), "the job was said to be at rest");
    fs::write(place.at("work/go"), "").unwrap();
    assert_eq!(job.finished().await.outcome, Outcome::Succeeded);
    job.run().await;
}

#[tokio::test]
async fn a_lock_held_by_another_program_refuses_the_run_and_names_it() {
    let place = Place::new();
    let mut job = place.start(place.job("true"));
    let holder = Holder { pid: 4711, what: "make reindex".into(), since: "2026-02-24T20:00:00Z".into() };
    let lock = FileLock::try_acquire(&place.at("data/.sync_lock"), &holder).unwrap();
    let refused = job.handle.run_now().await.unwrap_err().to_string();
    assert!(refused.contains("make reindex (pid 4711, since 2026-02-24T20:00:00Z)"), "{refused}");
    assert!(!place.at("home/runs").exists(), "a refused run left a record");
    drop(lock);
    assert_eq!(job.run().await.outcome, Outcome::Succeeded);
}

#[tokio::test]
async fn a_job_that_runs_elsewhere_is_followed_and_not_started() {
    let place = Place::new();
    let mut spec = place.job("");
    spec.command = None;
    spec.schedule = Some(every(Duration::from_millis(10)));
    let mut job = place.start(spec);
    assert!(matches!(job.handle.run_now().await, Err(RunRefused::NotOurs { .. })));
    fs::write(place.at("data/.sync_completed"), "2026-02-24T21:00:03").unwrap();
    loop {
        match job.next().await {
            SyncEvent::Markers { markers, .. } if markers.completed != Marker::Absent => break,
            SyncEvent::Started { .. } | SyncEvent::Next { .. } => panic!("it was scheduled"),
            _ => {}
        }
    }
}

#[tokio::test]
async fn shutdown_stops_the_run_and_records_it() {
    let place = Place::new();
    let mut job = place.start(place.job("echo $$ > leader; exec sleep 600"));
    job.handle.run_now().await.unwrap();
    let pid = wait_for_text(&place.at("work/leader"));
    tokio::time::timeout(LIMIT, job.handle.shutdown()).await.unwrap();
    wait_until("the job is gone", || !alive(&pid));
    assert_eq!(job.finished().await.outcome, Outcome::Killed);
    assert!(matches!(job.handle.run_now().await, Err(RunRefused::Ending { .. })));
}

#[tokio::test]
async fn a_paused_job_starts_nothing_until_it_is_resumed() {
    let place = Place::new();
    let mut job = place.start(place.job("true"));
    job.handle.pause().await.unwrap();
    assert!(matches!(job.handle.run_now().await, Err(RunRefused::Paused { .. })));
    job.handle.resume().await;
    assert_eq!(job.run().await.outcome, Outcome::Succeeded);
}

#[tokio::test]
async fn the_schedule_runs_a_job_that_never_ran_after_the_settle_and_tells_the_next() {
    let place = Place::new();
    let mut spec = place.job("true");
    spec.schedule = Some(every(Duration::from_secs(3600)));
    let begun = Instant::now();
    let mut job = place.start(spec);
    let (mut started, mut next) = (None, None);
    let slot = loop {
        match job.next().await {
            SyncEvent::Started { at, .. } => started = Some((at.wall, begun.elapsed())),
            SyncEvent::Next { at, .. } => next = at,
            SyncEvent::Finished { record, .. } => {
                assert_eq!(record.outcome, Outcome::Succeeded);
                break record.slot.unwrap();
            }
            _ => {}
        }
    };
    let (at, waited) = started.unwrap();
    assert!(waited >= Duration::from_secs(9), "it did not let the services come up: {waited:?}");
    assert!(at.since(slot).unwrap() < Duration::from_secs(1), "{slot} {at}");
    assert_eq!(next, Some(slot.after(Duration::from_secs(3600))));
}

#[tokio::test]
async fn a_scheduled_run_that_failed_is_tried_again_for_the_same_slot() {
    let place = Place::new();
    let mut spec = place.job("echo >> tries; [ $(wc -l < tries) -ge 3 ]");
    spec.schedule = Some(every(Duration::from_secs(3600)));
    spec.retry = Some(Retry { attempts: 5, delay: Duration::from_millis(50) });
    let mut job = place.start(spec);
    let runs = [job.finished().await, job.finished().await, job.finished().await];
    let slots: Vec<_> = runs.iter().map(|r| r.slot.unwrap()).collect();
    assert!(slots.windows(2).all(|w| w[0] == w[1]), "{slots:?}");
    assert!(matches!(runs[1].outcome, Outcome::Failed { .. }));
    assert_eq!(runs[2].outcome, Outcome::Succeeded);
}

#[tokio::test]
async fn slots_that_a_lock_kept_from_running_are_recorded_as_missed_once_each() {
    let place = Place::new();
    let mut spec = place.job("true");
    spec.schedule = Some(every(Duration::from_secs(1)));
    spec.late_after = Duration::from_millis(200);
    let mut job = place.start(spec.clone());
    job.run().await;
    let holder = Holder { pid: 4711, what: "make reindex".into(), since: "2026-02-24T20:00:00Z".into() };
    let lock = FileLock::try_acquire(&place.at("data/.sync_lock"), &holder).unwrap();
    let mut missed = Vec::new();
    while missed.len() < 3 {
        if let SyncEvent::Noted { record, .. } = job.next().await {
            assert_eq!(record.outcome, Outcome::Missed);
            missed.push(record.slot.unwrap());
        }
    }
    let gaps: Vec<_> = missed.windows(2).map(|w| w[1].since(w[0]).unwrap().as_secs()).collect();
    assert!(gaps.iter().all(|gap| *gap >= 1), "{missed:?}");
    drop(lock);
}

#[tokio::test]
async fn a_line_that_the_job_is_told_to_look_for_makes_a_run_partial_and_writes_no_success() {
    let place = Place::new();
    let mut spec = place.job("echo 'note 7: retry limit reached'; echo done");
    spec.partial = vec!["retry limit".into()];
    let mut job = place.start(spec);
    let why = "note 7: retry limit reached".to_owned();
    assert_eq!(job.run().await.outcome, Outcome::Partial { why });
    assert!(!place.at("data/.sync_completed").exists());
}

#[tokio::test]
async fn whoever_waits_for_a_job_is_told_when_its_run_has_ended() {
    let place = Place::new();
    let go = place.at("go");
    let script = format!("while [ ! -e {} ]; do sleep 0.02; done", go.display());
    let job = place.start(place.job(&script));
    job.handle.idle().await;
    job.handle.run_now().await.unwrap();
    let handle = job.handle.clone();
    let mut waiting = tokio::spawn(async move { handle.idle().await });
    let early = tokio::time::timeout(Duration::from_millis(200), &mut waiting).await;
    assert!(early.is_err(), "told while the run was under way");
    fs::write(go, "").unwrap();
    tokio::time::timeout(LIMIT, waiting).await.unwrap().unwrap();
}
