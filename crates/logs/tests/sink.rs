//! The sink as a real process: rotations under SIGKILL, restarts, a full disk, followers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test ends where it fails"
)]
#![allow(clippy::disallowed_methods, reason = "the tests wait in real time")]

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use steady_logs::{Attachment, Follower, SinkClient, SinkError, make_fifo, open_fifo, tail};

const FIXTURE: &str = env!("CARGO_BIN_EXE_steady-logs-fixture");

struct Home {
    dir: tempfile::TempDir,
    client: SinkClient,
}

impl Home {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let client = SinkClient::new(FIXTURE, dir.path());
        Self { dir, client }
    }

    fn attachment(&self, max_bytes: u64, keep: u32) -> Attachment {
        let fifo = self.dir.path().join("brain.fifo");
        make_fifo(&fifo).unwrap();
        Attachment { service: "brain".into(), fifo, dir: self.logs(), max_bytes, keep }
    }

    fn logs(&self) -> PathBuf {
        self.dir.path().join("logs/brain")
    }

    fn sink_pid(&self) -> Option<Pid> {
        let note = fs::read(self.dir.path().join("sink.lock")).ok()?;
        let note: serde_json::Value = serde_json::from_slice(&note).ok()?;
        Pid::from_raw(i32::try_from(note["pid"].as_i64()?).ok()?)
    }

    /// Kills the sink at whatever it does just now, and returns once it is gone.
    fn kill_sink(&self) {
        let mut line = UnixStream::connect(self.client.socket()).unwrap();
        kill_process(self.sink_pid().expect("a sink runs"), Signal::KILL).unwrap();
        // The end of the connection, as an end of file or as a reset, is the end of the sink.
        let _ = line.read(&mut [0]);
    }

    /// All that was logged, oldest first.
    fn logged(&self) -> (Vec<PathBuf>, String) {
        loop {
            let mut files: Vec<PathBuf> =
                fs::read_dir(self.logs()).unwrap().map(|e| e.unwrap().path()).collect();
            // The sequence decides; `current` and `.next` have none and come last.
            files.sort_by_key(|f| {
                let name = f.file_name().unwrap().to_string_lossy().into_owned();
                name.rsplit_once('-').map_or("~".to_owned(), |(_, seq)| seq.to_owned())
            });
            // A rotation may come between the list and the reading.
            let texts: Result<Vec<String>, _> = files.iter().map(fs::read_to_string).collect();
            if let Ok(texts) = texts {
                return (files, texts.concat());
            }
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = self.client.quit();
    }
}

fn wait_until(what: &str, limit: Duration, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < limit, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn writer(fifo: &Path, first: u64, last: u64) -> Child {
    Command::new(FIXTURE)
        .args(["write", &fifo.to_string_lossy(), &first.to_string(), &last.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn numbers(text: &str) -> Vec<u64> {
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

#[test]
fn no_line_is_lost_doubled_or_torn_over_rotations_and_sigkills_of_the_sink() {
    const LINES: u64 = 100_000;
    let home = Home::new();
    let at = home.attachment(100_000, 1000);
    // The agent's part: what a service wrote last must outlast both it and its sink.
    let _held = open_fifo(&at.fifo, true).unwrap();
    home.client.attach(&at).unwrap();
    let mut writing = writer(&at.fifo, 1, LINES);
    let mut kills = 0;
    while writing.try_wait().unwrap().is_none() {
        // Each time after some more output, at a point that nothing chooses.
        let before = home.logged().0.len();
        wait_until("more output", Duration::from_secs(20), || {
            home.logged().0.len() > before || writing.try_wait().unwrap().is_some()
        });
        home.kill_sink();
        kills += 1;
        // And nothing else but start it again. What is attached, it knows.
        home.client.ensure_running().unwrap();
    }
    let ended = |text: &str| text.contains(&format!("\nline {LINES:07} ")) && text.ends_with('\n');
    wait_until("the last line", Duration::from_secs(20), || ended(&home.logged().1));
    let (files, text) = home.logged();
    assert_eq!(numbers(&text), (1..=LINES).collect::<Vec<_>>());
    assert!(files.len() > 20, "only {} files", files.len());
    assert!(kills >= 5, "only {kills} kills");
    for file in &files {
        // Beyond the limit only by the end of one line, of 50 bytes at most.
        assert!(fs::metadata(file).unwrap().len() <= 100_050, "{}", file.display());
    }
    println!("{} files, {kills} SIGKILLs of the sink", files.len());
}

#[test]
fn a_sink_that_was_away_goes_on_with_what_waited_and_needs_no_agent_for_it() {
    let home = Home::new();
    let at = home.attachment(1_000_000, 3);
    // The service (here: this test) holds its own end, as services do.
    let mut service = open_fifo(&at.fifo, false).unwrap();
    home.client.attach(&at).unwrap();
    service.write_all(b"before\n").unwrap();
    wait_until("the first line", Duration::from_secs(5), || home.logged().1 == "before\n");
    home.kill_sink();
    service.write_all(b"while it was away\n").unwrap();
    home.client.ensure_running().unwrap();
    wait_until("the line that waited", Duration::from_secs(5), || {
        home.logged().1 == "before\nwhile it was away\n"
    });
}

#[test]
fn a_second_sink_of_the_same_home_leaves_the_work_to_the_first() {
    let home = Home::new();
    home.client.ensure_running().unwrap();
    let first = home.sink_pid();
    let second =
        Command::new(FIXTURE).args(["sink", "--home", &home.dir.path().to_string_lossy()]).output().unwrap();
    assert!(second.status.success());
    assert!(second.stdout.is_empty() && second.stderr.is_empty());
    assert_eq!(home.sink_pid(), first);
    home.client.ensure_running().unwrap();
}

#[test]
fn a_sink_that_was_told_to_quit_is_not_started_again_by_the_same_agent() {
    let home = Home::new();
    let at = home.attachment(1000, 1);
    home.client.attach(&at).unwrap();
    let clone = home.client.clone();
    home.client.quit().unwrap();
    assert!(matches!(clone.attach(&at), Err(SinkError::Closed { .. })));
    assert_eq!(home.sink_pid(), None);
    let next = SinkClient::new(FIXTURE, home.dir.path());
    next.attach(&at).unwrap();
    next.quit().unwrap();
}

#[test]
fn only_the_newest_files_are_kept() {
    let home = Home::new();
    let at = home.attachment(10_000, 3);
    home.client.attach(&at).unwrap();
    assert!(writer(&at.fifo, 1, 5_000).wait().unwrap().success());
    wait_until("the last line", Duration::from_secs(10), || home.logged().1.contains("line 0005000 "));
    let (files, text) = home.logged();
    assert_eq!(files.len(), 4);
    let kept = numbers(&text);
    assert_eq!(kept, (kept[0]..=5_000).collect::<Vec<_>>());
    assert_eq!(numbers(&tail(&home.logs(), 700).unwrap().join("\n")), (4_301..=5_000).collect::<Vec<_>>());
}

#[test]
fn a_follower_sees_every_line_once_across_rotations() {
    let home = Home::new();
    let at = home.attachment(50_000, 1000);
    home.client.attach(&at).unwrap();
    assert!(writer(&at.fifo, 1, 100).wait().unwrap().success());
    wait_until("the first lines", Duration::from_secs(5), || home.logged().1.contains("line 0000100 "));
    let mut follower = Follower::new(&home.logs(), 10).unwrap();
    let mut writing = writer(&at.fifo, 101, 20_000);
    let mut seen = Vec::new();
    while seen.last() != Some(&20_000) {
        let lines = follower.next_lines(Duration::from_secs(10)).unwrap();
        assert!(!lines.is_empty(), "nothing after {:?}", seen.last());
        seen.extend(numbers(&lines.join("\n")));
    }
    assert!(writing.wait().unwrap().success());
    assert_eq!(seen, (91..=20_000).collect::<Vec<_>>());
}

#[test]
fn a_log_that_was_removed_or_emptied_by_hand_is_written_again_without_a_hole() {
    let home = Home::new();
    let at = home.attachment(1_000_000, 3);
    home.client.attach(&at).unwrap();
    let mut service = open_fifo(&at.fifo, false).unwrap();
    let current = home.logs().join("current");
    let reads = |text: &str| fs::read_to_string(&current).is_ok_and(|t| t == text);
    service.write_all(b"one\n").unwrap();
    wait_until("one", Duration::from_secs(5), || reads("one\n"));
    fs::write(&current, "").unwrap();
    service.write_all(b"two\n").unwrap();
    wait_until("two", Duration::from_secs(5), || reads("two\n"));
    fs::remove_file(&current).unwrap();
    service.write_all(b"three\n").unwrap();
    wait_until("three", Duration::from_secs(5), || reads("three\n"));
}

#[test]
fn lines_that_cannot_be_written_are_counted_and_never_block_the_service() {
    let home = Home::new();
    let at = home.attachment(1_000_000, 3);
    home.client.attach(&at).unwrap();
    let mut service = open_fifo(&at.fifo, false).unwrap();
    service.write_all(b"first\n").unwrap();
    wait_until("the first line", Duration::from_secs(5), || home.logged().1 == "first\n");
    // The directory is gone and cannot be made again: nothing can be written.
    let aside = home.dir.path().join("aside");
    fs::rename(home.logs(), &aside).unwrap();
    fs::remove_file(aside.join("current")).unwrap();
    // Twice what a FIFO holds: it blocks for ever unless it is drained.
    let line = format!("{}\n", "x".repeat(1023));
    for _ in 0..128 {
        service.write_all(line.as_bytes()).unwrap();
    }
    let drained = || rustix::io::ioctl_fionread(&service).unwrap() == 0;
    wait_until("all was drained", Duration::from_secs(5), drained);
    fs::rename(&aside, home.logs()).unwrap();
    service.write_all(b"last\n").unwrap();
    wait_until("the note", Duration::from_secs(5), || {
        home.logged().1 == "steady: 128 lines dropped, the log could not be written\nlast\n"
    });
}

#[test]
fn a_bad_attachment_is_refused_with_its_reason() {
    let home = Home::new();
    let plain = home.dir.path().join("plain");
    fs::write(&plain, "").unwrap();
    let at = Attachment { fifo: plain, ..home.attachment(1000, 1) };
    let error = home.client.attach(&at).unwrap_err().to_string();
    assert!(error.contains("brain") && error.contains("is not a FIFO"), "{error}");
}

#[test]
fn a_sink_that_cannot_start_says_why() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("sink.json"), "{").unwrap();
    let error = SinkClient::new(FIXTURE, dir.path()).ensure_running().unwrap_err().to_string();
    assert!(error.contains("sink.json is damaged"), "{error}");
    let error = SinkClient::new("/no/such/steady", dir.path()).ensure_running().unwrap_err().to_string();
    assert!(error.contains("/no/such/steady sink") && error.contains("No such file"), "{error}");
}
