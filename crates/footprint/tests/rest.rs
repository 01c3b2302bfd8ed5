//! A program that gave back is smaller and works on.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;

/// Kilobytes of the program's text that are mapped now.
fn text() -> u64 {
    let program = fs::read_link("/proc/self/exe").unwrap();
    let smaps = fs::read_to_string("/proc/self/smaps").unwrap();
    let mut lines =
        smaps.lines().skip_while(|l| !(l.contains(" r-xp ") && l.ends_with(program.to_str().unwrap())));
    let rss = lines.find_map(|l| l.strip_prefix("Rss:")).unwrap();
    rss.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn text_that_is_not_used_leaves_and_what_is_used_again_comes_back() {
    let (words, before) = (vec!["kept".to_owned(); 1000], text());
    for _ in 0..3 {
        steady_footprint::give_back();
    }
    let after = text();
    assert!(after < before, "{before} kB of text were mapped, {after} kB after");
    assert!(words.iter().all(|w| w == "kept"), "the heap lost bytes");
    let told = std::thread::spawn(|| format!("{:?}", [1.5_f64, 2.25])).join().unwrap();
    assert_eq!(told, "[1.5, 2.25]");
}
