//! Bytes come through as they were written, whatever they are.

use std::fs;
use std::io::Write;
use std::time::Duration;

use steady_logs::{open_fifo, tail};
use steady_model::config::Rotation;

use crate::home::{Home, logged_in, plain, wait_until};

#[test]
fn megabyte_lines_and_binary_bytes_pass_byte_for_byte_through_rotation_and_compression() {
    let home = Home::new();
    let at = home.attachment(Rotation { compress: true, ..plain(3_000_000, 100) });
    let mut service = open_fifo(&at.fifo, false).unwrap();
    home.client.attach(&at).unwrap();
    let mut dice = fastrand::Rng::with_seed(1);
    let mut expected = Vec::new();
    for n in 0..20 {
        let mut line: Vec<u8> =
            (0..1_000_000).map(|_| dice.u8(..)).map(|b| if b == b'\n' { 0 } else { b }).collect();
        line.extend(format!(" the end of line {n}\n").bytes());
        service.write_all(&line).unwrap();
        expected.extend(line);
    }
    wait_until("all bytes", Duration::from_secs(20), || logged_in(&home.logs()).1.len() == expected.len());
    let (files, bytes) = logged_in(&home.logs());
    assert!(bytes == expected, "changed on the way");
    assert!(files.len() >= 6, "{files:?}");
    let newest = tail(&home.logs(), 2).unwrap();
    assert!(newest[1].ends_with(" the end of line 19") && newest[0].ends_with(" the end of line 18"));
}

#[test]
fn a_service_that_dies_in_the_middle_of_a_line_leaves_its_half_and_its_successor_goes_on() {
    let home = Home::new();
    let at = home.attachment(plain(1_000_000, 3));
    let _held = open_fifo(&at.fifo, true).unwrap();
    home.client.attach(&at).unwrap();
    let mut service = open_fifo(&at.fifo, false).unwrap();
    service.write_all(b"whole\nhalf a li").unwrap();
    drop(service);
    wait_until("the half line", Duration::from_secs(5), || home.logged().1 == "whole\nhalf a li");
    let mut successor = open_fifo(&at.fifo, false).unwrap();
    successor.write_all(b"started\n").unwrap();
    wait_until("the next", Duration::from_secs(5), || home.logged().1 == "whole\nhalf a listarted\n");
}

#[test]
fn a_service_that_closes_its_output_costs_nothing_and_can_open_it_again() {
    let home = Home::new();
    let at = home.attachment(plain(1_000_000, 3));
    home.client.attach(&at).unwrap();
    let mut all = String::new();
    for n in 0..50 {
        let mut service = open_fifo(&at.fifo, false).unwrap();
        let line = format!("opening {n}\n");
        service.write_all(line.as_bytes()).unwrap();
        all += &line;
        drop(service);
    }
    wait_until("all lines", Duration::from_secs(5), || home.logged().1 == all);
    // Nobody but the sink has it open: that must not wake it for ever.
    let pid = home.sink_pid().unwrap().as_raw_nonzero();
    let switches = || {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find(|l| l.starts_with("voluntary_ctxt_switches")).unwrap().to_owned();
        line.split_whitespace().last().unwrap().parse::<u64>().unwrap()
    };
    let before = switches();
    std::thread::sleep(Duration::from_millis(300));
    assert!(switches() - before < 5, "woken while nothing happens");
}
