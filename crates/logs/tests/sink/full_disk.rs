//! A disk that fills up: the service is never held up, and what is missing is counted exactly.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use steady_logs::{SinkEvent, open_fifo};

use crate::home::{Home, numbers, plain, wait_until, writer};

/// A file system of 20 MB of its own, where root may make one.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn at(dir: &Path) -> Option<Self> {
        fs::create_dir_all(dir).unwrap();
        let made = Command::new("mount").args(["-t", "tmpfs", "-o", "size=20m", "tmpfs"]).arg(dir).output();
        match made {
            Ok(out) if out.status.success() => Some(Self(dir.to_owned())),
            refused => {
                println!("SKIPPED: a tmpfs cannot be mounted here: {refused:?}");
                None
            }
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// What the notes in the log say in all, lines and bytes; and the other lines.
fn split_notes(text: &str) -> (u64, u64, String) {
    let (mut lines, mut bytes, mut others) = (0, 0, String::new());
    for line in text.lines() {
        if let Some(note) = line.strip_prefix("steady: ") {
            assert!(note.ends_with("No space left on device (os error 28)"), "{note}");
            let mut words = note.split(' ');
            lines += words.next().unwrap().parse::<u64>().unwrap();
            bytes += words.nth(1).unwrap().trim_start_matches('(').parse::<u64>().unwrap();
        } else {
            others += line;
            others.push('\n');
        }
    }
    (lines, bytes, others)
}

fn line_bytes(last: u64) -> u64 {
    (1..=last).map(|n| "line 0000000 \n".len() as u64 + n % 37).sum()
}

#[test]
fn on_a_disk_that_fills_up_twice_all_lines_are_in_the_log_or_counted() {
    const LINES: u64 = 1_000_000;
    let home = Home::new();
    // Before the home goes, so that nothing is left in it.
    let Some(disk) = SmallDisk::at(&home.logs()) else { return };
    let at = home.attachment(plain(1_000_000, 1000));
    let _held = open_fifo(&at.fifo, true).unwrap();
    home.client.attach(&at).unwrap();
    let events = home.client.subscribe().unwrap();
    let ballast = |name: &str| home.dir.path().join("logs/brain").join(name);
    for name in [".one", ".two"] {
        fs::write(ballast(name), vec![0; 3_000_000]).unwrap();
    }
    let dropped = || home.client.stats().unwrap()[0].dropped_lines;
    let mut next = 1;
    for (name, last) in [(".one", 600_000), (".two", LINES - 1)] {
        assert!(writer(&at.fifo, next, last).wait().unwrap().success(), "the service was held up");
        wait_until("drops", Duration::from_secs(20), || dropped() > 0);
        fs::remove_file(ballast(name)).unwrap();
        next = last + 1;
        // Room comes back while the service is silent: nothing but the sink's own retry finds it.
        let seen = dropped();
        wait_until("the note", Duration::from_secs(20), || {
            let (lines, _, _) = split_notes(&home.logged().1);
            lines >= seen
        });
    }
    assert!(writer(&at.fifo, LINES, LINES).wait().unwrap().success());
    wait_until("the last line", Duration::from_secs(20), || {
        home.logged().1.contains(&format!("\nline {LINES:07} x\n"))
    });
    let (lines, bytes, others) = split_notes(&home.logged().1);
    let numbers = numbers(&others);
    assert!(numbers.windows(2).all(|w| w[0] < w[1]), "doubled or out of order");
    assert_eq!((numbers[0], *numbers.last().unwrap()), (1, LINES));
    assert_eq!(numbers.len() as u64 + lines, LINES);
    assert_eq!(others.len() as u64 + bytes, line_bytes(LINES));
    assert!(lines > 100_000, "the disk hardly filled: {lines}");
    let stats = &home.client.stats().unwrap()[0];
    assert_eq!((stats.dropped_lines, stats.dropped_bytes), (lines, bytes));
    home.kill_sink();
    let told: Vec<SinkEvent> = events.collect();
    let ended: Vec<(u64, u64)> = told
        .iter()
        .filter_map(|event| match event {
            SinkEvent::Dropped { lines, bytes, ended: true, .. } => Some((*lines, *bytes)),
            _ => None,
        })
        .collect();
    let begun = told.iter().filter(|e| matches!(e, SinkEvent::Dropped { ended: false, .. })).count();
    assert_eq!(begun, ended.len());
    assert_eq!(ended.iter().fold((0, 0), |sum, e| (sum.0 + e.0, sum.1 + e.1)), (lines, bytes));
    home.client.ensure_running().unwrap();
    home.client.quit().unwrap();
    drop(disk);
}

#[test]
fn a_sink_that_starts_on_a_full_disk_drains_all_the_same() {
    let home = Home::new();
    let Some(disk) = SmallDisk::at(&home.logs()) else { return };
    let at = home.attachment(plain(1_000_000, 1000));
    home.client.attach(&at).unwrap();
    home.kill_sink();
    fs::remove_file(home.logs().join("current")).unwrap();
    // As full as it gets, without the log itself.
    let mut ballast = fs::File::create(home.logs().join(".ballast")).unwrap();
    while ballast.write_all(&[0; 4096]).is_ok() {}
    home.client.ensure_running().unwrap();
    let mut service = open_fifo(&at.fifo, false).unwrap();
    let line = format!("{}\n", "x".repeat(1023));
    for _ in 0..256 {
        service.write_all(line.as_bytes()).unwrap();
    }
    wait_until("all is drained", Duration::from_secs(10), || {
        home.client.stats().unwrap().first().is_some_and(|s| s.dropped_lines == 256)
    });
    drop(ballast);
    fs::remove_file(home.logs().join(".ballast")).unwrap();
    service.write_all(b"last\n").unwrap();
    wait_until("the note", Duration::from_secs(10), || {
        let (lines, bytes, others) = split_notes(&home.logged().1);
        (lines, bytes, others.as_str()) == (256, 256 * 1024, "last\n")
    });
    home.client.quit().unwrap();
    drop(disk);
}

#[test]
fn a_sink_that_is_killed_while_it_drops_leaves_its_count_to_the_next() {
    let home = Home::new();
    let Some(disk) = SmallDisk::at(&home.logs()) else { return };
    let at = home.attachment(plain(1_000_000, 1000));
    home.client.attach(&at).unwrap();
    let mut service = open_fifo(&at.fifo, false).unwrap();
    service.write_all(b"first\n").unwrap();
    wait_until("the first line", Duration::from_secs(10), || home.logged().1 == "first\n");
    let mut ballast = fs::File::create(home.logs().join(".ballast")).unwrap();
    while ballast.write_all(&[0; 4096]).is_ok() {}
    // The block that the log has already is filled too.
    service.write_all(format!("{}\n", "y".repeat(4095 - 6)).as_bytes()).unwrap();
    let line = format!("{}\n", "x".repeat(1023));
    let dropped = || home.client.stats().unwrap().first().map_or(0, |s| s.dropped_bytes);
    for round in 1..=5 {
        for _ in 0..20 {
            service.write_all(line.as_bytes()).unwrap();
        }
        // The last line of a round is cut in half by the kill.
        service.write_all(b"half").unwrap();
        wait_until("all is drained", Duration::from_secs(10), || dropped() == round * (20 * 1024 + 10) - 6);
        home.kill_sink();
        service.write_all(b" more\n").unwrap();
        home.client.ensure_running().unwrap();
        wait_until("the rest is drained", Duration::from_secs(10), || dropped() == round * (20 * 1024 + 10));
    }
    drop(ballast);
    fs::remove_file(home.logs().join(".ballast")).unwrap();
    service.write_all(b"last\n").unwrap();
    wait_until("the note", Duration::from_secs(10), || home.logged().1.ends_with("\nlast\n"));
    let (lines, bytes, others) = split_notes(&home.logged().1);
    assert_eq!((lines, bytes), (5 * 21, 5 * (20 * 1024 + 10)));
    assert_eq!(others.lines().count(), 3, "{others}");
    // Said once is enough.
    home.kill_sink();
    home.client.ensure_running().unwrap();
    service.write_all(b"after\n").unwrap();
    wait_until("the line after", Duration::from_secs(10), || home.logged().1.ends_with("\nlast\nafter\n"));
    assert_eq!(split_notes(&home.logged().1).0, 5 * 21);
    home.client.quit().unwrap();
    drop(disk);
}
