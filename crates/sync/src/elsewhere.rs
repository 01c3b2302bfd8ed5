//! Follows the log of a job that runs elsewhere: its milestones tell of runs that Steady did not make.
//!
//! Only what is written from now on counts: what lies there may be of any day.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use jiff::SignedDuration;
use steady_launch::Redactor;
use steady_model::config::Job;
use steady_model::job::{Milestone, Rules, RunRecord, Told, judge_run, run_ends};
use steady_model::process::Exit;
use steady_model::time::{Now, WallTime};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, spawn_blocking};
use tracing::warn;
use ulid::Ulid;

use crate::clock;
use crate::error::SyncError;
use crate::output::Output;
use crate::watch::{Armed, COALESCE, Signals, WITHOUT_EVENTS, arm};

/// Read at once; what a log gained while nobody looked may be much.
const CHUNK: usize = 256 << 10;

/// Follows until it is dropped.
#[derive(Debug)]
pub struct OutputWatch(AbortHandle);

impl Drop for OutputWatch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Sends the record of each run that ends. Must be called within a tokio runtime.
pub fn follow_output(job: Arc<Job>, runs: mpsc::Sender<RunRecord>) -> OutputWatch {
    OutputWatch(tokio::spawn(follow(job, runs)).abort_handle())
}

async fn follow(job: Arc<Job>, runs: mpsc::Sender<RunRecord>) {
    let Some((path, dir, name)) = job
        .output
        .as_ref()
        .and_then(|path| Some((path.clone(), path.parent()?.to_owned(), path.file_name()?.to_owned())))
    else {
        return;
    };
    let signals = Signals::new();
    let mut armed: Option<Armed> = None;
    let mut log = Log { file: None, begun: false };
    let mut seen = Runs::new(&job);
    loop {
        if signals.rearm.swap(false, Ordering::AcqRel) {
            let (dir, name, s) = (dir.clone(), name.clone(), Arc::clone(&signals));
            let fresh = spawn_blocking(move || arm(&dir, &[name], &s)).await;
            armed = fresh.ok().and_then(|fresh| match fresh {
                Ok(armed) => Some(armed),
                Err(e) => {
                    warn!(job = job.name, "{e}; looking every {} s instead", WITHOUT_EVENTS.as_secs());
                    None
                }
            });
        }
        loop {
            let path = path.clone();
            let read = spawn_blocking(move || {
                let read = log.read(&path);
                (log, read)
            });
            let Ok((back, read)) = read.await else { return };
            log = back;
            match read {
                Ok(bytes) if bytes.is_empty() => break,
                Ok(bytes) => {
                    for record in seen.feed(&job, &bytes, steady_clock::now()) {
                        if runs.send(record).await.is_err() {
                            return;
                        }
                    }
                }
                Err(source) => {
                    warn!("{}", SyncError::Output { path: job.output.clone().unwrap_or_default(), source });
                    break;
                }
            }
        }
        if armed.is_some() {
            signals.changed.notified().await;
        } else {
            signals.rearm.store(true, Ordering::Release);
            clock::pause(WITHOUT_EVENTS).await;
        }
        clock::pause(COALESCE).await;
    }
}

/// The file of that name, wherever a rotation moved the last one.
struct Log {
    file: Option<(File, u64)>,
    begun: bool,
}

impl Log {
    /// What came since; the rest of a file that was rotated away comes before its successor.
    fn read(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; CHUNK];
        if let Some((file, _)) = &mut self.file {
            let position = file.stream_position()?;
            if file.metadata()?.len() < position {
                // Emptied in place.
                file.rewind()?;
            }
            let n = file.read(&mut bytes)?;
            if n > 0 {
                bytes.truncate(n);
                return Ok(bytes);
            }
        }
        let now = match path.metadata() {
            Ok(meta) if meta.is_file() => Some(meta.ino()),
            Ok(_) => return Err(io::Error::other("it is not a regular file")),
            Err(e) if e.kind() == ErrorKind::NotFound => None,
            Err(e) => return Err(e),
        };
        let first = !std::mem::replace(&mut self.begun, true);
        let Some(inode) = now.filter(|inode| self.file.as_ref().map(|(_, i)| i) != Some(inode)) else {
            return Ok(Vec::new());
        };
        let mut file = File::open(path)?;
        if first {
            file.seek(SeekFrom::End(0))?;
        }
        let n = file.read(&mut bytes)?;
        self.file = Some((file, inode));
        bytes.truncate(n);
        Ok(bytes)
    }
}

/// Lines gathered into runs: a run ends with the milestone that says so.
struct Runs {
    output: Output,
    rules: Rules,
    heard: Option<Now>,
}

impl Runs {
    fn new(job: &Job) -> Self {
        let rules = Rules::of(job);
        Self { output: Output::new(rules.clone(), Redactor::default()), rules, heard: None }
    }

    fn feed(&mut self, job: &Job, bytes: &[u8], now: Now) -> Vec<RunRecord> {
        // What an earlier run said that never told its end is not of this one.
        if self.heard.replace(now).is_some_and(|heard| now.awake.since(heard.awake) > job.timeout) {
            self.take();
        }
        let mut ended = Vec::new();
        for piece in bytes.split_inclusive(|b| *b == b'\n') {
            let before = self.output.milestones.len();
            self.output.feed(piece);
            let last = self.output.milestones.last().filter(|_| self.output.milestones.len() > before);
            if last.is_some_and(run_ends) {
                let output = self.take();
                ended.push(record(job, output, now.wall));
            }
        }
        ended
    }

    fn take(&mut self) -> Output {
        std::mem::replace(&mut self.output, Output::new(self.rules.clone(), Redactor::default()))
    }
}

fn record(job: &Job, output: Output, ended: WallTime) -> RunRecord {
    let part = output.part();
    let Output { milestones, tail, admitted, .. } = output;
    let tail: Vec<String> = tail.into();
    let told = Told { milestones: &milestones, tail: &tail, admitted: &admitted };
    RunRecord {
        id: Ulid::generate().to_string(),
        job: job.name.clone(),
        started: milestones.last().and_then(|m| began(m, ended)).unwrap_or(ended),
        ended,
        outcome: judge_run(Exit::Code(0), told),
        exit: None,
        slot: None,
        part,
        milestones,
        tail,
    }
}

fn began(last: &Milestone, ended: WallTime) -> Option<WallTime> {
    let took = last.fields.get("duration_ms")?.as_f64().filter(|ms| *ms >= 0.0)?;
    let took = SignedDuration::try_from_secs_f64(took / 1000.0).ok()?;
    ended.0.checked_sub(took).ok().map(WallTime)
}
