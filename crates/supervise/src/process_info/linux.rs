use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::sync::OnceLock;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use steady_model::process::ProcessId;
use steady_model::time::WallTime;

use super::Seen;

pub fn look(pid: u32) -> Option<Seen> {
    parse(pid, &fs::read(format!("/proc/{pid}/stat")).ok()?)
}

pub fn all() -> io::Result<Vec<Seen>> {
    let mut seen = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let pid = entry?.file_name().to_str().and_then(|name| name.parse().ok());
        seen.extend(pid.and_then(look));
    }
    Ok(seen)
}

pub fn boot_id() -> io::Result<String> {
    static ID: OnceLock<String> = OnceLock::new();
    if let Some(id) = ID.get() {
        return Ok(id.clone());
    }
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned();
    Ok(ID.get_or_init(|| id).clone())
}

pub fn argv(pid: u32) -> Option<Vec<OsString>> {
    strings(pid, "cmdline")
}

pub fn environment(pid: u32) -> Option<Vec<OsString>> {
    strings(pid, "environ")
}

pub fn since(pid: u32) -> Option<WallTime> {
    let started = look(pid)?.id.started;
    let hertz = rustix::param::clock_ticks_per_second();
    let up = clock_gettime(ClockId::Boottime);
    let up = Duration::from_secs(u64::try_from(up.tv_sec).ok()?);
    let age = up.saturating_sub(Duration::from_secs(started / hertz.max(1)));
    let now = steady_clock::now().wall;
    now.0.checked_sub(age).ok().map(WallTime)
}

fn strings(pid: u32, file: &str) -> Option<Vec<OsString>> {
    let bytes = fs::read(format!("/proc/{pid}/{file}")).ok()?;
    let bytes = bytes.strip_suffix(b"\0").unwrap_or(&bytes);
    if bytes.is_empty() {
        return None;
    }
    Some(bytes.split(|b| *b == 0).map(|s| OsString::from_vec(s.to_vec())).collect())
}

/// `pid (name) state ppid pgrp … starttime …`: the name may hold blanks and brackets.
fn parse(pid: u32, stat: &[u8]) -> Option<Seen> {
    let text = String::from_utf8_lossy(stat);
    let (_, fields) = text.rsplit_once(") ")?;
    let mut fields = fields.split(' ');
    let state = fields.next()?;
    let group = fields.nth(1)?.parse().ok()?;
    // Field 22 of the whole line; three of its successors were taken above.
    let started = fields.nth(16)?.parse().ok()?;
    Some(Seen { id: ProcessId { pid, started }, group, alive: !matches!(state, "Z" | "X" | "x") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_whose_name_looks_like_fields_is_read_right() {
        let stat = b"77 (a) Z 1 (b) S 1 70 70 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 123456 9 9 9";
        let seen = parse(77, stat).unwrap();
        assert_eq!(seen, Seen { id: ProcessId { pid: 77, started: 123_456 }, group: 70, alive: true });
    }

    #[test]
    fn this_process_is_seen_with_its_arguments_and_its_age() {
        let me = std::process::id();
        let seen = look(me).unwrap();
        assert!(seen.alive);
        assert_eq!(look(me).unwrap().id, seen.id);
        assert!(all().unwrap().contains(&seen));
        assert!(argv(me).unwrap()[0].to_string_lossy().contains("supervise"));
        let age = steady_clock::now().wall.since(since(me).unwrap()).unwrap_or_default();
        assert!(age < Duration::from_secs(120), "{age:?}");
    }
}
