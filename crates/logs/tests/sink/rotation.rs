//! No rotation, compression or SIGKILL loses, doubles or tears a line; the bounds hold.

use std::fs;
use std::io::Write;
use std::time::Duration;

use steady_logs::open_fifo;
use steady_model::config::Rotation;

use crate::home::{Home, numbers, plain, wait_until, writer};

/// Nothing is left to be compressed.
fn is_packed(home: &Home) -> bool {
    let names = home.names();
    names
        .iter()
        .all(|n| n == "current" || n == ".dropped" || n.starts_with(".times-") || n.ends_with(".log.zst"))
}

#[test]
fn of_a_million_lines_none_is_lost_doubled_or_torn_over_rotations_compressions_and_sigkills() {
    const LINES: u64 = 1_000_000;
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut dice = fastrand::Rng::with_seed(seed);
    let home = Home::new();
    let at = home.attachment(Rotation { compress: true, ..plain(400_000, 1000) });
    // The agent's part: what a service wrote last must outlast both it and its sink.
    let _held = open_fifo(&at.fifo, true).unwrap();
    home.client.attach(&at).unwrap();
    let mut writing = writer(&at.fifo, 1, LINES);
    let (mut kills, mut in_compression) = (0, 0);
    while writing.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_micros(dice.u64(0..20_000)));
        home.kill_sink();
        kills += 1;
        in_compression += usize::from(home.names().iter().any(|n| n.ends_with(".tmp")));
        // And nothing else but start it again. What is attached, it knows.
        home.client.ensure_running().unwrap();
    }
    let ended = |text: &str| text.contains(&format!("\nline {LINES:07} ")) && text.ends_with('\n');
    wait_until("the last line", Duration::from_secs(20), || ended(&home.logged().1));
    wait_until("the last compression", Duration::from_secs(20), || is_packed(&home));
    let (files, text) = home.logged();
    let numbers = numbers(&text);
    let first_wrong = numbers.iter().zip(1..).find(|(n, expected)| *n != expected);
    assert_eq!((numbers.len() as u64, first_wrong), (LINES, None), "seed {seed}");
    assert!(files.len() > 50, "only {} files", files.len());
    assert!(kills >= 5, "only {kills} kills");
    println!(
        "{} files, {kills} SIGKILLs of the sink, {in_compression} of them in a compression",
        files.len()
    );
}

#[test]
fn a_sink_killed_in_the_middle_of_a_compression_leaves_the_archive_once_and_goes_on() {
    let home = Home::new();
    let at = home.attachment(Rotation { compress: true, ..plain(1_000_000, 5) });
    // Large, and hard to compress: the kill comes in time.
    let mut dice = fastrand::Rng::with_seed(7);
    let mut text = String::new();
    for n in 0..400_000 {
        text += &format!("line {n} {:016x}{:016x}\n", dice.u64(..), dice.u64(..));
    }
    let archive = home.logs().join("20261122T091530Z-00000001.log");
    fs::create_dir_all(home.logs()).unwrap();
    fs::write(&archive, &text).unwrap();
    home.client.attach(&at).unwrap();
    let temp = home.logs().join(".20261122T091530Z-00000001.log.zst.tmp");
    wait_until("half a compressed file", Duration::from_secs(20), || {
        fs::metadata(&temp).is_ok_and(|m| m.len() > 0)
    });
    home.kill_sink();
    assert!(temp.exists() && archive.exists(), "the kill came too late");
    assert_eq!(home.logged().1.len(), text.len());
    home.client.ensure_running().unwrap();
    wait_until("the compression", Duration::from_secs(20), || is_packed(&home) && !archive.exists());
    assert!(home.logged().1 == text);
    assert_eq!(home.names(), [".dropped", "20261122T091530Z-00000001.log.zst", "current"]);
}

#[test]
fn both_bounds_hold_at_every_moment_and_the_newest_lines_are_the_ones_kept() {
    let home = Home::new();
    let total = 60_000;
    let at = home.attachment(Rotation { total_bytes: Some(total), ..plain(10_000, 100) });
    home.client.attach(&at).unwrap();
    let mut writing = writer(&at.fifo, 1, 100_000);
    let used = || -> u64 {
        let sizes =
            home.names().into_iter().map(|n| fs::metadata(home.logs().join(n)).map_or(0, |m| m.len()));
        sizes.sum()
    };
    while writing.try_wait().unwrap().is_none() {
        // The end of a line, an index of the current file, and a file that is being pruned.
        assert!(used() <= total + 10_000 + 1_000, "{}", used());
    }
    assert!(writing.wait().unwrap().success());
    wait_until("the last line", Duration::from_secs(10), || home.logged().1.contains("line 0100000 "));
    let (files, text) = home.logged();
    let kept = numbers(&text);
    assert_eq!(kept, (kept[0]..=100_000).collect::<Vec<_>>());
    assert!(files.len() >= 5 && used() <= total + 1_000, "{files:?}");
}

#[test]
fn a_file_ends_at_its_age_without_a_further_line_and_also_after_a_restart() {
    let home = Home::new();
    let at = home.attachment(Rotation { max_age: Some(Duration::from_secs(2)), ..plain(1_000_000, 9) });
    let mut service = open_fifo(&at.fifo, false).unwrap();
    home.client.attach(&at).unwrap();
    service.write_all(b"one\n").unwrap();
    wait_until("the first line", Duration::from_secs(5), || home.logged().1 == "one\n");
    home.kill_sink();
    home.client.ensure_running().unwrap();
    wait_until("the end of the first file", Duration::from_secs(10), || home.logged().0.len() == 2);
    service.write_all(b"two\nhal").unwrap();
    wait_until("the second line", Duration::from_secs(5), || home.logged().1 == "one\ntwo\nhal");
    // A growing line keeps its file, however old, and the sink does not spin over it.
    let ticks = || cpu_ticks(&home);
    std::thread::sleep(Duration::from_millis(2500));
    let before = ticks();
    std::thread::sleep(Duration::from_millis(500));
    assert!(ticks() - before <= 5, "busy while nothing happens");
    assert_eq!(home.logged().0.len(), 2);
    service.write_all(b"f\nthree\n").unwrap();
    wait_until("the end of the second file", Duration::from_secs(5), || {
        let (files, text) = home.logged();
        files.len() == 3 && text == "one\ntwo\nhalf\nthree\n" && fs::read(&files[2]).unwrap() == b"three\n"
    });
}

/// Processor time of the sink, in hundredths of a second.
fn cpu_ticks(home: &Home) -> u64 {
    let pid = home.sink_pid().unwrap().as_raw_nonzero();
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}
