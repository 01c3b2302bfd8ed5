use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::process::Command;
use std::time::Duration;

use super::*;

fn at(minute: i64) -> WallTime {
    WallTime(steady_clock::now().wall.0 + jiff::SignedDuration::from_mins(minute))
}

fn small(max_bytes: u64) -> Rotation {
    Rotation { max_bytes, keep: 2, max_age: None, total_bytes: None, compress: true }
}

fn append(path: &Path) -> File {
    OpenOptions::new().create(true).append(true).open(path).unwrap()
}

fn archives(path: &Path) -> Vec<Archive> {
    let naming = Naming::beside(&path.file_name().unwrap().to_string_lossy());
    archive::list(path.parent().unwrap(), &naming).unwrap()
}

#[test]
fn a_file_that_nobody_writes_is_rotated_compressed_and_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("queries.jsonl");
    for round in 0..4 {
        append(&path).write_all(format!("{round}\n").repeat(500).as_bytes()).unwrap();
        let done = rotate(&path, &small(1000), at(round));
        let Foreign::Rotated { archive, bytes: 1000 } = done else { panic!("{done:?}") };
        assert!(archive.to_string_lossy().ends_with(&format!("-{:08}.zst", round + 1)));
        assert!(!path.exists());
    }
    let kept = archives(&path);
    assert_eq!(kept.iter().map(|a| a.seq).collect::<Vec<_>>(), [3, 4]);
    let mut text = String::new();
    kept[1].open().unwrap().unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "3\n".repeat(500));
    assert!(matches!(rotate(&path, &small(1000), at(9)), Foreign::Missing));
}

#[test]
fn a_file_that_is_open_for_writing_is_left_alone_and_its_writer_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ui.log");
    let mut writer = append(&path);
    writer.write_all(&[b'x'; 2000]).unwrap();
    let done = rotate(&path, &small(1000), at(0));
    let Foreign::Unsafe { bytes: 2000, writers } = done else { panic!("{done:?}") };
    assert!(writers.iter().any(|w| w.pid == std::process::id() && !w.command.is_empty()), "{writers:?}");
    assert_eq!(archives(&path), []);
    drop(writer);
    // Readers do not matter.
    let _reader = File::open(&path).unwrap();
    assert!(matches!(rotate(&path, &small(1000), at(0)), Foreign::Rotated { .. }));
}

#[test]
fn another_process_that_writes_is_named_with_its_pid_and_ended_is_no_hindrance() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("daemon.log");
    append(&path).write_all(&[b'x'; 2000]).unwrap();
    // As launchd starts a service: its output is the file.
    let mut daemon = Command::new("sleep").arg("60").stdout(append(&path)).spawn().unwrap();
    let done = rotate(&path, &small(1000), at(0));
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    let Foreign::Unsafe { writers, .. } = done else { panic!("{done:?}") };
    assert_eq!(writers, [Writer { pid: daemon.id(), command: "sleep".to_owned() }]);
    assert!(matches!(rotate(&path, &small(1000), at(0)), Foreign::Rotated { .. }));
}

#[test]
fn what_is_within_its_limits_stays_and_age_is_a_limit_too() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.log");
    append(&path).write_all(b"line\n").unwrap();
    let rotation = Rotation { max_age: Some(Duration::from_secs(600)), ..small(1000) };
    assert!(matches!(rotate(&path, &rotation, at(5)), Foreign::Small { bytes: 5 }));
    if fs::metadata(&path).unwrap().created().is_ok() {
        assert!(matches!(rotate(&path, &rotation, at(11)), Foreign::Rotated { .. }));
    }
}

#[test]
fn an_archive_that_a_late_writer_holds_stays_plain_until_it_lets_go() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.log");
    let plain = dir.path().join("a.log.20261122T091530Z-00000001");
    let mut late = append(&plain);
    late.write_all(b"early\n").unwrap();
    rotate(&path, &small(1000), at(0));
    append(&path).write_all(b"x").unwrap();
    rotate(&path, &small(1000), at(0));
    assert!(plain.exists());
    late.write_all(b"late\n").unwrap();
    drop(late);
    rotate(&path, &small(1000), at(0));
    assert!(!plain.exists());
    let mut text = String::new();
    archives(&path)[0].open().unwrap().unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "early\nlate\n");
}

#[test]
fn what_is_no_plain_file_is_refused_with_its_reason() {
    let dir = tempfile::tempdir().unwrap();
    let done = rotate(dir.path(), &small(1), at(0));
    assert!(matches!(&done, Foreign::Denied { reason } if reason == "it is no regular file"), "{done:?}");
}
