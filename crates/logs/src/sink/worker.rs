//! What takes long and is not urgent, beside the sink's one thread: compression, and flushes to the disk.
//!
//! A thread of the lowest priority that exists only while there is work, so that an idle sink carries
//! neither its stack nor an encoder.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::archive::{self, Naming};
use crate::compress::{compress, remove_temporaries};

/// More than zstd uses; untouched pages cost nothing.
const STACK: usize = 256 << 10;
/// Full files that wait for their flush keep a file descriptor each; those beyond are left to the kernel.
const FLUSHES: usize = 32;

pub enum Job {
    /// Compresses every plain archive of a directory.
    Compress(PathBuf),
    /// Makes a full file and its name durable.
    Flush(File, PathBuf),
}

/// Work left behind by a kill is found by the next [`Job::Compress`] of its directory.
#[derive(Default)]
pub struct Worker {
    queue: Arc<Mutex<Queue>>,
}

#[derive(Default)]
struct Queue {
    directories: Vec<PathBuf>,
    flushes: Vec<(File, PathBuf)>,
    running: bool,
}

impl Worker {
    pub fn submit(&self, job: Job) {
        let mut queue = lock(&self.queue);
        match job {
            Job::Compress(dir) if queue.directories.contains(&dir) => {}
            Job::Compress(dir) => queue.directories.push(dir),
            Job::Flush(..) if queue.flushes.len() >= FLUSHES => {}
            Job::Flush(full, dir) => queue.flushes.push((full, dir)),
        }
        if queue.running {
            return;
        }
        let shared = Arc::clone(&self.queue);
        // Without a thread the work waits for the next one.
        let spawned = thread::Builder::new().stack_size(STACK).spawn(move || work(&shared));
        queue.running = spawned.is_ok();
    }
}

fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

fn work(queue: &Mutex<Queue>) {
    yield_to_everybody();
    loop {
        let mut waiting = lock(queue);
        if let Some((full, dir)) = waiting.flushes.pop() {
            drop(waiting);
            // A failure here means that a power loss may take the newest lines; they stay readable until then.
            let _ = full.sync_all();
            let _ = steady_disk::fsync_dir(&dir);
        } else if waiting.directories.is_empty() {
            waiting.running = false;
            return;
        } else {
            let dir = waiting.directories.remove(0);
            drop(waiting);
            // What fails stays plain and readable, and is tried again after the next rotation.
            let _ = compress_all(&dir);
        }
    }
}

fn compress_all(dir: &Path) -> io::Result<()> {
    remove_temporaries(dir, "")?;
    // Newest first: under a flood the oldest are pruned before their turn comes.
    for archive in archive::list(dir, &Naming::service())?.into_iter().rev() {
        if archive.plain.try_exists()? {
            compress(&archive, |_| true)?;
        }
    }
    Ok(())
}

/// Leaves the processor to everybody else. On macOS a priority belongs to the whole process, and the sink's
/// own thread must keep draining.
fn yield_to_everybody() {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(None, 19);
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "waits for a thread")]
    fn all_plain_archives_of_a_directory_are_compressed_and_the_thread_ends() {
        let dir = tempfile::tempdir().unwrap();
        let name = |seq: u64| dir.path().join(format!("20261122T091530Z-{seq:08}.log"));
        let worker = Worker::default();
        for seq in 1..=5 {
            fs::write(name(seq), "line\n".repeat(2000)).unwrap();
            worker.submit(Job::Compress(dir.path().to_owned()));
        }
        fs::write(dir.path().join(".20261122T091530Z-00000009.log.zst.tmp"), "half").unwrap();
        worker.submit(Job::Compress(dir.path().to_owned()));
        let begun = Instant::now();
        while lock(&worker.queue).running {
            assert!(begun.elapsed() < Duration::from_secs(20));
            thread::sleep(Duration::from_millis(2));
        }
        let mut names: Vec<String> = fs::read_dir(dir.path())
            .unwrap()
            .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        let packed = |seq: u64| format!("20261122T091530Z-{seq:08}.log.zst");
        assert_eq!(names, (1..=5).map(packed).collect::<Vec<_>>());
    }
}
