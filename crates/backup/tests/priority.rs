//! How much of the machine an engine takes, as the kernel says it.
#![cfg(target_os = "linux")]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod support;

use std::fs;
use std::process::Command;
use std::sync::Mutex;

use steady_model::backup::PointKind;
use steady_model::config::{IoClass, Priority};
use support::world;

/// The fields of a `stat` file from the third on, the state.
fn fields(stat: &str) -> Vec<String> {
    let (_, rest) = stat.rsplit_once(") ").unwrap();
    rest.split_whitespace().map(str::to_owned).collect()
}

/// The living engine of this test's process.
fn engine() -> Option<u32> {
    let processes =
        fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let mut engines = processes.filter(|pid: &u32| {
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
        stat.contains("(steady-engine)") && fields(&stat)[1] == std::process::id().to_string()
    });
    engines.next()
}

/// The nice values of all its threads, and its class at the disk.
fn seen(pid: u32) -> Option<(Vec<i64>, String)> {
    let mut nice = Vec::new();
    for task in fs::read_dir(format!("/proc/{pid}/task")).ok()? {
        let stat = fs::read_to_string(task.ok()?.path().join("stat")).ok()?;
        nice.push(fields(&stat)[16].parse().unwrap());
    }
    let class = Command::new("ionice").args(["-p", &pid.to_string()]).output().unwrap();
    Some((nice, String::from_utf8(class.stdout).unwrap().trim().to_owned()))
}

/// What the kernel says of the engine while it copies.
async fn while_it_copies(priority: Priority) -> (Vec<i64>, String) {
    let mut world = world();
    world.priority = priority;
    // Nothing of it is stored already, so that it takes its time.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let noise = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    let noise: Vec<u8> = noise.take(12 << 20).flatten().collect();
    fs::write(world.data().join("big.bin"), noise).unwrap();
    let looks = Mutex::new(Vec::new());
    let on_progress = |progress: steady_backup::Progress| {
        // Its threads are there when it has read something.
        if progress.phase == "copying the data" && progress.done_bytes > 0 {
            looks.lock().unwrap().extend(engine().and_then(seen).filter(|(nice, _)| nice.len() > 1));
        }
    };
    world.backups().take(PointKind::Manual, on_progress).await.unwrap();
    looks.into_inner().unwrap().pop().unwrap_or_else(|| panic!("no engine was seen at its work"))
}

#[tokio::test]
async fn all_threads_of_an_engine_are_as_nice_as_configured_and_idle_at_the_disk() {
    let (nice, class) = while_it_copies(Priority { nice: 10, io: IoClass::Idle }).await;
    assert!(nice.iter().all(|nice| *nice == 10), "{nice:?}");
    assert_eq!(class, "idle");
}

#[tokio::test]
async fn an_engine_is_the_last_at_the_processor_by_default() {
    let (nice, class) = while_it_copies(Priority::default()).await;
    assert!(nice.iter().all(|nice| *nice == 19), "{nice:?}");
    assert_ne!(class, "idle");
}
