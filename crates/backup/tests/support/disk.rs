//! Small disks, read-only ones and broken files, made of mounts: so they are for root on Linux.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Something that is mounted until it is dropped.
pub struct Mounted(PathBuf);

/// Only root may mount; root whom the system does not let is told so, because the test would prove nothing.
#[allow(clippy::print_stderr, reason = "who reads the result must know what was not tried")]
fn may_mount() -> bool {
    let may = cfg!(target_os = "linux") && rustix::process::geteuid().is_root();
    if !may {
        eprintln!("skipped: this needs a mount, and only root on Linux may mount");
    }
    may
}

fn mount(args: &[&str], at: &Path) {
    let out = Command::new("mount").args(args).arg(at).output().expect("`mount` is needed");
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(
        out.status.success(),
        "root may not mount here (in a container: --cap-add SYS_ADMIN): mount {args:?} {}: {said}",
        at.display()
    );
}

impl Mounted {
    /// A disk of `bytes`; `None` for who may not mount.
    pub fn small(at: &Path, bytes: u64) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        if !may_mount() {
            return None;
        }
        mount(&["-t", "tmpfs", "-o", &format!("size={bytes}"), "tmpfs"], at);
        Some(Self(at.to_owned()))
    }

    /// `at` becomes a file that can be opened and whose first byte cannot be read, as on a disk that dies: the
    /// memory of this process, which has none at address 0.
    pub fn broken_file(at: &Path) -> Option<Self> {
        std::fs::write(at, "").unwrap();
        if !may_mount() {
            return None;
        }
        mount(&["--bind", &format!("/proc/{}/mem", std::process::id())], at);
        Some(Self(at.to_owned()))
    }

    pub fn make_read_only(&self) {
        mount(&["-o", "remount,ro"], &self.0);
    }

    pub fn make_writable(&self) {
        mount(&["-o", "remount,rw"], &self.0);
    }

    pub fn resize(&self, bytes: u64) {
        mount(&["-o", &format!("remount,size={bytes}")], &self.0);
    }

    /// Somebody else takes all the room but `left` bytes, with a file that is returned.
    pub fn fill(&self, left: u64) -> PathBuf {
        let filler = self.0.join("filler");
        let file = std::fs::File::create(&filler).unwrap();
        loop {
            let room = rustix::fs::statvfs(&self.0).unwrap();
            let bytes = (room.f_bavail * room.f_frsize).saturating_sub(left);
            // Who writes there too may be faster.
            if allocate(&file, bytes) {
                return filler;
            }
        }
    }
}

#[cfg(target_os = "linux")]
fn allocate(file: &impl AsFd, bytes: u64) -> bool {
    bytes == 0 || rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), 0, bytes).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn allocate(_: &impl AsFd, _: u64) -> bool {
    true
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}
