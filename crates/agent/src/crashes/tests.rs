use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use steady_launch::Redactor;
use steady_model::crash::{CrashSubject, REDACTED};
use steady_model::process::Exit;
use steady_model::service::End;
use steady_model::time::WallTime;

use super::*;

const LIMIT: Duration = Duration::from_secs(20);

fn crash(at: &str) -> Crash {
    Crash {
        end: End::Exited(Exit::Signal(11)),
        at: WallTime(at.parse().unwrap()),
        pid: Some(4711),
        started: None,
        run: 3,
        uptime: Some(Duration::from_secs(61)),
        streak: 2,
        command: vec!["brain".into(), "--token=hunter2-hunter2".into()],
        cwd: "/srv".into(),
        env: BTreeMap::from([("API_KEY".into(), REDACTED.into())]),
        redactor: Arc::new(Redactor::new(["hunter2-hunter2"])),
    }
}

async fn until(crashes: &CrashesHandle, count: usize) -> Arc<Vec<CrashSummary>> {
    let mut listed = crashes.listed();
    let seen = tokio::time::timeout(LIMIT, listed.wait_for(|l| l.len() == count)).await;
    seen.expect("the report is listed").unwrap().clone()
}

#[tokio::test]
async fn a_crash_of_a_service_becomes_a_report_with_its_last_words_and_no_secret() {
    let dir = tempfile::tempdir().unwrap();
    let logs = dir.path().join("logs/brain");
    fs::create_dir_all(&logs).unwrap();
    let lines: Vec<String> = (0..250).map(|n| format!("line {n} with hunter2-hunter2")).collect();
    fs::write(logs.join("current"), lines.join("\n") + "\n").unwrap();
    let (world, mut told) = mpsc::channel(8);
    let crashes = start(&Home::new(dir.path()), world);
    crashes.service_crashed("brain", Box::new(crash("2026-11-23T03:16:12Z")));
    let listed = until(&crashes, 1).await;
    assert_eq!(listed[0].cause, "signal 11 (SIGSEGV): it touched memory that is not its own");
    let Some(Notice::Crashes(shown)) = told.recv().await else { panic!("the World was not told") };
    assert_eq!(shown, **listed);
    let report = crashes.read(&listed[0].id).await.unwrap();
    assert_eq!(report.log.len(), 200);
    assert_eq!(report.log[199], format!("line 249 with {REDACTED}"));
    assert_eq!(report.command[1], format!("--token={REDACTED}"));
    assert_eq!((report.uptime_ms, report.streak), (Some(61_000), 2));
    let text = fs::read_to_string(dir.path().join(format!("crashes/{}.json", report.id))).unwrap();
    assert!(!text.contains("hunter2"));
}

#[tokio::test]
async fn a_report_that_another_process_writes_shows_at_once_and_a_path_is_no_id() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _told) = mpsc::channel(8);
    let crashes = start(&Home::new(dir.path()), world);
    crashes.service_crashed("brain", Box::new(crash("2026-11-23T03:16:12Z")));
    until(&crashes, 1).await;
    let mut report = service::report("brain", crash("2026-11-23T03:17:12Z"), dir.path());
    report.subject = CrashSubject::Sink;
    Store::of(dir.path()).write(&report).unwrap();
    let listed = until(&crashes, 2).await;
    assert_eq!(listed[0].subject, CrashSubject::Sink, "newest first");
    let refused = crashes.read("../token").await.unwrap_err();
    assert!(matches!(refused, CrashError::NoId { .. }));
}
