//! The store on a real directory.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use steady_crash::{CrashError, Store};
use steady_model::crash::{CrashReport, CrashSubject, KEPT_EACH, REDACTED, VERSION, id};
use steady_model::process::Exit;
use steady_model::service::End;
use steady_model::time::WallTime;

fn report(service: &str, second: u64) -> CrashReport {
    let at = WallTime("2026-11-23T03:16:12Z".parse().unwrap()).after(Duration::from_secs(second));
    let subject = CrashSubject::Service(service.into());
    CrashReport {
        version: VERSION,
        id: id(&subject, at, 4711),
        subject,
        at,
        cause: "exit code 1".into(),
        end: Some(End::Exited(Exit::Code(1))),
        pid: Some(4711),
        uptime_ms: Some(1),
        streak: 1,
        steady: "0.1.0".into(),
        command: vec!["brain".into()],
        cwd: None,
        env: BTreeMap::from([("TOKEN".into(), REDACTED.into())]),
        log: vec!["last words".into()],
        backtrace: None,
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn version_1_of_the_format_is_read_for_ever() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::of(home.path());
    store.prepare().unwrap();
    let id = "20261123T031612.500Z-brain-4711";
    fs::write(store.dir().join(format!("{id}.json")), include_str!("fixtures/version-1.json")).unwrap();
    let read = store.read(id).unwrap();
    assert_eq!(read.end, Some(End::Exited(Exit::Signal(11))));
    assert_eq!((read.streak, read.uptime_ms, read.env["API_KEY"].as_str()), (2, Some(61_000), REDACTED));
    assert_eq!(read.log, ["one", "two"]);
    // What is written today is that format.
    let again = serde_json::to_value(&read).unwrap();
    let fixture: serde_json::Value = serde_json::from_str(include_str!("fixtures/version-1.json")).unwrap();
    assert_eq!(again, fixture);
}

#[test]
fn a_report_is_private_comes_back_whole_and_newest_first() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::of(home.path());
    assert!(store.list().unwrap().reports.is_empty(), "an empty store is no error");
    let path = store.write(&report("brain", 0)).unwrap();
    store.write(&report("worker", 1)).unwrap();
    assert_eq!((mode(store.dir()), mode(&path)), (0o700, 0o600));
    let listed = store.list().unwrap().reports;
    let names: Vec<&str> = listed.iter().map(|r| r.subject.name()).collect();
    assert_eq!(names, ["worker", "brain"]);
    assert_eq!(store.read(&listed[1].id).unwrap(), report("brain", 0));
}

#[test]
fn a_damaged_file_is_named_and_hides_no_other() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::of(home.path());
    store.write(&report("brain", 0)).unwrap();
    let torn = store.dir().join("20261123T000000.000Z-brain-1.json");
    fs::write(&torn, "{\"version\": 1, \"id\": ").unwrap();
    let newer = store.dir().join("20261124T000000.000Z-brain-1.json");
    fs::write(&newer, "{\"version\": 2}").unwrap();
    let listing = store.list().unwrap();
    assert_eq!(listing.reports.len(), 1);
    let said: Vec<String> = listing.damaged.iter().map(|d| d.why.to_string()).collect();
    assert!(said[0].contains("20261123T000000.000Z-brain-1.json is damaged"), "{said:?}");
    assert!(said[1].contains("newer Steady (version 2"), "{said:?}");
    // And keeps nothing from being written.
    store.write(&report("brain", 1)).unwrap();
    assert_eq!(store.list().unwrap().reports.len(), 2);
}

#[test]
fn the_store_stays_bounded_and_keeps_the_newest() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::of(home.path());
    store.write(&report("quiet", 0)).unwrap();
    for second in 1..=25 {
        store.write(&report("looping", second)).unwrap();
    }
    let listed = store.list().unwrap().reports;
    let looping: Vec<_> = listed.iter().filter(|r| r.subject.name() == "looping").collect();
    assert_eq!(looping.len(), KEPT_EACH);
    assert_eq!(looping[0].id, report("looping", 25).id);
    assert_eq!(looping[KEPT_EACH - 1].id, report("looping", 6).id);
    assert!(listed.iter().any(|r| r.subject.name() == "quiet"), "a crash loop pushed another's report out");
}

#[test]
fn an_id_that_is_a_path_reads_nothing() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::of(home.path());
    store.write(&report("brain", 0)).unwrap();
    fs::write(home.path().join("2secret.json"), include_str!("fixtures/version-1.json")).unwrap();
    for id in ["../2secret", "2/../../2secret", "..", "/etc/passwd"] {
        assert!(matches!(store.read(id), Err(CrashError::NoId { .. })), "{id}");
    }
    assert!(matches!(store.read("20990101T000000.000Z-brain-1"), Err(CrashError::NotFound { .. })));
}
