use std::fs;

use rustix::process::{Pid, getpgid};

/// Whether a process of the group has this in its environment.
pub fn has_member(group: Pid, setting: &str) -> bool {
    let Ok(all) = fs::read_dir("/proc") else { return false };
    all.flatten()
        .filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?))
        .filter(|pid| getpgid(Some(*pid)) == Ok(group))
        .filter_map(|pid| fs::read(format!("/proc/{}/environ", pid.as_raw_nonzero())).ok())
        .any(|environ| environ.split(|b| *b == 0).any(|own| own == setting.as_bytes()))
}
