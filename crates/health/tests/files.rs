//! Promises of the marker and log checks, against real files.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "each test takes its part")]
mod common;

use std::fs::{self, File, FileTimes, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use steady_model::check::Status;
use steady_model::config::CheckKind;
use steady_model::time::WallTime;

use common::{HOUR, LIMIT, Looking};

fn marker(path: &Path) -> Looking {
    Looking::at(CheckKind::Marker { path: path.to_owned(), max_age: HOUR }, LIMIT)
}

fn ago(hours: u32) -> WallTime {
    let now = steady_clock::now().wall;
    WallTime(now.0.checked_sub(HOUR * hours).unwrap())
}

#[tokio::test]
async fn a_marker_is_as_old_as_its_content_whatever_a_restore_made_of_its_mtime() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(".done");
    let mut looking = marker(&path);
    let seen = looking.look().await;
    assert_eq!(seen.status, Status::Unknown, "{}", seen.evidence);
    fs::write(&path, format!("{}\n2026-01-01T00:00:00Z\n", ago(0))).unwrap();
    let ancient = FileTimes::new().set_modified(SystemTime::UNIX_EPOCH);
    File::options().write(true).open(&path).unwrap().set_times(ancient).unwrap();
    let seen = looking.look().await;
    assert_eq!(seen.status, Status::Pass, "{}", seen.evidence);
    for (hours, status) in [(1, Status::Warn), (2, Status::Fail)] {
        // A moment more than one hour, and than two.
        fs::write(&path, ago(hours).to_string()).unwrap();
        let seen = looking.look().await;
        assert_eq!(seen.status, status, "{}", seen.evidence);
        assert_eq!(seen.measure.unwrap().unit, "seconds");
    }
    fs::remove_file(&path).unwrap();
    let seen = looking.look().await;
    assert_eq!((seen.status, seen.fact), (Status::Fail, false), "{}", seen.evidence);
    looking.end().await;
}

#[tokio::test]
async fn a_marker_that_cannot_be_believed_is_unknown_and_never_green() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(".done");
    let mut looking = marker(&path);
    let future = steady_clock::now().wall.after(HOUR).to_string();
    for (text, words) in [
        ("".as_bytes(), "is empty"),
        (b"yes\n", "no time in"),
        (&[0xff, 0xfe, 0, b'\n'], "no time in"),
        (future.as_bytes(), "lies in the future"),
    ] {
        fs::write(&path, text).unwrap();
        let seen = looking.look().await;
        assert_eq!(seen.status, Status::Unknown, "{}", seen.evidence);
        assert!(seen.evidence.contains(words), "{}", seen.evidence);
    }
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let seen = looking.look().await;
    assert_eq!(seen.status, Status::Unknown, "{}", seen.evidence);
    assert!(seen.evidence.ends_with("cannot be read: it is no ordinary file"), "{}", seen.evidence);
    looking.end().await;
}

struct Log {
    path: PathBuf,
    looking: Looking,
    _dir: tempfile::TempDir,
}

impl Log {
    fn new(before: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("api.log");
        if !before.is_empty() {
            fs::write(&path, before).unwrap();
        }
        let kind = CheckKind::Log { path: path.clone(), pattern: "ERROR|Traceback".to_owned(), window: HOUR };
        Self { path, looking: Looking::at(kind, LIMIT), _dir: dir }
    }

    fn write(&self, text: &[u8]) {
        OpenOptions::new().append(true).create(true).open(&self.path).unwrap().write_all(text).unwrap();
    }

    async fn look(&mut self) -> (Status, String) {
        let seen = self.looking.look().await;
        assert_eq!(seen.fact, seen.status == Status::Warn, "{}", seen.evidence);
        (seen.status, seen.evidence)
    }
}

#[tokio::test]
async fn a_line_is_told_with_its_number_through_rotation_and_absence() {
    let mut log = Log::new("");
    let absent = format!("{} does not exist", log.path.display());
    assert_eq!(log.look().await, (Status::Unknown, absent));
    log.write(b"INFO up\n\xff\xfe\x00\n");
    let none = "no line matches ERROR|Traceback within 1 h".to_owned();
    assert_eq!(log.look().await, (Status::Pass, none));
    log.write(b"ERROR a\nINFO\nTraceb");
    let (status, evidence) = log.look().await;
    assert_eq!(status, Status::Warn);
    assert!(
        evidence.starts_with("1 line within 1 h, at 20") && evidence.ends_with(": ERROR a"),
        "{evidence}"
    );
    // The writer goes on in the renamed file before it opens a new one.
    let rotated = log.path.with_extension("1");
    fs::rename(&log.path, &rotated).unwrap();
    OpenOptions::new().append(true).open(&rotated).unwrap().write_all(b"ack (most recent)\n").unwrap();
    log.write(b"INFO again\nERROR b\n");
    let (_, evidence) = log.look().await;
    assert!(evidence.starts_with("3 lines within 1 h, the last at 20"), "{evidence}");
    assert!(evidence.ends_with(": ERROR b"), "{evidence}");
    fs::remove_file(&log.path).unwrap();
    let (status, evidence) = log.look().await;
    assert_eq!(status, Status::Warn, "what was found stays found: {evidence}");
    assert!(evidence.ends_with("api.log does not exist"), "{evidence}");
    log.looking.end().await;
}

#[tokio::test]
async fn an_old_log_is_no_news_and_a_line_is_counted_once() {
    let mut log = Log::new("2026-01-01 00:00:00,123 ERROR long ago\n");
    assert_eq!(log.look().await.0, Status::Pass);
    let now = steady_clock::now().wall;
    log.write(format!("{now} ERROR now\n").as_bytes());
    for _ in 0..3 {
        let (status, evidence) = log.look().await;
        assert_eq!(status, Status::Warn);
        assert!(evidence.starts_with("1 line within "), "{evidence}");
    }
    log.looking.end().await;
}

#[tokio::test]
async fn a_pipe_in_place_of_a_file_is_unknown_and_does_not_hang() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    let kind = CheckKind::Log { path: path.clone(), pattern: "x".to_owned(), window: HOUR };
    for kind in [kind, CheckKind::Marker { path, max_age: HOUR }] {
        let seen = common::look(kind, Duration::from_secs(10)).await;
        assert_eq!(seen.status, Status::Unknown);
        assert!(seen.evidence.ends_with("cannot be read: it is no ordinary file"), "{}", seen.evidence);
    }
}
