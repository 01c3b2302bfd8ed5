//! `runs/<job>.jsonl`: one line when a run starts, one with its record when it ends.
//!
//! Version 1: `{"version":1,"kind":"started","run":…,"at":…}` and `{"version":1,"kind":"finished","record":{…}}`.
//! A started run without an end is one that the agent did not see to its end. A torn last line (power loss,
//! full disk) is skipped, and the next one starts on a line of its own.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use steady_disk::{create_private_dir, fsync_dir, write_atomic};
use steady_model::job::RunRecord;
use steady_model::time::WallTime;

use crate::error::SyncError;

const VERSION: u32 = 1;
const MODE: u32 = 0o600;
/// Runs kept when the file is made small again.
pub const KEPT: usize = 200;
/// Lines beyond which it is: each run takes two.
const LINES: usize = 4 * KEPT;

#[derive(Debug, Serialize, Deserialize)]
struct Line {
    version: u32,
    #[serde(flatten)]
    entry: Entry,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Entry {
    Started {
        run: String,
        at: WallTime,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        slot: Option<WallTime>,
    },
    Finished {
        record: RunRecord,
    },
}

/// What the file tells.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Past {
    /// Oldest first.
    pub runs: Vec<RunRecord>,
    /// The run that started last, if its end is not recorded.
    pub unfinished: Option<Unfinished>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    pub run: String,
    pub at: WallTime,
    pub slot: Option<WallTime>,
}

/// One job's file.
#[derive(Debug, Clone)]
pub struct History {
    path: PathBuf,
}

impl History {
    pub fn of(home: &Path, job: &str) -> Self {
        Self { path: home.join("runs").join(format!("{job}.jsonl")) }
    }

    pub fn load(&self) -> Result<Past, SyncError> {
        let bytes = match fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Past::default()),
            Err(e) => return Err(self.failed("read")(e)),
        };
        let mut past = Past::default();
        for line in bytes.split(|b| *b == b'\n').filter(|l| !l.is_empty()) {
            match serde_json::from_slice::<Line>(line) {
                Ok(Line { version: VERSION, entry: Entry::Started { run, at, slot } }) => {
                    past.unfinished = Some(Unfinished { run, at, slot });
                }
                Ok(Line { version: VERSION, entry: Entry::Finished { record } }) => {
                    past.unfinished.take_if(|open| open.run == record.id);
                    past.runs.push(record);
                }
                Ok(line) => {
                    tracing::warn!(path = %self.path.display(), "skipped a line of version {}", line.version);
                }
                Err(e) => {
                    tracing::warn!(path = %self.path.display(), "skipped a line that is no run: {e}");
                }
            }
        }
        past.runs.drain(..past.runs.len().saturating_sub(KEPT));
        Ok(past)
    }

    /// Adds a line and makes it durable.
    pub fn append(&self, entry: Entry) -> Result<(), SyncError> {
        self.ensure_dir()?;
        let mut line = serde_json::to_vec(&Line { version: VERSION, entry })
            .map_err(|e| self.failed("write a line for")(e.into()))?;
        line.push(b'\n');
        let lines = self.write_line(line).map_err(self.failed("append to"))?;
        if lines > LINES { self.shorten() } else { Ok(()) }
    }

    /// Returns how many lines there are.
    fn write_line(&self, mut line: Vec<u8>) -> io::Result<usize> {
        let mut file = OpenOptions::new().read(true).append(true).create(true).mode(MODE).open(&self.path)?;
        if file.metadata()?.len() > 0 {
            let mut last = [0];
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                line.insert(0, b'\n');
            }
        }
        file.write_all(&line)?;
        file.sync_all()?;
        count_lines(file)
    }

    fn shorten(&self) -> Result<(), SyncError> {
        let past = self.load()?;
        let started = past.unfinished.map(|Unfinished { run, at, slot }| Entry::Started { run, at, slot });
        let entries = past.runs.into_iter().map(|record| Entry::Finished { record }).chain(started);
        let mut text = Vec::new();
        for entry in entries {
            serde_json::to_writer(&mut text, &Line { version: VERSION, entry })
                .map_err(|e| self.failed("shorten")(e.into()))?;
            text.push(b'\n');
        }
        Ok(write_atomic(&self.path, &text, MODE)?)
    }

    fn ensure_dir(&self) -> Result<(), SyncError> {
        if let Some(dir) = self.path.parent()
            && !dir.is_dir()
        {
            create_private_dir(dir)?;
            fsync_dir(dir.parent().unwrap_or(dir))?;
        }
        Ok(())
    }

    fn failed(&self, action: &'static str) -> impl FnOnce(io::Error) -> SyncError {
        let path = self.path.clone();
        move |source| SyncError::History { action, path, source }
    }
}

fn count_lines(mut file: File) -> io::Result<usize> {
    file.rewind()?;
    let mut buffer = vec![0; 64 << 10];
    let mut lines = 0;
    loop {
        let n = file.read(&mut buffer)?;
        if n == 0 {
            return Ok(lines);
        }
        lines += buffer.iter().take(n).filter(|b| **b == b'\n').count();
    }
}
