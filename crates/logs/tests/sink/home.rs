//! A home with its own sink, and what a test asks of it.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use steady_logs::{Attachment, SinkClient, make_fifo};
use steady_model::config::Rotation;

pub const FIXTURE: &str = env!("CARGO_BIN_EXE_steady-logs-fixture");

pub struct Home {
    pub dir: tempfile::TempDir,
    pub client: SinkClient,
}

/// Plain files, bounded by size and number.
pub fn plain(max_bytes: u64, keep: u32) -> Rotation {
    Rotation { max_bytes, keep, max_age: None, total_bytes: None, compress: false }
}

impl Home {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let client = SinkClient::new(FIXTURE, dir.path());
        Self { dir, client }
    }

    pub fn attachment(&self, rotation: Rotation) -> Attachment {
        self.attachment_of("brain", rotation)
    }

    pub fn attachment_of(&self, service: &str, rotation: Rotation) -> Attachment {
        let fifo = self.dir.path().join(format!("{service}.fifo"));
        make_fifo(&fifo).unwrap();
        Attachment {
            service: service.into(),
            fifo,
            dir: self.dir.path().join("logs").join(service),
            rotation,
        }
    }

    pub fn logs(&self) -> PathBuf {
        self.dir.path().join("logs/brain")
    }

    pub fn sink_pid(&self) -> Option<Pid> {
        let note = fs::read(self.dir.path().join("sink.lock")).ok()?;
        let note: serde_json::Value = serde_json::from_slice(&note).ok()?;
        Pid::from_raw(i32::try_from(note["pid"].as_i64()?).ok()?)
    }

    /// Kills the sink at whatever it does just now, and returns once it is gone.
    pub fn kill_sink(&self) {
        let mut line = UnixStream::connect(self.client.socket()).unwrap();
        kill_process(self.sink_pid().expect("a sink runs"), Signal::KILL).unwrap();
        // The end of the connection, as an end of file or as a reset, is the end of the sink.
        let _ = line.read(&mut [0]);
    }

    /// All that was logged, oldest first.
    pub fn logged(&self) -> (Vec<PathBuf>, String) {
        let (files, bytes) = logged_in(&self.logs());
        (files, String::from_utf8(bytes).unwrap())
    }

    /// Everything that the directory shows, hidden or not.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.logs())
            .unwrap()
            .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

/// By hand, not by what is tested: a plain file and its compressed form are one, the sequence decides.
pub fn logged_in(dir: &Path) -> (Vec<PathBuf>, Vec<u8>) {
    let mut tries = 0;
    loop {
        let mut files: BTreeMap<u64, PathBuf> = BTreeMap::new();
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if name == "current" {
                files.insert(u64::MAX, path);
            } else if !name.starts_with('.') {
                let seq = name.trim_end_matches(".zst").trim_end_matches(".log").rsplit_once('-').unwrap().1;
                let kept = files.entry(seq.parse().unwrap()).or_insert_with(|| path.clone());
                if !name.ends_with(".zst") {
                    *kept = path;
                }
            }
        }
        let sequences: Vec<u64> = files.keys().copied().filter(|seq| *seq < u64::MAX).collect();
        let gapless = sequences.windows(2).all(|w| w[1] == w[0] + 1) && files.contains_key(&u64::MAX);
        let files: Vec<PathBuf> = files.into_values().collect();
        // A rotation or a compression may come between the list and the reading.
        let bytes: Result<Vec<Vec<u8>>, _> = files.iter().map(|f| bytes_of(f)).collect();
        match bytes {
            Ok(bytes) if gapless => return (files, bytes.concat()),
            _ => tries += 1,
        }
        std::thread::sleep(Duration::from_millis(1));
        assert!(tries < 1000, "an archive is missing, or the log never holds still");
    }
}

fn bytes_of(file: &Path) -> std::io::Result<Vec<u8>> {
    let bytes = fs::read(file)?;
    if file.extension().is_some_and(|e| e == "zst") { zstd::decode_all(bytes.as_slice()) } else { Ok(bytes) }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = self.client.quit();
    }
}

pub fn wait_until(what: &str, limit: Duration, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < limit, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

pub fn fixture(args: &[&str]) -> Child {
    Command::new(FIXTURE).args(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

pub fn writer(fifo: &Path, first: u64, last: u64) -> Child {
    fixture(&["write", &fifo.to_string_lossy(), &first.to_string(), &last.to_string()])
}

/// The numbers of whole lines; panics at a torn one.
pub fn numbers(text: &str) -> Vec<u64> {
    text.lines()
        .map(|line| {
            let mut words = line.split(' ');
            assert_eq!(words.next(), Some("line"), "torn: {line:?}");
            let n: u64 = words.next().unwrap().parse().unwrap();
            assert_eq!(words.next().unwrap().len() as u64, n % 37, "torn: {line:?}");
            n
        })
        .collect()
}
