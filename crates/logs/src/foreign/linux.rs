use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::Writer;

/// `O_ACCMODE`, in which 0 is read-only.
const ACCESS: u32 = 0o3;

/// The processes that have the file open for writing, this one among them. From `/proc/<pid>/fd`, which shows
/// the processes of this user; those that end meanwhile have it open no more.
pub fn writers(_path: &Path, file: &Metadata) -> io::Result<Vec<Writer>> {
    let mut found = Vec::new();
    for process in fs::read_dir("/proc")? {
        let process = process?;
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        if writes(&process.path(), file) {
            let command = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            found.push(Writer { pid, command: command.trim_end().to_owned() });
        }
    }
    found.sort();
    Ok(found)
}

fn writes(process: &Path, file: &Metadata) -> bool {
    let Ok(descriptors) = fs::read_dir(process.join("fd")) else { return false };
    descriptors.filter_map(Result::ok).any(|descriptor| {
        let same = |m: Metadata| (m.dev(), m.ino()) == (file.dev(), file.ino());
        fs::metadata(descriptor.path()).is_ok_and(same)
            && fs::read_to_string(process.join("fdinfo").join(descriptor.file_name()))
                .is_ok_and(|info| for_writing(&info))
    })
}

fn for_writing(fdinfo: &str) -> bool {
    fdinfo
        .lines()
        .find_map(|line| line.strip_prefix("flags:"))
        .and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok())
        .is_none_or(|flags| flags & ACCESS != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_tell_reading_from_writing() {
        assert!(!for_writing("pos:\t0\nflags:\t0100000\nmnt_id:\t29\n"));
        assert!(for_writing("pos:\t0\nflags:\t0102001\n"));
        assert!(for_writing("pos:\t0\nflags:\t02\n"));
        assert!(for_writing(""), "in doubt it writes");
    }
}
