//! The machine as a class: nothing that names it.

use std::fs;

use jiff::Timestamp;
use rustix::process::getpriority_process;
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    pub date: String,
    pub processors: usize,
    pub processor: String,
    pub memory_gib: u64,
    /// The first two numbers of the kernel's version.
    pub kernel: String,
    /// Runnable processes of the last minute before the part began, others' included.
    pub load: f64,
    /// The scheduling priority of the bench and all it started: 0, or below for more.
    pub nice: i32,
}

impl Machine {
    pub fn look() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let field = |text: &str, name: &str| {
            let line = text.lines().find(|line| line.starts_with(name))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        };
        let memory = field(&read("/proc/meminfo"), "MemTotal").unwrap_or_default();
        let kib: u64 = memory.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or_default();
        let kernel = read("/proc/sys/kernel/osrelease");
        let load = read("/proc/loadavg");
        Self {
            date: today(),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            processor: field(&read("/proc/cpuinfo"), "model name").unwrap_or_else(|| "unknown".to_owned()),
            memory_gib: kib.div_ceil(1 << 20),
            kernel: kernel.split('.').take(2).collect::<Vec<_>>().join("."),
            load: load.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or_default(),
            nice: getpriority_process(None).unwrap_or_default(),
        }
    }
}

fn today() -> String {
    let now = clock_gettime(ClockId::Realtime).tv_sec;
    Timestamp::from_second(now).unwrap_or(Timestamp::UNIX_EPOCH).strftime("%Y-%m-%d").to_string()
}
