//! Copies, as configured and as restic sees them.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use steady_model::config::{CopyPlace, CopyTarget};

use super::World;

pub fn target(name: &str, to: CopyPlace) -> CopyTarget {
    let stale_after = Duration::from_hours(72);
    CopyTarget { name: name.into(), to, login: None, password: None, limit: None, stale_after }
}

/// Debian's restic with the key of the repository here; `at` is as it names repositories.
pub fn restic(world: &World, at: impl AsRef<OsStr>, args: &[&str]) -> String {
    restic_with(world, at, &[], args)
}

pub fn restic_with(world: &World, at: impl AsRef<OsStr>, env: &[(&str, &str)], args: &[&str]) -> String {
    let out = Command::new("restic")
        .envs(env.iter().copied())
        .args(["--no-cache", "--no-lock", "--repo"])
        .arg(at)
        .arg("--password-file")
        .arg(world.home().join("backups/password"))
        .args(args)
        .output()
        .expect("Debian's restic is needed: apt-get install restic");
    let text = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "restic {args:?}: {text}");
    text
}

/// Bytes that neither compress nor repeat.
pub fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    std::iter::repeat_with(next).take(bytes / 8).flat_map(u64::to_le_bytes).collect()
}

/// rclone with a configuration of its own.
pub fn rclone(world: &World, config: &str) -> Vec<String> {
    let file = world.dir.path().join("rclone.conf");
    std::fs::write(&file, config).unwrap();
    vec!["rclone".into(), "--config".into(), file.to_str().unwrap().into()]
}

/// An rclone remote that is a folder of this machine.
pub fn disk(world: &World) -> (CopyTarget, PathBuf) {
    let at = world.dir.path().join("far");
    let config = format!("[far]\ntype = alias\nremote = {}\n", at.display());
    let place = CopyPlace::Rclone { program: rclone(world, &config), remote: "far:ada/steady".into() };
    (target("far", place), at.join("ada/steady"))
}
