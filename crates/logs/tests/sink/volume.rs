//! Much output of one service, and many services.

use std::fs;
use std::io::Write;
use std::time::{Duration, Instant};

use steady_logs::open_fifo;
use steady_model::config::Rotation;

use crate::home::{Home, fixture, plain, wait_until};

#[test]
fn a_gigabyte_of_one_service_does_not_keep_anothers_lines_waiting() {
    let home = Home::new();
    let loud = home.attachment_of("loud", Rotation { compress: true, ..plain(10_000_000, 2) });
    let quiet = home.attachment(plain(1_000_000, 2));
    let mut service = open_fifo(&quiet.fifo, false).unwrap();
    home.client.attach(&loud).unwrap();
    home.client.attach(&quiet).unwrap();
    let mut pouring = fixture(&["pour", &loud.fifo.to_string_lossy(), "1024"]);
    let (mut lines, mut slowest) = (0, Duration::ZERO);
    while pouring.try_wait().unwrap().is_none() {
        writeln!(service, "quiet {lines}").unwrap();
        lines += 1;
        let begun = Instant::now();
        wait_until("the quiet line", Duration::from_secs(5), || {
            fs::read_to_string(home.logs().join("current")).unwrap().lines().count() == lines
        });
        slowest = slowest.max(begun.elapsed());
    }
    println!("{lines} quiet lines, the slowest after {slowest:?}");
    assert!(pouring.wait().unwrap().success());
    assert!(lines > 20, "only {lines} lines in all that time");
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
    let poured = home.client.stats().unwrap().into_iter().find(|s| s.service == "loud").unwrap();
    assert!(poured.bytes > 1_000_000_000 && poured.dropped_bytes == 0, "{poured:?}");
}

#[test]
fn the_memory_of_a_sink_with_100_services_does_not_grow_with_what_they_write() {
    let home = Home::new();
    let mut services = Vec::new();
    for n in 0..100 {
        let at = home.attachment_of(&format!("s{n}"), Rotation { compress: true, ..plain(300_000, 3) });
        services.push(open_fifo(&at.fifo, false).unwrap());
        home.client.attach(&at).unwrap();
    }
    let block = "a line of one of many services, not unlike the others\n".repeat(1200);
    let mut written = 0;
    let mut write = |rounds: u64| {
        for _ in 0..rounds {
            for service in &mut services {
                service.write_all(block.as_bytes()).unwrap();
            }
            written += block.len() as u64;
        }
        wait_until("all bytes", Duration::from_secs(20), || {
            home.client.stats().unwrap().iter().all(|s| s.bytes == written)
        });
        settled(&home)
    };
    let warm = write(12);
    let later = write(36);
    println!("anonymous memory {warm} kB, later {later} kB");
    assert!(later < warm + 300, "it grew from {warm} kB to {later} kB");
}

/// Memory of its own once the sink has no work left, kB. Not the PSS, which also grows when another process
/// that runs the same program ends.
fn settled(home: &Home) -> u64 {
    let pid = home.sink_pid().unwrap().as_raw_nonzero();
    wait_until("the worker's end", Duration::from_secs(20), || {
        fs::read_dir(format!("/proc/{pid}/task")).unwrap().count() == 1
    });
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let of =
        |key: &str| rollup.lines().find(|l| l.starts_with(key)).unwrap().split_whitespace().nth(1).unwrap();
    println!("PSS {} kB", of("Pss:"));
    of("Anonymous:").parse().unwrap()
}
