use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::fs::{CWD, Dir, Mode, OFlags, openat};
use steady_model::process::ProcessId;

use crate::{Memory, Process};

/// Longer than any line of `/proc/PID/stat`, and than `smaps_rollup`.
const LONGEST: usize = 4096;

pub struct Processes {
    proc: OwnedFd,
    /// CPU time comes in these.
    tick: Duration,
}

impl Processes {
    pub fn new() -> io::Result<Self> {
        let proc = openat(CWD, "/proc", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let hertz = rustix::param::clock_ticks_per_second().clamp(1, 1_000_000);
        let tick = Duration::from_micros(1_000_000_u64.checked_div(hertz).unwrap_or_default());
        Ok(Self { proc, tick })
    }

    pub fn all(&self) -> io::Result<Vec<Process>> {
        let mut all = Vec::new();
        for entry in Dir::read_from(&self.proc)? {
            let entry = entry?;
            let pid = entry.file_name().to_str().ok().and_then(|name| name.parse().ok());
            // Gone between the listing and now.
            let Some(stat) = pid.and_then(|pid: u32| Some((pid, self.read(pid, "stat").ok()?))) else {
                continue;
            };
            all.extend(self.parse(stat.0, &stat.1));
        }
        Ok(all)
    }

    pub fn memory(&self, pid: u32, how: Memory) -> io::Result<u64> {
        let fields: &[&str] = match how {
            Memory::Exact => &["Pss:", "SwapPss:"],
            Memory::Cheap => &["RssAnon:", "VmSwap:"],
        };
        match how {
            // Of a program that protects itself, only the cheap figures can be read.
            Memory::Exact => match self.read(pid, "smaps_rollup") {
                Ok(text) => Ok(sum(&text, fields)),
                Err(_) => self.memory(pid, Memory::Cheap),
            },
            Memory::Cheap => Ok(sum(&self.read(pid, "status")?, fields)),
        }
    }

    fn read(&self, pid: u32, file: &str) -> io::Result<Vec<u8>> {
        let fd =
            openat(&self.proc, format!("{pid}/{file}"), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        let mut text = Vec::with_capacity(LONGEST);
        // The kernel gives such a file whole to one read that has the room.
        rustix::io::read(&fd, rustix::buffer::spare_capacity(&mut text))?;
        Ok(text)
    }

    /// `pid (name) state ppid pgrp …`: the name may hold blanks and brackets.
    fn parse(&self, pid: u32, stat: &[u8]) -> Option<Process> {
        let stat = String::from_utf8_lossy(stat);
        let (_, fields) = stat.rsplit_once(") ")?;
        let mut fields = fields.split(' ');
        let state = fields.next()?;
        let parent = fields.next()?.parse().ok()?;
        let group = fields.next()?.parse().ok()?;
        // Fields 14 to 17 of the whole line: utime, stime, cutime, cstime.
        let mut ticks = fields.by_ref().skip(8).take(4).map(|field| field.parse::<u32>().ok());
        let mut time = || Some(self.tick.saturating_mul(ticks.next()??.saturating_add(ticks.next()??)));
        let (own, children) = (time()?, time()?);
        // Field 22.
        let started = fields.nth(4)?.parse().ok()?;
        let alive = !matches!(state, "Z" | "X" | "x");
        Some(Process { id: ProcessId { pid, started }, parent, group, alive, own, children })
    }
}

/// Bytes in the lines `NAME  123 kB`. Kernel threads have none.
fn sum(text: &[u8], fields: &[&str]) -> u64 {
    let text = String::from_utf8_lossy(text);
    let kilobytes = text.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        let name = words.next()?;
        fields.contains(&name).then(|| words.next()?.parse::<u64>().ok())?
    });
    kilobytes.sum::<u64>().saturating_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_whose_name_looks_like_fields_is_read_right() {
        let processes = Processes { proc: Processes::new().unwrap().proc, tick: Duration::from_millis(10) };
        let stat = b"77 (a) Z 1 (b) S 1 70 70 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 123456 9 9 9";
        let expected = Process {
            id: ProcessId { pid: 77, started: 123_456 },
            parent: 1,
            group: 70,
            alive: true,
            own: Duration::from_millis(110),
            children: Duration::from_millis(150),
        };
        assert_eq!(processes.parse(77, stat), Some(expected));
    }

    #[test]
    fn this_process_is_among_all_with_memory_of_both_kinds_alike() {
        let processes = Processes::new().unwrap();
        let me = std::process::id();
        let seen = processes.all().unwrap().into_iter().find(|process| process.id.pid == me).unwrap();
        assert_eq!(seen.parent, std::os::unix::process::parent_id());
        // So much of its own that both ways see little else.
        let block = vec![1_u8; 64 << 20];
        for how in [Memory::Exact, Memory::Cheap] {
            let memory = processes.memory(me, how).unwrap();
            assert!((64 << 20..90 << 20).contains(&memory), "{how:?}: {memory}");
        }
        drop(block);
    }
}
