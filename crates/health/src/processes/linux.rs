use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use steady_model::time::WallTime;

use super::{About, Running};

pub fn all() -> io::Result<Vec<Running>> {
    let mut all = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let pid: Option<u32> = entry?.file_name().to_str().and_then(|name| name.parse().ok());
        // `None` is one that is gone since the listing, too.
        all.extend(pid.and_then(|pid| Some(Running { pid, command: command(pid)? })));
    }
    Ok(all)
}

pub fn command(pid: u32) -> Option<String> {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    // A program that renamed itself leaves many zeros behind.
    let end = bytes.iter().rposition(|b| *b != 0)?;
    let words = bytes.get(..=end)?.split(|b| *b == 0).map(|word| OsString::from_vec(word.to_vec()));
    Some(super::joined(words.collect::<Vec<_>>().iter()))
}

pub fn about(pid: u32) -> Option<About> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let (group, order) = parse(&String::from_utf8_lossy(&stat))?;
    let program = fs::read_link(format!("/proc/{pid}/exe")).ok().map(|path| {
        let path = path.into_os_string().into_vec();
        // Replaced since its start, as by an update.
        let path = path.strip_suffix(b" (deleted)").map(<[u8]>::to_vec).unwrap_or(path);
        PathBuf::from(OsString::from_vec(path))
    });
    Some(About { order, since: since(order), group, program })
}

/// Group and start of `pid (name) state ppid pgrp …`: the name may hold blanks and brackets.
fn parse(stat: &str) -> Option<(u32, u64)> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ');
    let state = fields.next()?;
    let group = fields.nth(1)?.parse().ok()?;
    // Field 22 of the whole line; three of its successors were taken above.
    let started = fields.nth(16)?.parse().ok()?;
    (!matches!(state, "Z" | "X" | "x")).then_some((group, started))
}

/// `started` is in ticks since the boot, asleep or awake.
fn since(started: u64) -> Option<WallTime> {
    let hertz = rustix::param::clock_ticks_per_second().max(1);
    let up = Duration::from_secs(u64::try_from(clock_gettime(ClockId::Boottime).tv_sec).ok()?);
    let age = up.saturating_sub(Duration::from_secs(started.checked_div(hertz)?));
    steady_clock::now().wall.0.checked_sub(age).ok().map(WallTime)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_whose_name_looks_like_fields_is_read_right() {
        let line = |state: &str| {
            format!("77 (a) Z 1 (b) {state} 1 70 70 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 123456 9 9 9")
        };
        assert_eq!(parse(&line("S")), Some((70, 123_456)));
        assert_eq!(parse(&line("Z")), None, "a zombie does not run");
    }

    #[test]
    fn its_begin_is_told_by_todays_clock() {
        let about = about(std::process::id()).unwrap();
        let age = steady_clock::now().wall.since(about.since.unwrap()).unwrap_or_default();
        assert!(age < Duration::from_secs(120), "{age:?}");
    }
}
