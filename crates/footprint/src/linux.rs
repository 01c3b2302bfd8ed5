use std::ffi::c_void;
use std::fs;
use std::ops::Range;

use rustix::mm::{Advice, madvise};

pub(crate) fn give_back() {
    let Ok(program) = fs::read_link("/proc/self/exe") else { return };
    let Ok(smaps) = fs::read_to_string("/proc/self/smaps") else { return };
    // As the kernel writes it, also when the file was replaced since: then both end in " (deleted)".
    for Range { start, end } in unchanged(&smaps, &program.to_string_lossy()) {
        release(start, end - start);
    }
    drop(smaps);
    trim();
}

#[expect(unsafe_code, reason = "rustix marks every madvise as unsafe, for the advices that lose bytes")]
fn release(start: usize, bytes: usize) {
    let start = std::ptr::with_exposed_provenance_mut::<c_void>(start);
    // SAFETY: the range is a whole mapping of this program's own file, which the loader made and nobody removes or
    // makes writable while the program runs. It is not writable and has no page of its own (`unchanged`), so the
    // kernel forgets no byte: the next access maps the file's page again.
    let _ = unsafe { madvise(start, bytes, Advice::LinuxDontNeed) };
}

/// glibc returns only the top of its heap by itself; the holes of the start stay.
#[expect(unsafe_code, reason = "there is no safe form of malloc_trim")]
fn trim() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it may be called at any time and from any thread; it takes the allocator's own locks.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[expect(unsafe_code, reason = "there is no safe form of mallopt")]
pub(crate) fn keep_at_hand() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes two numbers and sets the allocator's own; a value that it does not know changes nothing.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 32 << 20);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 128 << 20);
    }
}

/// The mappings of `program` that hold nothing but the file's bytes: private, not writable, with no anonymous page.
/// The format is that of `proc_pid_smaps(5)`.
fn unchanged(smaps: &str, program: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut candidate = None;
    for line in smaps.lines() {
        if let Some(range) = header(line) {
            candidate = (line.ends_with(program) && is_read_only(line)).then_some(range);
        } else if let Some(rest) = line.strip_prefix("Anonymous:")
            && let Some(range) = candidate.take()
            && rest.split_whitespace().next() == Some("0")
        {
            found.push(range);
        }
    }
    found
}

fn header(line: &str) -> Option<Range<usize>> {
    let (start, end) = line.split(' ').next()?.split_once('-')?;
    let number = |hex| usize::from_str_radix(hex, 16).ok();
    let range = number(start)?..number(end)?;
    (range.start < range.end).then_some(range)
}

fn is_read_only(header: &str) -> bool {
    matches!(header.split(' ').nth(1), Some("r--p" | "r-xp"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMAPS: &str = "\
55d0a0000000-55d0a0100000 r--p 00000000 fe:00 42 /opt/steady
Rss:                1024 kB
Anonymous:             0 kB
55d0a0100000-55d0a0900000 r-xp 00100000 fe:00 42 /opt/steady
Anonymous:             0 kB
55d0a0900000-55d0a0970000 r--p 00900000 fe:00 42 /opt/steady
Anonymous:           436 kB
55d0a0970000-55d0a0980000 rw-p 00970000 fe:00 42 /opt/steady
Anonymous:             0 kB
55d0b0000000-55d0b0200000 rw-p 00000000 00:00 0 [heap]
Anonymous:             0 kB
7f0000000000-7f0000100000 r-xp 00000000 fe:00 43 /usr/lib/libm.so.6
Anonymous:             0 kB
7f0000200000-7f0000300000 r-xs 00000000 fe:00 42 /opt/steady
Anonymous:             0 kB
";

    #[test]
    fn only_what_is_in_the_programs_file_byte_for_byte_is_given_back() {
        assert_eq!(
            unchanged(SMAPS, "/opt/steady"),
            [0x55d0_a000_0000..0x55d0_a010_0000, 0x55d0_a010_0000..0x55d0_a090_0000]
        );
        assert_eq!(unchanged("", "/opt/steady"), []);
        assert_eq!(unchanged("zz-10 r-xp /opt/steady\nAnonymous: 0 kB\n20-10 r-xp a\n", "a"), []);
    }
}
