//! Figures of real processes.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use steady_clock::now;
use steady_model::process::ProcessId;
use steady_model::time::Now;
use steady_model::usage::Usage;
use steady_usage::{Memory, Sampler, Subject};

/// A shell script in a group of its own; it says `ready` when it is, and `leave PID` about who left the group.
struct Service {
    child: Child,
    leader: ProcessId,
    left: Vec<Pid>,
}

impl Service {
    fn start(script: &str) -> Self {
        let mut child = Command::new("/bin/sh")
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let mut left = Vec::new();
        for line in BufReader::new(child.stdout.as_mut().unwrap()).lines() {
            let line = line.unwrap();
            match line.strip_prefix("leave ") {
                Some(pid) => left.push(Pid::from_raw(pid.parse().unwrap()).unwrap()),
                None if line == "ready" => break,
                None => panic!("{line}"),
            }
        }
        let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
        let started = stat.rsplit_once(") ").unwrap().1.split(' ').nth(19).unwrap().parse().unwrap();
        let leader = ProcessId { pid: child.id(), started };
        Self { child, leader, left }
    }

    fn sample(&self, sampler: &mut Sampler, memory: Memory, now: Now) -> Option<Usage> {
        sampler.sample([Subject { name: "s", leader: &self.leader, memory }], now).unwrap().remove("s")
    }

    fn until(&self, sampler: &mut Sampler, memory: Memory, good: impl Fn(&Usage) -> bool) -> Usage {
        let mut last = None;
        for _ in 0..2000 {
            last = self.sample(sampler, memory, now());
            if let Some(usage) = last.clone().filter(&good) {
                return usage;
            }
            let mut nothing = [rustix::event::PollFd::new(
                self.child.stdin.as_ref().unwrap(),
                rustix::event::PollFlags::ERR,
            )];
            let wait = rustix::time::Timespec { tv_sec: 0, tv_nsec: 5_000_000 };
            rustix::event::poll(&mut nothing, Some(&wait)).unwrap();
        }
        panic!("it never came to that: {last:?}");
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        for pid in &self.left {
            let _ = kill_process(*pid, Signal::KILL);
        }
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.wait();
        // The end of the output is the end of the last of them.
        let mut rest = Vec::new();
        let _ = self.child.stdout.take().unwrap().read_to_end(&mut rest);
    }
}

#[test]
fn children_and_those_that_left_the_group_are_counted() {
    let service = Service::start("sleep 600 & setsid sleep 600 & echo leave $!; echo ready; read line");
    let usage = service.until(&mut Sampler::new().unwrap(), Memory::Cheap, |usage| usage.processes == 3);
    assert_eq!(usage.cpu_permille, None);
    assert!(usage.memory_bytes > 100_000, "{usage:?}");
}

#[test]
fn a_stranger_with_the_same_pid_is_not_counted_nor_is_the_dead() {
    let mut service = Service::start("echo ready; read line");
    let mut sampler = Sampler::new().unwrap();
    let stranger = ProcessId { started: service.leader.started - 1, ..service.leader.clone() };
    let subject = Subject { name: "s", leader: &stranger, memory: Memory::Exact };
    assert!(sampler.sample([subject], now()).unwrap().is_empty());
    assert!(service.sample(&mut sampler, Memory::Exact, now()).is_some());
    // A zombie takes nothing.
    kill_process(Pid::from_child(&service.child), Signal::KILL).unwrap();
    let mut rest = Vec::new();
    service.child.stdout.as_mut().unwrap().read_to_end(&mut rest).unwrap();
    while fs::read_to_string(format!("/proc/{}/stat", service.leader.pid)).is_ok_and(|s| !s.contains(") Z "))
    {
    }
    assert_eq!(service.sample(&mut sampler, Memory::Exact, now()), None);
}

#[test]
fn memory_that_forks_share_counts_once_when_counted_exactly() {
    // 20 MB in the shell's own memory, and four forks that only look at it.
    let script = "x=$(head -c 20000000 /dev/zero | tr '\\0' a); \
                  for i in 1 2 3 4; do (echo up; read line; : $x) <&0 & done | (for i in 1 2 3 4; do read up; done; echo ready; read line)";
    let service = Service::start(script);
    let mut sampler = Sampler::new().unwrap();
    let exact = service.sample(&mut sampler, Memory::Exact, now()).unwrap();
    let cheap = service.sample(&mut sampler, Memory::Cheap, now()).unwrap();
    assert!(exact.memory_bytes >= 20_000_000, "{exact:?}");
    assert!(cheap.memory_bytes > 2 * exact.memory_bytes, "{exact:?} {cheap:?}");
}

#[test]
fn the_rate_is_the_time_spent_since_the_last_sample() {
    let service = Service::start("echo ready; while :; do :; done");
    let mut sampler = Sampler::new().unwrap();
    let start = now();
    let first = service.sample(&mut sampler, Memory::Cheap, start).unwrap();
    assert_eq!(first.cpu_permille, None);
    let mut watcher = Sampler::new().unwrap();
    service.until(&mut watcher, Memory::Cheap, |usage| usage.cpu_ms >= first.cpu_ms + 200);
    let later = Now { awake: start.awake.after(Duration::from_secs(1)), wall: start.wall };
    let second = service.sample(&mut sampler, Memory::Cheap, later).unwrap();
    assert_eq!(u64::from(second.cpu_permille.unwrap()), second.cpu_ms - first.cpu_ms);
    assert!(second.cpu_permille.unwrap() >= 200);
}

#[test]
fn work_of_children_that_came_and_went_is_counted() {
    let work = "i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done";
    let service = Service::start(&format!("echo ready; while :; do sh -c '{work}'; done"));
    let mut sampler = Sampler::new().unwrap();
    let start = now();
    let first = service.sample(&mut sampler, Memory::Cheap, start).unwrap();
    let mut watcher = Sampler::new().unwrap();
    service.until(&mut watcher, Memory::Cheap, |usage| usage.cpu_ms >= first.cpu_ms + 500);
    let later = Now { awake: start.awake.after(Duration::from_secs(1)), wall: start.wall };
    let rate = service.sample(&mut sampler, Memory::Cheap, later).unwrap().cpu_permille.unwrap();
    assert!(rate >= 400, "the shell itself does next to nothing: {rate}");
}

/// The figures that `Memory` states, in CPU time: a busy machine does not change them much.
#[test]
#[ignore = "a measurement"]
fn cost_of_a_hundred_services() {
    let services: Vec<_> = (0..100).map(|_| Service::start("sleep 600 & echo ready; read line")).collect();
    let heavy = Service::start("x=$(head -c 200000000 /dev/zero | tr '\\0' a); echo ready; read line");
    let names: Vec<_> = (0..100).map(|n| n.to_string()).collect();
    let mut sampler = Sampler::new().unwrap();
    let mut timed = |subjects: Vec<Subject<'_>>| {
        let times = (0..20).map(|_| {
            let begun = cpu();
            let found = sampler.sample(subjects.iter().copied(), now()).unwrap();
            assert_eq!(found.len(), subjects.len());
            cpu().checked_sub(begun).unwrap()
        });
        let mut times: Vec<_> = times.collect();
        times.sort();
        times[10]
    };
    let is_process = |name: &str| name.parse::<u32>().is_ok();
    let listed = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().file_name());
    println!("{} processes", listed.filter(|name| name.to_str().is_some_and(is_process)).count());
    println!("the pass alone: {:?}", timed(Vec::new()));
    for memory in [Memory::Cheap, Memory::Exact] {
        let light = services.iter().zip(&names).map(|(s, name)| Subject { name, leader: &s.leader, memory });
        println!("100 services of two processes, {memory:?}: {:?}", timed(light.collect()));
        let heavy = Subject { name: "heavy", leader: &heavy.leader, memory };
        println!("one of 200 MB, {memory:?}: {:?}", timed(vec![heavy]));
    }
}

fn cpu() -> Duration {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(t.tv_sec.try_into().unwrap(), t.tv_nsec.try_into().unwrap())
}
