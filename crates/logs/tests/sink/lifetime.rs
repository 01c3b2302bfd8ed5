//! Starting, ending, restarting; and logs that somebody else touches.

use std::fs;
use std::io::Write;
use std::process::Command;
use std::time::Duration;

use steady_logs::{Attachment, SinkClient, SinkError, open_fifo, tail};

use crate::home::{FIXTURE, Home, numbers, plain, wait_until, writer};

#[test]
fn a_sink_that_was_away_goes_on_with_what_waited_and_needs_no_agent_for_it() {
    let home = Home::new();
    let at = home.attachment(plain(1_000_000, 3));
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
    let at = home.attachment(plain(1000, 1));
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
    let at = home.attachment(plain(10_000, 3));
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
fn a_log_that_was_removed_or_emptied_by_hand_is_written_again_without_a_hole() {
    let home = Home::new();
    let at = home.attachment(plain(1_000_000, 3));
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
    let at = home.attachment(plain(1_000_000, 3));
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
        let note = "steady: 128 lines (131072 bytes) dropped, the log could not be written: No such file";
        let text = home.logged().1;
        text.starts_with(note) && text.ends_with("\nlast\n") && text.lines().count() == 2
    });
}

#[test]
fn a_bad_attachment_is_refused_with_its_reason() {
    let home = Home::new();
    let no_fifo = home.dir.path().join("plain");
    fs::write(&no_fifo, "").unwrap();
    let at = Attachment { fifo: no_fifo, ..home.attachment(plain(1000, 1)) };
    let error = home.client.attach(&at).unwrap_err().to_string();
    assert!(error.contains("brain") && error.contains("is not a FIFO"), "{error}");
}

#[test]
fn a_sink_that_cannot_start_says_why() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("sink")).unwrap();
    fs::write(dir.path().join("sink/brain.json"), "{").unwrap();
    let error = SinkClient::new(FIXTURE, dir.path()).ensure_running().unwrap_err().to_string();
    assert!(error.contains("sink/brain.json is damaged"), "{error}");
    let error = SinkClient::new("/no/such/steady", dir.path()).ensure_running().unwrap_err().to_string();
    assert!(error.contains("/no/such/steady sink") && error.contains("No such file"), "{error}");
}
