use std::fs;

use rustix::process::Pid;

/// Whether a process of the group has this in its environment.
pub fn has_member(group: Pid, setting: &str) -> bool {
    let Ok(all) = fs::read_dir("/proc") else { return false };
    let group = group.as_raw_nonzero().to_string();
    all.flatten()
        .map(|entry| entry.path())
        .filter(|process| fs::read_to_string(process.join("stat")).is_ok_and(|stat| is_of(&stat, &group)))
        .filter_map(|process| fs::read(process.join("environ")).ok())
        .any(|environ| environ.split(|b| *b == 0).any(|own| own == setting.as_bytes()))
}

/// `pid (name) state parent group …`; a name may hold spaces and parentheses.
fn is_of(stat: &str, group: &str) -> bool {
    stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(2)) == Some(group)
}
