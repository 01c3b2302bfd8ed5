//! A file of 10 GB and a million small ones: they are taken and read back, and the engine's memory is what is said in
//! `docs/notes/backup-pitfalls.md`.

#![cfg(target_os = "linux")]
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test fails by panicking, measures in real time and says what it measured"
)]

mod support;

use std::io::{Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use steady_model::backup::RestorePoint;
use support::disk::Mounted;
use support::{World, take, world};

const MEBIBYTE: u64 = 1 << 20;

/// The largest memory that an engine of this process had so far.
fn peak() -> Option<u64> {
    let threads = std::fs::read_dir("/proc/self/task").ok()?;
    let children = threads.filter_map(|t| std::fs::read_to_string(t.ok()?.path().join("children")).ok());
    let pids: Vec<String> =
        children.flat_map(|c| c.split(' ').map(str::to_owned).collect::<Vec<_>>()).collect();
    let of = |pid: &String| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kibibytes| kibibytes * 1024)
    };
    pids.iter().filter_map(of).max()
}

/// Looks at the engines' memory for as long as `work` lasts; the kernel keeps the largest value of each.
async fn watched<T>(work: impl Future<Output = T>) -> (T, u64) {
    let (stop, told) = mpsc::channel::<()>();
    let watcher = std::thread::spawn(move || {
        let mut most = 0;
        while told.recv_timeout(Duration::from_millis(10)) == Err(mpsc::RecvTimeoutError::Timeout) {
            most = most.max(peak().unwrap_or_default());
        }
        most
    });
    let done = work.await;
    drop(stop);
    (done, watcher.join().unwrap())
}

/// A backup with its verification, and the largest memory of an engine.
async fn measured(world: &World, what: &str) -> (RestorePoint, u64) {
    let began = Instant::now();
    let (point, most) = watched(take(&world.backups())).await;
    let took = began.elapsed().as_secs_f64();
    eprintln!("{what}: taken and read back in {took:.1} s with at most {} MiB", most / MEBIBYTE);
    assert!(most > 10 * MEBIBYTE, "no engine was seen: the test is void");
    (point, most)
}

/// `number` files, a thousand in a folder, one in a hundred of them with something in it.
fn many(world: &World, number: usize) {
    for n in 0..number {
        let folder = world.data().join(format!("{:04}", n / 1000));
        if n % 1000 == 0 {
            std::fs::create_dir(&folder).unwrap();
        }
        let text = if n % 100 == 0 { format!("note {n}") } else { String::new() };
        std::fs::write(folder.join(format!("{n:07}.md")), text).unwrap();
    }
}

async fn all_are_there(world: &World, number: usize, at_most: u64) {
    many(world, number);
    let (point, most) = measured(world, &format!("{number} files")).await;
    assert!(point.verified.is_some(), "{:?} {:?}", point.missing, point.findings);
    assert_eq!(point.files, number as u64);
    assert!(most < at_most, "{} MiB for {number} files", most / MEBIBYTE);
    let last = number - 100;
    let folder: PathBuf = format!("{:04}", last / 1000).into();
    let to = world.dir.path().join("rescued");
    world.backups().restore_to(&point.id, &to, std::slice::from_ref(&folder), |_| {}).await.unwrap();
    let text = std::fs::read_to_string(to.join(&folder).join(format!("{last:07}.md"))).unwrap();
    assert_eq!(text, format!("note {last}"));
    assert_eq!(std::fs::read_dir(to.join(folder)).unwrap().count(), 1000);
}

#[tokio::test]
async fn twenty_thousand_small_files_are_all_in_the_point_with_little_memory() {
    all_are_there(&world(), 20_000, 300 * MEBIBYTE).await;
}

#[tokio::test]
#[ignore = "a million files take minutes: nightly"]
async fn a_million_small_files_are_all_in_the_point() {
    let mut world = world();
    let at = world.dir.path().join("disk");
    let Some(_disk) = Mounted::small(&at, 8 << 30) else { return };
    world.place = Some(at.join("data"));
    std::fs::create_dir(world.data()).unwrap();
    all_are_there(&world, 1_000_000, 2048 * MEBIBYTE).await;
}

/// Sparse, so that it takes no room; read it is like any other.
#[tokio::test]
#[ignore = "reading 10 GB takes minutes on two cores: nightly"]
async fn a_file_of_ten_gigabytes_is_taken_whole_and_read_back_with_little_memory() {
    const BYTES: u64 = 10_000_000_000;
    let world = world();
    let mut file = std::fs::File::create(world.data().join("big.bin")).unwrap();
    file.set_len(BYTES).unwrap();
    for (at, text) in [(0, "head"), (BYTES / 2, "half"), (BYTES - 4, "tail")] {
        file.seek(SeekFrom::Start(at)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }
    drop(file);
    let (point, most) = measured(&world, "10 GB in one file").await;
    assert!(point.verified.is_some(), "{:?} {:?}", point.missing, point.findings);
    assert_eq!((point.bytes, point.files), (BYTES, 1));
    assert!(most < 300 * MEBIBYTE, "{} MiB", most / MEBIBYTE);
    assert!(point.added < 10 * MEBIBYTE, "equal chunks are kept {} bytes often", point.added);
}
