use std::process::Command;

use rustix::process::Pid;

/// Whether a process of the group has this in its environment, which `ps -E` shows of the user's own processes.
pub fn has_member(group: Pid, setting: &str) -> bool {
    let Ok(told) = Command::new("/bin/ps").args(["-A", "-E", "-ww", "-o", "pgid=,command="]).output() else {
        return false;
    };
    let group = group.as_raw_nonzero().to_string();
    String::from_utf8_lossy(&told.stdout).lines().any(|line| {
        let mut words = line.split_whitespace();
        words.next() == Some(group.as_str()) && words.any(|word| word == setting)
    })
}
