//! Followers and readers beside a sink that rotates and compresses.

use std::io::Write;
use std::time::Duration;

use steady_logs::{Follower, Position, Query, open_fifo, read, tail};
use steady_model::config::Rotation;

use crate::home::{Home, numbers, plain, wait_until, writer};

fn packed(max_bytes: u64) -> Rotation {
    Rotation { compress: true, ..plain(max_bytes, 1000) }
}

#[test]
fn a_follower_sees_every_line_once_across_rotations_and_compressions() {
    let home = Home::new();
    let at = home.attachment(packed(50_000));
    home.client.attach(&at).unwrap();
    assert!(writer(&at.fifo, 1, 100).wait().unwrap().success());
    wait_until("the first lines", Duration::from_secs(5), || home.logged().1.contains("line 0000100 "));
    let mut follower = Follower::new(&home.logs(), 10).unwrap();
    let mut writing = writer(&at.fifo, 101, 60_000);
    let mut seen = Vec::new();
    while seen.last() != Some(&60_000) {
        let lines = follower.next_lines(Duration::from_secs(10)).unwrap();
        assert!(!lines.is_empty(), "nothing after {:?}", seen.last());
        seen.extend(numbers(&lines.join("\n")));
        // Slower than the writer, so that what is read next was compressed long ago.
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(writing.wait().unwrap().success());
    assert_eq!(seen, (91..=60_000).collect::<Vec<_>>());
}

#[test]
fn a_follower_that_comes_back_goes_on_where_it_was_however_the_files_changed() {
    let home = Home::new();
    let at = home.attachment(packed(20_000));
    home.client.attach(&at).unwrap();
    assert!(writer(&at.fifo, 1, 5_000).wait().unwrap().success());
    wait_until("the first lines", Duration::from_secs(5), || home.logged().1.contains("line 0005000 "));
    let mut follower = Follower::new(&home.logs(), 3).unwrap();
    let mut seen = Vec::new();
    for (first, last) in [(5_001, 5_001), (5_002, 9_000), (9_001, 9_100)] {
        assert!(writer(&at.fifo, first, last).wait().unwrap().success());
        while seen.last() != Some(&last) {
            let lines = follower.next_lines(Duration::from_secs(10)).unwrap();
            assert!(!lines.is_empty(), "nothing after {:?}", seen.last());
            seen.extend(numbers(&lines.join("\n")));
            // A new one for each portion, from the position's text.
            let position: Position = follower.position().unwrap().to_string().parse().unwrap();
            follower = Follower::resume(&home.logs(), position).unwrap();
        }
    }
    assert_eq!(seen, (4_998..=9_100).collect::<Vec<_>>());
    let pruned: Position = "0:5".parse().unwrap();
    let mut follower = Follower::resume(&home.logs(), pruned).unwrap();
    assert_eq!(numbers(&follower.next_lines(Duration::from_secs(5)).unwrap().join("\n"))[0], 1);
    assert!("5".parse::<Position>().is_err());
}

#[test]
fn a_follower_that_waits_is_ended_at_once_by_its_stopper() {
    let home = Home::new();
    let at = home.attachment(packed(20_000));
    home.client.attach(&at).unwrap();
    let mut follower = Follower::new(&home.logs(), 3).unwrap();
    let stopper = follower.stopper();
    let waiting = std::thread::spawn(move || follower.next_lines(Duration::from_secs(3600)).unwrap());
    drop(stopper);
    assert_eq!(waiting.join().unwrap(), [""; 0]);
}

#[test]
fn a_tail_beside_a_busy_sink_has_no_line_twice_and_none_missing() {
    let home = Home::new();
    let at = home.attachment(packed(100_000));
    home.client.attach(&at).unwrap();
    let mut writing = writer(&at.fifo, 1, 300_000);
    let mut looks = 0;
    while writing.try_wait().unwrap().is_none() {
        let mut lines = tail(&home.logs(), 20_000).unwrap();
        // The newest may still be growing.
        lines.pop();
        let numbers = numbers(&lines.join("\n"));
        assert!(numbers.windows(2).all(|w| w[1] == w[0] + 1), "a gap or a double");
        looks += 1;
    }
    assert!(looks > 3, "only {looks} looks");
}

#[test]
fn since_finds_the_lines_of_a_service_that_writes_no_times() {
    let home = Home::new();
    let at = home.attachment(packed(20_000));
    let mut service = open_fifo(&at.fifo, false).unwrap();
    home.client.attach(&at).unwrap();
    assert!(writer(&at.fifo, 1, 2_000).wait().unwrap().success());
    wait_until("the old lines", Duration::from_secs(5), || home.logged().1.contains("line 0002000 "));
    // Two whole seconds later, so that the second tells them apart.
    std::thread::sleep(Duration::from_millis(2_100));
    let between = steady_clock::now().wall;
    assert!(writer(&at.fifo, 2_001, 4_000).wait().unwrap().success());
    service.write_all(b"the end\n").unwrap();
    wait_until("the new lines", Duration::from_secs(5), || home.logged().1.ends_with("the end\n"));
    let query = Query { since: Some(between), grep: None, lines: 9_999 };
    let lines = read(&home.logs(), &query).unwrap();
    let texts: Vec<&str> = lines.iter().map(|l| l.text.as_str()).collect();
    assert_eq!(*texts.last().unwrap(), "the end");
    let numbers = numbers(&texts[..texts.len() - 1].join("\n"));
    assert_eq!(numbers, (numbers[0]..=4_000).collect::<Vec<_>>());
    // None of the new ones is missing; of the old ones at most those of the last notes.
    assert!((1..=2_001).contains(&numbers[0]), "{}", numbers[0]);
    assert!(numbers[0] > 1_000, "hardly better than nothing: {}", numbers[0]);
    let all = Query { lines: 9_999, ..Query::default() };
    assert_eq!(read(&home.logs(), &all).unwrap().len(), 4_001);
}
