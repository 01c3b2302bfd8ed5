//! Promises of following markers: every change is seen, wherever the directory went.

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
use std::path::Path;
use std::time::{Duration, Instant};

use common::LIMIT;
use steady_model::marker::{COMPLETED, Marker};
use steady_sync::{Watched, follow_markers};
use tokio::sync::mpsc;
use tokio::time::timeout;

fn follow(dir: &Path) -> (impl Sized, mpsc::Receiver<Watched>) {
    let (send, receive) = mpsc::channel(64);
    (follow_markers(dir.to_owned(), send), receive)
}

/// Waits for a success marker with these microseconds; `None` waits for its absence.
async fn until(changes: &mut mpsc::Receiver<Watched>, micros: Option<u32>) {
    let seen = timeout(LIMIT, async {
        loop {
            let Watched { markers, .. } = changes.recv().await.expect("the watch ended");
            let found = match markers.completed {
                Marker::At { at, .. } => u32::try_from(at.0.subsec_microsecond()).ok(),
                _ => None,
            };
            if found == micros {
                return;
            }
        }
    });
    seen.await.unwrap_or_else(|_| panic!("{micros:?} was never seen"));
}

fn text(micros: u32) -> String {
    format!("2026-02-24T21:00:03.{micros:06}")
}

/// As a program does that writes in place.
fn write(dir: &Path, micros: u32) {
    fs::write(dir.join(COMPLETED), text(micros)).unwrap();
}

/// As Steady does; the rename is the change.
fn replace(dir: &Path, micros: u32) -> Instant {
    let temp = dir.join(".temp");
    fs::write(&temp, text(micros)).unwrap();
    let at = Instant::now();
    fs::rename(temp, dir.join(COMPLETED)).unwrap();
    at
}

#[tokio::test]
async fn markers_are_followed_through_writes_replacements_and_removal() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), 1);
    let (_watch, mut changes) = follow(dir.path());
    until(&mut changes, Some(1)).await;
    write(dir.path(), 2);
    until(&mut changes, Some(2)).await;
    replace(dir.path(), 3);
    until(&mut changes, Some(3)).await;
    fs::remove_file(dir.path().join(COMPLETED)).unwrap();
    until(&mut changes, None).await;
}

#[tokio::test]
async fn a_directory_that_does_not_exist_yet_is_found_when_it_comes() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("a/b/data");
    let (_watch, mut changes) = follow(&data);
    until(&mut changes, None).await;
    fs::create_dir_all(&data).unwrap();
    write(&data, 1);
    until(&mut changes, Some(1)).await;
    write(&data, 2);
    until(&mut changes, Some(2)).await;
}

#[tokio::test]
async fn a_directory_that_is_removed_and_made_again_is_followed_on() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("demo/data");
    fs::create_dir_all(&data).unwrap();
    write(&data, 1);
    let (_watch, mut changes) = follow(&data);
    until(&mut changes, Some(1)).await;
    // With its parent, and several times.
    for round in 1..=5 {
        fs::remove_dir_all(dir.path().join("demo")).unwrap();
        until(&mut changes, None).await;
        fs::create_dir_all(&data).unwrap();
        write(&data, round * 10);
        until(&mut changes, Some(round * 10)).await;
        write(&data, round * 10 + 1);
        until(&mut changes, Some(round * 10 + 1)).await;
    }
}

#[cfg(target_os = "linux")]
fn exchange(a: &Path, b: &Path) {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE).unwrap();
}

#[cfg(not(target_os = "linux"))]
fn exchange(a: &Path, b: &Path) {
    let aside = a.with_extension("aside");
    fs::rename(a, &aside).unwrap();
    fs::rename(b, a).unwrap();
    fs::rename(aside, b).unwrap();
}

#[tokio::test]
async fn a_directory_exchanged_by_a_restore_is_followed_and_the_old_one_is_not() {
    let dir = tempfile::tempdir().unwrap();
    // Beside the data and elsewhere on the volume, as a restore may stage.
    for staged in [dir.path().join("staged"), dir.path().join("deep/restore/data")] {
        let data = dir.path().join("data");
        fs::create_dir_all(&data).unwrap();
        fs::create_dir_all(&staged).unwrap();
        write(&data, 1);
        write(&staged, 2);
        let (_watch, mut changes) = follow(&data);
        until(&mut changes, Some(1)).await;
        for round in 0..20 {
            exchange(&staged, &data);
            until(&mut changes, Some(100 + round * 2).filter(|_| round > 0).or(Some(2))).await;
            write(&staged, 999);
            replace(&data, 101 + round * 2);
            until(&mut changes, Some(101 + round * 2)).await;
            write(&staged, 102 + round * 2);
        }
    }
}

#[tokio::test]
async fn a_marker_reaches_the_event_within_milliseconds() {
    let dir = tempfile::tempdir().unwrap();
    let (_watch, mut changes) = follow(dir.path());
    until(&mut changes, None).await;
    let mut took = Vec::new();
    for micros in 1..=200 {
        let at = replace(dir.path(), micros);
        until(&mut changes, Some(micros)).await;
        took.push(at.elapsed());
    }
    took.sort();
    println!("marker to event: median {:?}, p99 {:?}, worst {:?}", took[100], took[197], took[199]);
    assert!(took[100] < Duration::from_millis(20), "{took:?}");
    // On a machine that is busy with other tests the tail says little.
    assert!(took[197] < Duration::from_millis(250), "{took:?}");
}

/// A restore, rsync or `touch` gives an old marker a new time on disk.
#[tokio::test]
async fn a_new_time_on_disk_does_not_make_an_old_marker_new() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), 1);
    let (_watch, mut changes) = follow(dir.path());
    let before = changes.recv().await.unwrap();
    let path = dir.path().join(COMPLETED);
    fs::File::options().write(true).open(&path).unwrap().set_modified(std::time::SystemTime::now()).unwrap();
    fs::copy(&path, dir.path().join("copy")).unwrap();
    fs::rename(dir.path().join("copy"), &path).unwrap();
    // A change that is told proves that those before it were seen.
    write(dir.path(), 2);
    let after = timeout(LIMIT, changes.recv()).await.unwrap().unwrap();
    assert_ne!(before, after);
    let at = |w: &Watched| match &w.markers.completed {
        Marker::At { at, .. } => at.0.subsec_microsecond(),
        other => panic!("{other:?}"),
    };
    assert_eq!((at(&before), at(&after)), (1, 2), "the time on disk was told as news");
    assert_eq!(before.polled, None, "a local volume tells of changes");
}
