//! An agent whose wall clock a test sets, by Debian's libfaketime; the monotonic one is left alone.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::{Stack, bin};

fn library() -> PathBuf {
    let libraries = fs::read_dir("/usr/lib").unwrap().filter_map(|dir| {
        let library = dir.ok()?.path().join("faketime/libfaketimeMT.so.1");
        library.is_file().then_some(library)
    });
    libraries.into_iter().next().unwrap_or_else(|| panic!("`make setup` installs faketime"))
}

impl Stack {
    /// An agent over this folder, and the file whose text is its clock's offset: `+0`, `+1d`, `-1d`.
    pub fn agent_with_clock(&self) -> (Child, PathBuf) {
        let clock = self.path("clock");
        fs::write(&clock, "+0").unwrap();
        let agent = Command::new(bin("steady"))
            .arg("--home")
            .arg(self.home())
            .args(["agent", "--config"])
            .arg(self.path("steady.toml"))
            .env("LD_PRELOAD", library())
            .env("FAKETIME_TIMESTAMP_FILE", &clock)
            .envs([("FAKETIME_NO_CACHE", "1"), ("FAKETIME_DONT_FAKE_MONOTONIC", "1")])
            .stdin(Stdio::null())
            .stderr(fs::File::create(self.path("agent.log")).unwrap())
            .spawn()
            .unwrap();
        (agent, clock)
    }
}
