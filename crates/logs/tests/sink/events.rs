//! What the sink tells unasked, and its figures.

use std::io::Write;
use std::time::Duration;

use steady_logs::{ServiceStats, SinkEvent, open_fifo};

use crate::home::{Home, plain, wait_until, writer};

#[test]
fn a_flood_of_one_line_is_told_once_and_again_to_who_comes_later() {
    let home = Home::new();
    let at = home.attachment(plain(10_000_000, 3));
    let mut service = open_fifo(&at.fifo, false).unwrap();
    home.client.attach(&at).unwrap();
    let mut early = home.client.subscribe().unwrap();
    service.write_all(b"starting\n").unwrap();
    for n in 0..2000 {
        // Other lines between, fewer than it takes.
        writeln!(service, "retry {}", n / 500).unwrap();
    }
    let line = format!("cannot bind: {}", "address in use ".repeat(30));
    for _ in 0..5000 {
        writeln!(service, "{line}").unwrap();
    }
    service.write_all(b"something else\n").unwrap();
    let told = early.next().unwrap();
    let SinkEvent::Flood { service: name, line: shown, count, ended: false } = told else {
        panic!("{told:?}")
    };
    assert_eq!((name.as_str(), shown), ("brain", line.chars().take(200).collect::<String>()));
    assert!((1000..=5000).contains(&count), "{count}");
    wait_until("the other line", Duration::from_secs(5), || home.logged().1.ends_with("something else\n"));
    let late = home.client.subscribe().unwrap().next().unwrap();
    assert!(matches!(late, SinkEvent::Flood { count: 5000, ended: false, .. }), "{late:?}");
}

#[test]
fn a_subscription_ends_with_its_sink() {
    let home = Home::new();
    home.client.ensure_running().unwrap();
    let mut events = home.client.subscribe().unwrap();
    let waiting = std::thread::spawn(move || events.next());
    home.kill_sink();
    assert_eq!(waiting.join().unwrap(), None);
    assert!(home.client.subscribe().is_err(), "nobody is there, and nobody is started");
}

#[test]
fn figures_are_those_of_what_was_written() {
    let home = Home::new();
    let at = home.attachment(plain(10_000, 3));
    home.client.attach(&at).unwrap();
    home.client.attach(&home.attachment_of("other", plain(10_000, 3))).unwrap();
    assert!(writer(&at.fifo, 1, 5_000).wait().unwrap().success());
    let bytes: u64 = (1..=5_000u64).map(|n| 14 + n % 37).sum();
    let brain = || home.client.stats().unwrap().into_iter().find(|s| s.service == "brain").unwrap();
    wait_until("all bytes", Duration::from_secs(10), || brain().bytes == bytes);
    let stats = home.client.stats().unwrap();
    assert_eq!(stats.len(), 2);
    assert_eq!(stats[1], ServiceStats { service: "other".into(), ..ServiceStats::default() });
    assert!(brain().rotations >= bytes / 10_000, "{:?}", brain());
    assert_eq!((brain().dropped_lines, brain().dropped_bytes), (0, 0));
}
